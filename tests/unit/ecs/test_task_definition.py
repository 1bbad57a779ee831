"""Rewriting task definitions: what refers to the secret afterwards, and what stays."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickctl.core.ecs.preflight import check_definition
from tickctl.core.ecs.registration import same
from tickctl.core.ecs.task_definition import ContainerChange, Rewrite, refers_to, rewrite, without_dangling
from tickctl.errors import ConfigurationError

PARTIAL = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/production"
ARN = f"{PARTIAL}-AbCdEf"
OTHER = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:datadog-GhIjKl"
ROLE = "arn:aws:iam::123456789012:role/execution"


def ref(key: str, arn: str = ARN, name: str | None = None, tail: str = "::") -> dict[str, str]:
    """Return an entry of `secrets`."""
    return {"name": name or key, "valueFrom": f"{arn}:{key}{tail}"}


def plain(**values: str) -> list[dict[str, str]]:
    """Return `environment`."""
    return [{"name": name, "value": value} for name, value in values.items()]


def container(name: str = "gateway", **more: Any) -> dict[str, Any]:
    """Return a container."""
    return {"name": name, "image": f"{name}:1", **more}


def definition(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a task definition."""
    return {"family": "gateway", "executionRoleArn": ROLE, "containerDefinitions": list(containers)} | more


def of(result: Rewrite, index: int = 0) -> Mapping[str, Any]:
    """Return a container of a result."""
    containers: Any = result.document["containerDefinitions"]
    found: Mapping[str, Any] = containers[index]
    return found


def test_keys_are_added_behind_what_is_there() -> None:
    """In the order of their names; entries that are there keep theirs."""
    before = definition(container(secrets=[ref("DD_KEY", OTHER), ref("B")]))
    result = rewrite(before, arn=ARN, keys=["C", "B", "A"], known=["A", "B", "C"])
    assert of(result)["secrets"] == [ref("DD_KEY", OTHER), ref("B"), ref("A"), ref("C")]
    assert result.changes == (ContainerChange("gateway", added=("A", "C")),)


def test_only_fields_of_the_registration_are_left() -> None:
    """AWS refuses what it answered beside."""
    before = definition(container(), revision=7, status="ACTIVE", compatibilities=["FARGATE"])
    result = rewrite(before, arn=ARN, keys=["A"], known=["A"])
    assert result.document.keys() == {"family", "executionRoleArn", "containerDefinitions"}


def test_the_only_container_needs_no_name() -> None:
    """There is no doubt which is meant."""
    assert of(rewrite(definition(container()), arn=ARN, keys=["A"], known=["A"]))["secrets"] == [ref("A")]


def test_containers_that_refer_to_the_secret_get_its_keys() -> None:
    """The others stay as they are."""
    log_router = container("log", secrets=[ref("X", OTHER)])
    before = definition(log_router, container(secrets=[ref("A")]))
    result = rewrite(before, arn=ARN, keys=["A", "B"], known=["A", "B"])
    assert of(result, 0) == log_router
    assert of(result, 1)["secrets"] == [ref("A"), ref("B")]


def test_named_containers_get_the_keys_whatever_refers_to_the_secret() -> None:
    """Who says which ones decides."""
    before = definition(container("one", secrets=[ref("A")]), container("two"))
    result = rewrite(before, arn=ARN, keys=["A", "B"], containers=["two"], known=["A", "B"])
    assert of(result, 0)["secrets"] == [ref("A")]
    assert of(result, 1)["secrets"] == [ref("A"), ref("B")]


@pytest.mark.parametrize(
    ("containers", "message", "hint"),
    [
        ([], "2 containers, and none refers", "--container: one, two"),
        (["three"], "no container three", "it has one, two"),
    ],
)
def test_doubt_about_containers_is_refused(containers: list[str], message: str, hint: str) -> None:
    """A secret isn't handed to whoever comes first."""
    with pytest.raises(ConfigurationError, match=message) as refused:
        rewrite(definition(container("one"), container("two")), arn=ARN, keys=["A"], containers=containers, known=["A"])
    assert hint in str(refused.value.hint)


