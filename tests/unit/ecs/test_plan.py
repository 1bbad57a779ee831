"""What a rollout is going to do, decided by reading only."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from ecs_support import ARN, Platform, at, deployment, document, revision_arn, service, task
from tickctl.core.ecs.model import Deployment
from tickctl.core.ecs.plan import Action, RolloutPlan, Wanted, plan
from tickctl.core.ecs.registration import DefinitionFile, registration
from tickctl.errors import ConfigurationError, NotFoundError


@pytest.fixture
def platform() -> Platform:
    """A service `gateway` that runs a definition which refers to key A."""
    made = Platform()
    made.given(document("gateway", "A"))
    made.found["gateway"] = service()
    return made


def decide(platform: Platform, *keys: str, **more: Any) -> RolloutPlan:
    """Plan for the service `gateway` and these keys, an hour before noon, unless said otherwise."""
    names = keys or ("A",)
    given: dict[str, Any] = {
        "cluster": "main",
        "services": ["gateway"],
        "families": [],
        "files": {},
        "changed_at": at(-60),
        "rewritten": False,
    }
    made = plan(platform, more.pop("wanted", Wanted(ARN, names, names)), **given | more)
    assert not platform.writes
    return made


def actions(made: RolloutPlan) -> dict[str, Action]:
    """Return what happens to each service."""
    return {one.service.name: one.action for definition in made.definitions for one in definition.services}


def test_service_that_is_as_it_should_be_is_left_alone(platform: Platform) -> None:
    """Its tasks are newer than the secret, and refer to it."""
    made = decide(platform)
    assert actions(made) == {"gateway": Action.NONE}
    assert (made.changes, made.follows) == (False, False)
    assert made.definitions[0].source == "service gateway"


def test_nothing_asked_is_nothing_to_do() -> None:
    """A push may be about the secret alone."""
    made = RolloutPlan(Wanted(ARN, ()))
    assert (made.changes, made.follows) == (False, False)


@pytest.mark.parametrize(
    ("primary", "changed_at", "rewritten", "action"),
    [
        (deployment(), at(-1), False, Action.NONE),
        (deployment(), at(-1), True, Action.REDEPLOY),
        (deployment(), at(1), False, Action.REDEPLOY),
        (deployment(), at(0), False, Action.REDEPLOY),
        (deployment(), None, False, Action.REDEPLOY),
        (deployment(rollout_state="IN_PROGRESS"), at(-1), False, Action.FOLLOW),
        (deployment(rollout_state="IN_PROGRESS"), at(1), False, Action.REDEPLOY),
        (deployment(rollout_state="FAILED"), at(-1), False, Action.REDEPLOY),
        (deployment(rollout_state=None), at(-1), False, Action.NONE),
        (deployment(rollout_state=None, running=1), at(-1), False, Action.FOLLOW),
        (deployment(status="ACTIVE"), at(-1), False, Action.REDEPLOY),
    ],
)
def test_same_definition_is_deployed_again_only_where_it_must(
    platform: Platform, primary: Deployment, changed_at: datetime | None, rewritten: bool, action: Action
) -> None:
    """So that the same command again finishes what was cut off, and does nothing that is done."""
    platform.found["gateway"] = service("gateway", primary)
    made = decide(platform, changed_at=changed_at, rewritten=rewritten)
    assert actions(made) == {"gateway": action}
    assert made.changes is (action is Action.REDEPLOY)
    assert made.follows is (action is not Action.NONE)
    assert not made.definitions[0].register


@pytest.mark.parametrize("age", [at(-30), at(0), None])
def test_tasks_of_before_are_replaced_though_the_deployment_is_young(platform: Platform, age: datetime | None) -> None:
    """A rollback by the circuit breaker leaves such: its deployment is new, and its tasks never stopped."""
    platform.found["gateway"] = service("gateway", deployment(created_at=at(20)))
    platform.running["gateway"] = [task(created=at(30)), task(created=age)]
    assert actions(decide(platform, changed_at=at(0))) == {"gateway": Action.REDEPLOY}
    platform.running["gateway"] = [task(created=at(30))]
    assert actions(decide(platform, changed_at=at(0))) == {"gateway": Action.NONE}


def test_way_back_of_the_circuit_breaker_is_not_followed(platform: Platform) -> None:
    """It leads to what was before; this run is to try again."""
    failed = deployment("ecs-svc/2", status="ACTIVE", rollout_state="FAILED")
    back = deployment(rollout_state="IN_PROGRESS", created_at=at(20))
    platform.found["gateway"] = service("gateway", back, failed)
    assert actions(decide(platform, changed_at=at(0))) == {"gateway": Action.REDEPLOY}


def test_new_key_means_a_new_revision(platform: Platform) -> None:
    """And a deployment of it."""
    made = decide(platform, "A", "B")
    assert actions(made) == {"gateway": Action.UPDATE}
    assert made.definitions[0].register


def test_revision_that_a_cut_off_run_registered_is_used(platform: Platform) -> None:
    """It is the latest of the family, and what is wanted."""
    second = platform.given(document("gateway", "A", "B"))
    made = decide(platform, "A", "B")
    assert actions(made) == {"gateway": Action.UPDATE}
    assert made.definitions[0].existing == second
    assert made.changes


@pytest.mark.parametrize("latest", [document("gateway", "C"), document("gateway", "A", "B", cpu="512")])
def test_latest_revision_is_no_base(platform: Platform, latest: Any) -> None:
    """What somebody registered and never deployed isn't deployed on the way."""
    platform.given(latest)
    made = decide(platform, "A", "B")
    assert made.definitions[0].register
    assert "cpu" not in made.definitions[0].rewrite.document


