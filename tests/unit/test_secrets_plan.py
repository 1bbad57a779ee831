"""Planning a push: names only, all problems at once, and a token that two pushes from one state share."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickctl.core.secret import Secret
from tickctl.core.secrets.payload import LARGEST
from tickctl.core.secrets.plan import Action, KeyChanges, client_token, compare, plan_push
from tickctl.core.secrets.store import Phase, SecretState
from tickctl.errors import ConfigurationError, ConflictError, NotFoundError

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/production-AbCdEf"
CHANGED = datetime(2026, 11, 23, 12, 0, 0, 123000, tzinfo=UTC)
LIVE = SecretState(
    name="gateway/production",
    phase=Phase.LIVE,
    arn=ARN,
    changed_at=CHANGED,
    stages={"v2": ("AWSCURRENT",), "v1": ("AWSPREVIOUS",)},
)
ABSENT = SecretState(name="gateway/production", phase=Phase.ABSENT)


def secrets(**values: str) -> dict[str, Secret]:
    """Return values as they travel."""
    return {name: Secret(value) for name, value in values.items()}


def test_each_key_has_one_fate() -> None:
    """Added, changed, unchanged, and only in AWS: kept, unless pruned."""
    wanted, current = secrets(NEW="1", SAME="2", OTHER="3"), secrets(SAME="2", OTHER="0", GONE="4", A="5")
    kept = KeyChanges(added=("NEW",), changed=("OTHER",), unchanged=("SAME",), kept=("A", "GONE"))
    assert compare(wanted, current, prune=False) == kept
    assert compare(wanted, current, prune=True) == replace(kept, kept=(), removed=("A", "GONE"))


@given(
    st.dictionaries(st.sampled_from("ABCDEF"), st.sampled_from(["1", "2"])),
    st.dictionaries(st.sampled_from("ABCDEF"), st.sampled_from(["1", "2"])),
    st.booleans(),
)
def test_after_a_push_nothing_is_left_to_push(wanted: dict[str, str], current: dict[str, str], prune: bool) -> None:
    """Whatever was there: what a plan writes compares as unchanged, kept keys aside."""
    before, files = secrets(**current), secrets(**wanted, Z="0")
    plan = plan_push(LIVE, before, files, prune=prune)
    again = plan_push(LIVE, plan.values, files, prune=prune)
    assert (again.action, again.changes.any) == (Action.NONE, False)
    fates = plan.changes
    names = [*fates.added, *fates.changed, *fates.unchanged, *fates.kept, *fates.removed]
    assert sorted(names) == sorted({*before, *files})
    assert plan.values.keys() == files.keys() | (set() if prune else before.keys())


def test_absent_secret_is_created_and_an_empty_one_gets_its_first_version() -> None:
    """A secret without AWSCURRENT, as other tools make them, has nothing to compare with."""
    assert plan_push(ABSENT, {}, secrets(A="1"), prune=False).action is Action.CREATE
    assert plan_push(replace(LIVE, stages={}), {}, secrets(A="1"), prune=False).action is Action.PUT


def test_empty_value_is_a_value() -> None:
    """A container then has the variable, and it is empty; as with Docker Compose."""
    plan = plan_push(LIVE, {}, secrets(EMPTY=""), prune=False)
    assert plan.changes.added == ("EMPTY",)


def test_plan_shows_no_value() -> None:
    """It may end up in a traceback or a log."""
    assert "hunter2" not in repr(plan_push(LIVE, secrets(A="hunter2"), secrets(A="hunter2-new"), prune=False))


@pytest.mark.parametrize(
    ("state", "error", "said"),
    [
        (
            replace(LIVE, phase=Phase.SCHEDULED_FOR_DELETION, deletion_at=CHANGED),
            ConflictError,
            "is to be deleted on 2026-11-23",
        ),
        (replace(LIVE, phase=Phase.SCHEDULED_FOR_DELETION), ConflictError, "is to be deleted"),
        (replace(LIVE, owner="rds"), ConfigurationError, "managed by the AWS service rds"),
        (replace(LIVE, primary_region="us-east-1"), ConfigurationError, "replica of the one in us-east-1"),
        (replace(LIVE, rotates=True), ConfigurationError, "rotation function"),
        (replace(ABSENT, name=ARN), NotFoundError, "there is no secret arn:aws"),
        (replace(ABSENT, name="with space"), ConfigurationError, "1 to 512 letters"),
        (replace(ABSENT, name="a" * 513), ConfigurationError, "1 to 512 letters"),
        (replace(ABSENT, name=""), ConfigurationError, "1 to 512 letters"),
        (replace(ABSENT, name="gateway-AbCd12"), ConfigurationError, "the end of an ARN"),
    ],
)
def test_secrets_that_cannot_be_pushed_to(state: SecretState, error: type[Exception], said: str) -> None:
    """Somebody else's, one that goes, and names that AWS refuses or misreads."""
    with pytest.raises(error, match=said):
        plan_push(state, {}, secrets(A="1"), prune=False)


