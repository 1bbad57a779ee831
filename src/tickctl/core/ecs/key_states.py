"""How far each key of a secret has come: in the files, in AWS, in task definitions, in running tasks."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from tickctl.core.ecs.freshness import is_fresh
from tickctl.core.ecs.model import Service, Task

_RUNNING: Final = "RUNNING"
Keys = frozenset[str]


class KeyState(StrEnum):
    """How far a key has come; the first that is true."""

    MISSING = "missing"
    """In the files, not in AWS."""
    CHANGED = "changed"
    """In the files, with another value than in AWS."""
    ONLY_IN_AWS = "only_in_aws"
    STORED = "stored"
    """In AWS; no services were asked."""
    UNKNOWN = "unknown"
    """In AWS; how it is with the tasks can't be told."""
    UNREFERENCED = "unreferenced"
    """In AWS, and no service that was asked refers to it."""
    STAGED = "staged"
    """Referred to, but no running task has the value."""
    PARTIAL = "partial"
    """Some running tasks have the value, and some don't."""
    DEPLOYED = "deployed"
    """All running tasks of the services that refer to it have the value."""


DONE: Final = frozenset({KeyState.STORED, KeyState.DEPLOYED, KeyState.ONLY_IN_AWS})
"""States that leave nothing to do."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A service as it runs: its tasks, and the keys that each revision in use refers to."""

    service: Service
    tasks: Sequence[Task]
    references: Mapping[str, Keys]
    """Revision to keys; a revision that couldn't be read is missing."""

    @property
    def refers_to(self) -> Keys | None:
        """The keys that the service refers to, or will when its deployment is through; None if not known."""
        return self.references.get(self.service.task_definition)

    def older(self, changed_at: datetime | None) -> int | None:
        """Return how many tasks were made before the secret changed last; None if it can't be told."""
        fresh = [is_fresh(task, changed_at) for task in self.tasks]
        return None if None in fresh else fresh.count(False)


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """One key: `in_files` and `same` are None where there are no files, `same` also where there is nothing in AWS."""

    key: str
    in_files: bool | None
    in_aws: bool
    same: bool | None
    referenced_by: tuple[str, ...] | None
    """Services; None if none were asked, or some can't be told."""
    state: KeyState


def key_states(
    *,
    in_files: Collection[str] | None,
    in_aws: Collection[str],
    differing: Collection[str],
    services: Sequence[Observed] | None,
    changed_at: datetime | None,
) -> tuple[KeyStatus, ...]:
    """Return how far each key has come, sorted by name.

    Args:
        in_files: names; None where there are no files.
        in_aws: names.
        differing: those in both with different values.
        services: None where none were asked.
        changed_at: when the secret changed last.
    """
    return tuple(
        _status(
            key,
            in_files=None if in_files is None else key in in_files,
            in_aws=key in in_aws,
            differs=key in differing,
            services=services,
            changed_at=changed_at,
        )
        for key in sorted({*(in_files or ()), *in_aws})
    )


def _status(
    key: str,
    *,
    in_files: bool | None,
    in_aws: bool,
    differs: bool,
    services: Sequence[Observed] | None,
    changed_at: datetime | None,
) -> KeyStatus:
    referring = None
    if services is not None and all(one.refers_to is not None for one in services):
        referring = tuple(one.service.name for one in services if key in (one.refers_to or ()))
    if not in_aws:
        state = KeyState.MISSING
    elif differs:
        state = KeyState.CHANGED
    elif in_files is False:
        state = KeyState.ONLY_IN_AWS
    elif services is None:
        state = KeyState.STORED
    else:
        state = _deployed(key, services, changed_at)
    return KeyStatus(key, in_files, in_aws, (not differs) if in_files and in_aws else None, referring, state)


def _deployed(key: str, services: Sequence[Observed], changed_at: datetime | None) -> KeyState:
    """Say how far a key in AWS has come in services; each task is judged by the revision that it runs itself."""
    concerned = [one for one in services if one.refers_to is None or key in one.refers_to]
    if not concerned:
        return KeyState.UNREFERENCED
    have = [_has(key, one, task, changed_at) for one in concerned for task in one.tasks]
    if None in have or any(one.refers_to is None for one in concerned):
        return KeyState.UNKNOWN
    running = [
        has and task.last_status == _RUNNING
        for has, task in zip(have, (task for one in concerned for task in one.tasks), strict=True)
    ]
    if not any(running):
        return KeyState.STAGED
    everywhere = all(have) and all(any(task.last_status == _RUNNING for task in one.tasks) for one in concerned)
    return KeyState.DEPLOYED if everywhere else KeyState.PARTIAL


def _has(key: str, observed: Observed, task: Task, changed_at: datetime | None) -> bool | None:
    """Say whether a task has a key's current value; None if it can't be told."""
    keys = observed.references.get(task.task_definition)
    fresh = is_fresh(task, changed_at)
    if keys is not None and key not in keys:
        return False
    if fresh is False:
        return False
    return None if keys is None or fresh is None else True