def test_plain_values_become_references_in_every_container() -> None:
    """Also in a sidecar that gets no other key: no secret is left in plain sight."""
    sidecar = container("log", environment=plain(A="in plain sight", LEVEL="info"))
    before = definition(container(secrets=[ref("A")], environment=plain(B="2", LEVEL="debug")), sidecar)
    result = rewrite(before, arn=ARN, keys=["A", "B"], known=["A", "B"])
    assert of(result, 0)["environment"] == plain(LEVEL="debug")
    assert of(result, 1)["environment"] == plain(LEVEL="info")
    assert of(result, 1)["secrets"] == [ref("A")]
    assert result.changes == (ContainerChange("gateway", moved=("B",)), ContainerChange("log", moved=("A",)))


def test_key_that_stands_twice_in_a_file_is_told_as_moved() -> None:
    """As a plain value and as a reference to something else: AWS would refuse the file, and it is mended."""
    before = definition(container(secrets=[ref("A", OTHER)], environment=plain(A="1")))
    result = rewrite(before, arn=ARN, keys=["A"], known=["A"])
    assert of(result)["secrets"] == [ref("A")]
    assert result.changes == (ContainerChange("gateway", moved=("A",)),)


@pytest.mark.parametrize(
    "entry",
    [
        ref("A", OTHER),
        ref("A", PARTIAL),
        ref("A", tail=":AWSPREVIOUS:"),
        ref("A", tail=""),
        ref("OLD_NAME", name="A"),
        {"name": "A", "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/a"},
        {"name": "A", "valueFrom": "parameter"},
    ],
)
def test_other_references_under_a_key_s_name_are_replaced_in_place(entry: dict[str, str]) -> None:
    """By AWS's exact form."""
    before = definition(container(secrets=[entry, ref("DD_KEY", OTHER)]))
    result = rewrite(before, arn=ARN, keys=["A"], known=["A"])
    assert of(result)["secrets"] == [ref("A"), ref("DD_KEY", OTHER)]
    assert result.changes == (ContainerChange("gateway", changed=("A",)),)


def test_references_to_keys_that_go_are_removed() -> None:
    """No task could start with them; whatever is pinned to a version, or to another secret, stays."""
    stay = [ref("GONE", tail=":AWSPREVIOUS:", name="P"), ref("GONE", OTHER, name="Q"), {"name": "W", "valueFrom": ARN}]
    before = definition(container(secrets=[ref("A"), ref("GONE", name="OLD"), *stay]), container("b"))
    result = rewrite(before, arn=ARN, keys=["A"], known=["A"])
    assert of(result)["secrets"] == [ref("A"), *stay]
    assert result.changes == (ContainerChange("gateway", removed=("OLD",)),)
    assert without_dangling(before, arn=ARN, known=["A"]) == result


def test_after_a_rollback_nothing_is_added() -> None:
    """Other containers and plain values stay as they are, too."""
    before = definition(container(secrets=[ref("A")], environment=plain(B="1")), container("two"))
    result = without_dangling(before, arn=ARN, known=["A", "B"])
    assert result == Rewrite(before, ())


def test_log_option_that_would_dangle_is_refused() -> None:
    """Without the option the driver might send logs elsewhere, so nobody mends it behind the operator's back."""
    log = {"logDriver": "splunk", "secretOptions": [ref("SPLUNK_TOKEN", name="splunk-token")]}
    before = definition(container(logConfiguration=log))
    assert rewrite(before, arn=ARN, keys=["A"], known=["A", "SPLUNK_TOKEN"]).changes
    with pytest.raises(ConfigurationError, match="log driver of container gateway refers to SPLUNK_TOKEN"):
        without_dangling(before, arn=ARN, known=["A"])


def test_references_are_listed_by_container() -> None:
    """Keys, not the names under which containers know them; what is pinned doesn't follow the secret."""
    secrets = [ref("B"), ref("A", name="OTHER_NAME"), ref("C", tail=":AWSPREVIOUS:"), ref("X", OTHER)]
    found = refers_to(definition(container(secrets=secrets), container("log"), container("whole", secrets=[
        {"name": "ALL", "valueFrom": ARN}])), ARN)  # fmt: skip
    assert found == {"gateway": ("A", "B"), "whole": ()}