@pytest.mark.parametrize("name", ["gateway-AbCd123", "gateway-AbC_12", "gateway-AbCd1", "a", "a" * 512, "A/_+=.@-"])
def test_names_near_the_rule_are_taken(name: str) -> None:
    """Only a hyphen and exactly six letters or digits look like an ARN's end."""
    assert plan_push(replace(ABSENT, name=name), {}, secrets(A="1"), prune=False).action is Action.CREATE


def test_existing_secret_is_taken_whatever_its_name() -> None:
    """The name was AWS's business, when it was made."""
    assert plan_push(replace(LIVE, name="old-AbCdEf"), {}, secrets(A="1"), prune=False).action is Action.PUT


def test_all_problems_are_told_at_once() -> None:
    """By key, never by value."""
    wanted = {
        "a:b": Secret("hunter2"),
        "c d": Secret("hunter2"),
        "e=f": Secret("hunter2"),
        "": Secret("hunter2"),
        "ß": Secret("hunter2"),
        "HALF": Secret("hunter2\ud800"),
        "NUL": Secret("hunter2\0"),
    }
    with pytest.raises(ConfigurationError) as refused:
        plan_push(replace(ABSENT, name="x y"), {}, wanted, prune=False)
    message = refused.value.message
    assert "1 to 512 letters" in message
    assert "ASCII: , a:b, c d, e=f, ß;" in message
    assert "NUL character: HALF, NUL" in message
    assert "hunter2" not in message


def test_keys_of_every_usual_form_are_taken() -> None:
    """What Docker Compose takes and a reference can hold."""
    wanted = secrets(**dict.fromkeys(("A", "a.b", "a-b", "A_1", "[x]", "9"), "1"))
    assert plan_push(LIVE, {}, wanted, prune=False).changes.added == tuple(sorted(wanted))


@pytest.mark.parametrize("prune", [False, True])
def test_pushing_nothing_is_refused(prune: bool) -> None:
    """Empty files with --prune would empty the secret."""
    with pytest.raises(ConfigurationError, match="no key at all"):
        plan_push(LIVE, secrets(A="1"), {}, prune=prune)


def test_size_counts_the_whole_set_in_utf8() -> None:
    """Kept keys, names and punctuation included; to the byte."""
    frame = len('{"A":"","B":"é"}'.encode())
    room = LARGEST - frame
    assert plan_push(LIVE, secrets(B="é"), secrets(A="x" * room), prune=False).action is Action.PUT
    with pytest.raises(ConfigurationError, match=r"65,537 bytes, 1 more than one secret holds \(65,536\)"):
        plan_push(LIVE, secrets(B="é"), secrets(A="x" * (room + 1)), prune=False)
    assert plan_push(LIVE, secrets(B="é"), secrets(A="x" * (room + 1)), prune=True).action is Action.PUT


def test_token_is_the_state_s() -> None:
    """The same for everybody who planned on it, in whatever time zone and order; another for any other state."""
    token = client_token(LIVE)
    assert str(UUID(token)) == token
    there = CHANGED.astimezone(timezone(timedelta(hours=9)))
    assert client_token(replace(LIVE, changed_at=there, stages=dict(reversed(LIVE.stages.items())))) == token
    assert client_token(replace(LIVE, stages={**LIVE.stages, "v2": ["AWSCURRENT"]})) == token
    both = ("AWSCURRENT", "MINE")
    assert client_token(replace(LIVE, stages={"v2": both})) == client_token(replace(LIVE, stages={"v2": both[::-1]}))
    others = [
        replace(LIVE, arn=ARN.replace("production", "staging")),
        replace(LIVE, changed_at=CHANGED + timedelta(milliseconds=1)),
        replace(LIVE, stages={"v2": ("AWSPREVIOUS",), "v1": ("AWSCURRENT",)}),
        replace(LIVE, stages={"v3": ("AWSCURRENT",), "v2": ("AWSPREVIOUS",)}),
        ABSENT,
        replace(ABSENT, name="gateway/staging"),
    ]
    assert len({token, *map(client_token, others)}) == len(others) + 1
