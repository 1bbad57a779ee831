"""How far keys have come."""

from datetime import datetime

import pytest

from ecs_support import NOON, at, revision_arn, service, task
from tickctl.core.ecs.key_states import KeyState, Observed, key_states
from tickctl.core.ecs.model import Task

OLD, NEW = at(-30), at(30)
REFERS = {revision_arn("gateway:1"): frozenset({"A"}), revision_arn("gateway:0"): frozenset[str]()}


def observed(*tasks: Task, references: dict[str, frozenset[str]] | None = None, name: str = "gateway") -> Observed:
    """Return a service that runs tasks."""
    return Observed(service(name), tasks, REFERS if references is None else references)


def state_of(
    key: str = "A",
    *services: Observed,
    in_files: set[str] | None = frozenset({"A"}),  # type: ignore[assignment] # never changed
    in_aws: set[str] | None = None,
    differing: set[str] | None = None,
    changed_at: datetime | None = NOON,
    asked: bool = True,
) -> KeyState:
    """Return the state of one key that changed at noon."""
    found = key_states(
        in_files=in_files,
        in_aws={"A"} if in_aws is None else in_aws,
        differing=differing or set(),
        services=services if asked else None,
        changed_at=changed_at,
    )
    return next(one.state for one in found if one.key == key)


def test_what_is_not_in_aws_is_missing() -> None:
    """Whatever runs."""
    assert state_of("A", observed(task(created=NEW)), in_aws=set()) is KeyState.MISSING


def test_what_differs_has_changed() -> None:
    """What runs has the value of AWS, not that of the files."""
    assert state_of("A", observed(task(created=NEW)), differing={"A"}) is KeyState.CHANGED


def test_what_no_file_has_is_only_in_aws() -> None:
    """Unless there are no files at all: then nothing is missing from them."""
    assert state_of("A", observed(task(created=NEW)), in_files=set()) is KeyState.ONLY_IN_AWS
    assert state_of("A", observed(task(created=NEW)), in_files=None) is KeyState.DEPLOYED


def test_without_services_a_key_is_stored() -> None:
    """Nobody asked for more."""
    assert state_of(asked=False) is KeyState.STORED


@pytest.mark.parametrize(
    ("tasks", "state"),
    [
        ([task(created=NEW)], KeyState.DEPLOYED),
        ([task(created=NEW), task(created=NEW)], KeyState.DEPLOYED),
        ([task(created=NEW), task(created=OLD)], KeyState.PARTIAL),
        ([task(created=OLD)], KeyState.STAGED),
        ([task(created=at(0))], KeyState.STAGED),
        ([], KeyState.STAGED),
        # It runs a revision that doesn't refer to the key, however young it is.
        ([task("gateway:0", created=NEW)], KeyState.STAGED),
        ([task("gateway:0", created=NEW), task(created=NEW)], KeyState.PARTIAL),
        # It has fetched the value, and doesn't run yet.
        ([task(created=NEW, last_status="PENDING")], KeyState.STAGED),
        ([task(created=NEW, last_status="PENDING"), task(created=NEW)], KeyState.DEPLOYED),
        ([task(created=OLD, last_status="PENDING"), task(created=NEW)], KeyState.PARTIAL),
        # Nobody knows when it was made, or what it refers to.
        ([task(created=None), task(created=NEW)], KeyState.UNKNOWN),
        ([task("gateway:9", created=NEW)], KeyState.UNKNOWN),
        ([task("gateway:9", created=OLD), task(created=NEW)], KeyState.PARTIAL),
        ([task("gateway:0", created=None), task(created=NEW)], KeyState.PARTIAL),
    ],
)
def test_tasks_decide_by_their_own_revision_and_age(tasks: list[Task], state: KeyState) -> None:
    """A task has the value if its revision refers to the key and it was made after the last change."""
    assert state_of("A", observed(*tasks)) is state


def test_age_can_t_be_told_without_the_time_of_the_change() -> None:
    """Then a yes would be a guess."""
    assert state_of("A", observed(task(created=NEW)), changed_at=None) is KeyState.UNKNOWN
    assert observed(task(created=NEW)).older(None) is None


def test_key_that_no_service_refers_to_is_unreferenced() -> None:
    """It is in AWS, and nobody reads it."""
    assert state_of("B", observed(task(created=NEW)), in_aws={"A", "B"}, in_files={"A", "B"}) is KeyState.UNREFERENCED


def test_only_services_that_refer_to_a_key_count_for_it() -> None:
    """Another service may be as old as it likes."""
    other = observed(task("gateway:1", created=OLD), references={revision_arn("gateway:1"): frozenset({"B"})}, name="b")
    assert state_of("A", observed(task(created=NEW)), other) is KeyState.DEPLOYED


def test_each_service_that_refers_to_it_needs_a_running_task() -> None:
    """One that has none yet is not deployed."""
    assert state_of("A", observed(task(created=NEW)), observed(name="b")) is KeyState.PARTIAL


def test_service_that_can_t_be_read_leaves_keys_unknown() -> None:
    """It may refer to any of them."""
    unread = observed(references={}, name="b")
    assert state_of("A", observed(task(created=NEW)), unread) is KeyState.UNKNOWN
    assert unread.refers_to is None


def test_everything_about_a_key_is_told() -> None:
    """Sorted by name; unknown is None."""
    found = key_states(
        in_files={"A", "C"},
        in_aws={"B", "A"},
        differing=set(),
        services=[observed(task(created=NEW)), observed(task(created=NEW), name="b")],
        changed_at=at(0),
    )
    assert [(one.key, one.in_files, one.in_aws, one.same, one.referenced_by) for one in found] == [
        ("A", True, True, True, ("gateway", "b")),
        ("B", False, True, None, ()),
        ("C", True, False, None, ()),
    ]
    unread = key_states(
        in_files=None, in_aws={"A"}, differing=set(), services=[observed(references={})], changed_at=at(0)
    )
    assert [(one.in_files, one.same, one.referenced_by) for one in unread] == [(None, None, None)]


def test_older_tasks_are_counted() -> None:
    """Those that may have other values."""
    assert observed(task(created=OLD), task(created=NEW), task(created=at(0))).older(at(0)) == 2
    assert observed(task(created=None)).older(at(0)) is None