def test_latest_revision_with_other_tags_is_not_used(platform: Platform) -> None:
    """Tags decide who pays, and who may deploy."""
    platform.given(document("gateway", "A", "B"), tags={"team": "x"})
    assert decide(platform, "A", "B").definitions[0].register


def test_deregistered_revision_is_registered_again(platform: Platform) -> None:
    """No service can be told to run it."""
    platform.definitions.clear()
    platform.given(document("gateway", "A", status="INACTIVE"))
    made = decide(platform)
    assert made.definitions[0].register
    assert actions(made) == {"gateway": Action.UPDATE}


def test_services_of_one_revision_share_the_new_one(platform: Platform) -> None:
    """One revision is registered for both."""
    platform.found["worker"] = service("worker")
    made = decide(platform, "A", "B", services=["gateway", "worker"])
    [definition] = made.definitions
    assert definition.source == "services gateway, worker"
    assert actions(made) == {"gateway": Action.UPDATE, "worker": Action.UPDATE}
    assert platform.calls.count(("definition", revision_arn("gateway:1"))) == 1


def test_family_is_taken_at_its_latest_revision(platform: Platform) -> None:
    """Where no service says which; there is nothing to deploy."""
    platform.given(document("nightly"))
    platform.given(document("nightly", "A", cpu="512"))
    made = decide(platform, services=[], cluster=None, families=["nightly"])
    [definition] = made.definitions
    assert (definition.source, definition.register, made.changes) == ("family nightly", False, False)


def test_family_of_a_service_is_what_the_service_runs(platform: Platform) -> None:
    """It is named twice then, once by itself."""
    platform.given(document("gateway", "Z"))
    made = decide(platform, families=["gateway"])
    assert [definition.source for definition in made.definitions] == ["service gateway"]


def test_file_goes_before_what_a_service_runs(platform: Platform) -> None:
    """It is completed, registered, and deployed to the services of its family; others go by what they run."""
    platform.given(document("worker", "A"))
    platform.found["worker"] = service("worker", definition="worker:1")
    file = DefinitionFile(document("gateway", cpu="512"))
    made = decide(platform, services=["gateway", "worker"], files={"task.json": file})
    assert [definition.source for definition in made.definitions] == ["file task.json", "service worker"]
    assert made.definitions[0].register
    assert made.definitions[0].rewrite.document["cpu"] == "512"
    assert [call for call in platform.calls if call[0] == "check"] == [("check", "gateway")]
    assert platform.calls.count(("definition", "gateway")) == 1
    assert actions(made) == {"gateway": Action.UPDATE, "worker": Action.NONE}


def test_file_that_is_registered_already_is_not_registered_again(platform: Platform) -> None:
    """Comparing is what makes a push of a file repeatable."""
    file = DefinitionFile(registration(document("gateway")))
    made = decide(platform, files={"task.json": file})
    assert (made.definitions[0].register, made.changes) == (False, False)


def test_service_behind_the_file_s_revision_is_brought_to_it(platform: Platform) -> None:
    """The latest revision is the file's, the service runs an older one."""
    platform.given(document("gateway", "A", "B"))
    made = decide(platform, "A", "B", files={"task.json": DefinitionFile(document("gateway"))})
    assert not made.definitions[0].register
    assert actions(made) == {"gateway": Action.UPDATE}


@pytest.mark.parametrize(
    ("tags", "register", "kept"),
    [
        (None, False, {"team": "x"}),
        ({"team": "x"}, False, {"team": "x"}),
        ({}, True, {}),
        ({"a": "b"}, True, {"a": "b"}),
    ],
)
def test_tags_of_a_file_count_if_it_has_any(tags: dict[str, str] | None, register: bool, kept: dict[str, str]) -> None:
    """A file that says nothing of tags keeps those that the family has."""
    platform = Platform()
    platform.given(document("gateway", "A"), tags={"team": "x", "aws:cloudformation:stack-name": "y"})
    files = {"task.json": DefinitionFile(document("gateway"), tags)}
    [definition] = decide(platform, services=[], files=files).definitions
    assert (definition.register, definition.tags) == (register, kept)


