"""What becomes of deployments that were started."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from tickctl.core.ecs.model import Deployment, Service
from tickctl.errors import UnreachableError

_SETTLING: Final = 60.0
"""Seconds in which an answer of ECS may be from before the deployment: its reads are eventually consistent."""


class RolloutState(StrEnum):
    """Where one deployment is."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    REPLACED = "replaced"
    """Another deployment has its place: rolled back by the circuit breaker, or somebody deployed again."""


def judge(service: Service, deployment_id: str) -> RolloutState:
    """Say what has become of the deployment with this id; nothing else about the service counts.

    What was completed before another deployment took its place counts as replaced: it isn't what the service runs.
    """
    ours = next((deployment for deployment in service.deployments if deployment.id == deployment_id), None)
    if ours is None:
        return RolloutState.REPLACED
    if ours.rollout_state == "FAILED":
        return RolloutState.FAILED
    if ours.status != "PRIMARY":
        return RolloutState.REPLACED
    # Behind a Classic Load Balancer ECS tells no state; then it is over when all tasks are this deployment's.
    alone = len(service.deployments) == 1 and ours.running == ours.desired and not ours.pending
    if ours.rollout_state == "COMPLETED" or (ours.rollout_state is None and alone):
        return RolloutState.COMPLETED
    return RolloutState.IN_PROGRESS


@dataclass(frozen=True, slots=True)
class Started:
    """A deployment to follow, as it was when it began to be followed."""

    service: str
    deployment: Deployment


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of a deployment after a look; `now` is the latest word on it."""

    started: Started
    state: RolloutState
    service: Service | None = None

    @property
    def now(self) -> Deployment:
        """The deployment as last seen."""
        deployments = self.service.deployments if self.service else ()
        return next((one for one in deployments if one.id == self.started.deployment.id), self.started.deployment)


@dataclass(frozen=True, slots=True)
class Ending:
    """How following ended: everything that was followed, and why nothing could be seen at last, if that was so."""

    progress: tuple[Progress, ...]
    unreachable: UnreachableError | None = None


def follow(
    started: Iterable[Started],
    *,
    look: Callable[[Sequence[str]], Sequence[Service]],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    poll: float,
    timeout: float,
    tell: Callable[[Sequence[Progress]], None],
) -> Ending:
    """Follow deployments until all have ended, or time is up: then some are still in progress.

    One look asks for all services whose deployment has not ended. A look that gets no answer isn't the end; only if
    there is none until time is up it is told.

    Args:
        started: what to follow; one for each service.
        look: returns services by their names.
        clock: seconds, from anywhere.
        sleep: waits for seconds.
        poll: seconds between looks.
        timeout: seconds until it is given up.
        tell: is given the state of all after each look.

    Raises:
        CredentialsRefusedError, NotFoundError: of `look`; the deployments go on.
    """
    progress = {one.service: Progress(one, RolloutState.IN_PROGRESS) for one in started}
    reported: set[str] = set()
    began = clock()
    while True:
        waiting = [name for name, one in progress.items() if one.state is RolloutState.IN_PROGRESS]
        unreachable = None
        try:
            outcome = look(waiting) if waiting else ()
        except UnreachableError as error:
            outcome, unreachable = (), error
        for service in outcome:
            settling = service.name not in reported and clock() - began < _SETTLING
            progress[service.name] = _seen(progress[service.name], service, settling=settling)
            if any(one.id == progress[service.name].started.deployment.id for one in service.deployments):
                reported.add(service.name)
        now = tuple(progress.values())
        tell(now)
        left = timeout - (clock() - began)
        if all(one.state is not RolloutState.IN_PROGRESS for one in now) or left <= 0:
            return Ending(now, unreachable)
        sleep(min(poll, left))


def _seen(before: Progress, service: Service, *, settling: bool) -> Progress:
    ours, primary = before.started.deployment, service.primary
    state = judge(service, ours.id)
    missing = all(one.id != ours.id for one in service.deployments)
    if settling and missing and (primary is None or primary.created_at <= ours.created_at):
        return before  # an answer from before the deployment
    return Progress(before.started, state, service)


def events_since(service: Service, since: datetime, *, most: int = 10) -> Sequence[str]:
    """Return the last events of a service since a deployment began, the latest last."""
    events = [event for event in service.events if event.at >= since]
    return [event.message for event in sorted(events, key=lambda event: event.at)][-most:]


def reasons(stopped: Mapping[str, int], *, most: int = 5) -> Sequence[str]:
    """Return why tasks stopped, the most frequent first, with counts where a reason repeats."""
    ranked = sorted(stopped.items(), key=lambda item: (-item[1], item[0]))
    return [reason if count == 1 else f"{reason} ({count} tasks)" for reason, count in ranked][:most]