def test_nothing_is_changed_in_the_document_that_was_given() -> None:
    """It is also what is compared with."""
    before = definition(container(secrets=[ref("GONE")], environment=plain(A="1")))
    kept = copy.deepcopy(before)
    rewrite(before, arn=ARN, keys=["A"], known=["A"])
    assert before == kept


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (definition(container(secrets=[ref("X", OTHER), ref("X", OTHER)])), "names these secrets twice: X"),
        (definition(container(secrets=[ref("A"), ref("A")])), "names these secrets twice: A"),
        (
            definition(container(secrets=[ref("X", OTHER)], environment=plain(X="1"))),
            "both as secrets and as plain values: X",
        ),
        (definition(container(), executionRoleArn=None), "no executionRoleArn"),
        (definition(container(), executionRoleArn=""), "no executionRoleArn"),
        (definition(container("a", secrets=[ref("A")]), container("a")), "two containers are called a"),
        (definition(container("a", secrets=[ref("A")]), container("")), "a container has no name"),
        (definition(container(secrets=["hunter2"])), "'secrets' of the task definition is no list of objects"),
        (definition(container(environment="hunter2")), "'environment' of the task definition is no list"),
        ({"family": "a", "containerDefinitions": {"name": "a"}}, "'containerDefinitions' .* no list"),
        ({"family": "a"}, "0 containers"),
    ],
)
def test_what_aws_would_refuse_is_refused_before(document: dict[str, Any], message: str) -> None:
    """With the reason, and without any value."""
    with pytest.raises(ConfigurationError, match=message) as refused:
        rewrite(document, arn=ARN, keys=["A"], known=["A"])
    assert "hunter2" not in f"{refused.value.message} {refused.value.hint}"


def test_a_definition_that_grows_too_large_is_refused() -> None:
    """ECS takes 64 KiB, and each reference repeats the ARN."""
    keys = [f"A_RATHER_LONG_NAME_{number}" for number in range(600)]
    with pytest.raises(ConfigurationError, match=r"would have \d+ bytes, and ECS takes 65536"):
        rewrite(definition(container()), arn=ARN, keys=keys, known=keys)


def test_a_definition_without_secrets_needs_no_execution_role() -> None:
    """ECS fetches nothing for it."""
    check_definition(definition(container(), executionRoleArn=None))


names = st.sampled_from(["A", "B", "C", "D", "E"])
values = st.text(alphabet="xyz", min_size=1, max_size=3)
entries = st.builds(
    lambda name, key, arn, tail: {"name": name, "valueFrom": f"{arn}:{key}{tail}"},
    names,
    names,
    st.sampled_from([ARN, PARTIAL, OTHER]),
    st.sampled_from(["::", ":AWSPREVIOUS:", ":AWSCURRENT:", ""]),
)


@st.composite
def containers(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw containers that could be registered."""
    made = []
    for name in draw(st.lists(st.sampled_from(["gateway", "log", "proxy"]), min_size=1, unique=True)):
        secrets = draw(st.lists(entries, max_size=5, unique_by=lambda entry: entry["name"]))
        taken = {entry["name"] for entry in secrets}
        environment = {key: value for key, value in draw(st.dictionaries(names, values)).items() if key not in taken}
        made.append(container(name, secrets=secrets, environment=plain(**environment), command=["run", name]))
    return made


@given(containers(), st.sets(names, min_size=1), st.sets(names))
def test_rewriting(made: list[dict[str, Any]], keys: set[str], kept: set[str]) -> None:
    """Twice is once; no key stays a plain value, none dangles, and nothing else is lost."""
    document, known = definition(*made), keys | kept
    chosen = [one["name"] for one in made[:1]]
    once = rewrite(document, arn=ARN, keys=keys, containers=chosen, known=known)
    again = rewrite(once.document, arn=ARN, keys=keys, containers=chosen, known=known)
    assert again.document == once.document
    assert not again.changes
    assert same(once.document, document) is (not once.changes)
    for index, before in enumerate(made):
        after = of(once, index)
        assert {**after, "secrets": 0, "environment": 0} == {**before, "secrets": 0, "environment": 0}
        after_secrets = {entry["name"]: entry["valueFrom"] for entry in after["secrets"]}
        assert not {variable["name"] for variable in after["environment"]} & keys
        assert [one for one in before["environment"] if one["name"] not in keys] == after["environment"]
        wanted = keys if index == 0 else keys & {variable["name"] for variable in before["environment"]}
        assert {key: after_secrets.get(key) for key in wanted} == {key: f"{ARN}:{key}::" for key in wanted}
        assert set(refers_to({"containerDefinitions": [after]}, ARN).get(before["name"], ())) <= known
        for entry in before["secrets"]:
            if entry["valueFrom"].startswith(OTHER) and entry["name"] not in wanted:
                assert entry in after["secrets"]