def test_file_of_a_new_family_is_registered() -> None:
    """There is nothing to compare with."""
    made = decide(Platform(), services=[], files={"task.json": DefinitionFile(document("new"))})
    assert made.definitions[0].register


def test_file_that_no_named_service_runs_is_refused(platform: Platform) -> None:
    """A slip of the hand: it would be registered, and nothing would run it."""
    with pytest.raises(
        ConfigurationError, match="family other, and no service that is named runs it: they run gateway"
    ):
        decide(platform, files={"task.json": DefinitionFile(document("other"))})


@pytest.mark.parametrize(
    ("families", "files"),
    [(["nightly", "nightly"], []), (["gateway"], ["task.json"]), ([], ["one.json", "two.json"])],
)
def test_definition_that_is_named_twice_is_refused(platform: Platform, families: list[str], files: list[str]) -> None:
    """Nobody can tell which is meant."""
    given = {name: DefinitionFile(document("gateway")) for name in files}
    with pytest.raises(ConfigurationError, match="is named twice"):
        decide(platform, families=families, files=given)


@pytest.mark.parametrize("name", ["gateway:1", revision_arn("gateway:1")])
def test_revision_of_a_family_is_refused(platform: Platform, name: str) -> None:
    """Going back to an old definition is no part of a push."""
    with pytest.raises(ConfigurationError, match="more than the name of a family"):
        decide(platform, families=[name])


def test_containers_of_several_definitions_are_named_together(platform: Platform) -> None:
    """Each definition has its own; a name that none has is a slip of the hand."""
    platform.definitions.clear()
    platform.given(document("gateway", containers=("gateway", "log")))
    platform.given(document("worker", containers=("worker", "log")))
    platform.found["worker"] = service("worker", definition="worker:1")
    services = ["gateway", "worker"]
    made = decide(platform, wanted=Wanted(ARN, ["A"], ["A"], ("gateway", "worker")), services=services)
    changed = [change.container for one in made.definitions for change in one.rewrite.changes]
    assert changed == ["gateway", "worker"]
    with pytest.raises(ConfigurationError, match="no task definition has a container web") as refused:
        decide(platform, wanted=Wanted(ARN, ["A"], ["A"], ("gateway", "web")), services=services)
    assert refused.value.hint == "there are gateway, log, worker"
    with pytest.raises(ConfigurationError, match="task definition worker has no container gateway"):
        decide(platform, wanted=Wanted(ARN, ["A"], ["A"], ("gateway",)), services=services)


def test_service_without_a_cluster_is_refused(platform: Platform) -> None:
    """AWS would look in a cluster called default."""
    with pytest.raises(ConfigurationError, match="not their cluster"):
        decide(platform, cluster=None)


def test_service_that_cant_be_deployed_is_refused(platform: Platform) -> None:
    """Before anything is written."""
    platform.found["gateway"] = replace(service(), controller="CODE_DEPLOY")
    with pytest.raises(ConfigurationError, match="CODE_DEPLOY"):
        decide(platform)


def test_family_that_doesn_t_exist_is_refused(platform: Platform) -> None:
    """Only a file can make one."""
    with pytest.raises(NotFoundError):
        decide(platform, families=["nobody"])


def test_running_revision_that_is_the_last_of_nothing(platform: Platform) -> None:
    """All revisions may be deregistered, the one that runs included; then one is registered."""
    platform.definitions.clear()
    platform.given(document("gateway", status="INACTIVE"))
    assert decide(platform).definitions[0].register


def test_region_of_the_secret_is_told_if_it_is_another(platform: Platform) -> None:
    """A full ARN works across regions, but then two of them have to be up."""
    wanted = Wanted(ARN.replace("eu-west-1", "us-east-1"), ["A"], ["A"])
    [warning] = decide(platform, wanted=wanted).warnings
    assert "secret is in us-east-1 and services run in eu-west-1" in warning
    assert decide(platform).warnings == ()


def test_rollback_only_takes_references_away(platform: Platform) -> None:
    """Those to keys that the version before hadn't."""
    platform.definitions.clear()
    platform.given(document("gateway", "A", "B"))
    # Which containers get keys doesn't matter then; a profile may name some of definitions that no service runs.
    made = decide(platform, wanted=Wanted(ARN, ["A", "C"], containers=("nightly",)), rewritten=True)
    [change] = made.definitions[0].rewrite.changes
    assert (change.removed, change.added) == (("B",), ())
    same = decide(platform, wanted=Wanted(ARN, ["A", "B"]), rewritten=True)
    assert actions(same) == {"gateway": Action.REDEPLOY}
