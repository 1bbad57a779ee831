"""What becomes of a deployment, and following it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from ecs_support import at, deployment, service
from tickctl.core.ecs.model import Deployment, Service, ServiceEvent
from tickctl.core.ecs.rollout import Ending, Progress, RolloutState, Started, events_since, follow, judge, reasons
from tickctl.errors import CredentialsRefusedError, UnreachableError

OURS = "ecs-svc/ours"
IN_PROGRESS, COMPLETED, FAILED, REPLACED = RolloutState


def ours(state: str | None = "IN_PROGRESS", status: str = "PRIMARY", **more: object) -> Deployment:
    """Return our deployment, begun five minutes after noon."""
    return deployment(OURS, rollout_state=state, status=status, created_at=at(5), **more)


def theirs(state: str | None = "COMPLETED", status: str = "PRIMARY", minutes: float = 0) -> Deployment:
    """Return another deployment."""
    return deployment("ecs-svc/theirs", rollout_state=state, status=status, created_at=at(minutes))


@pytest.mark.parametrize(
    ("deployments", "state"),
    [
        ([ours("IN_PROGRESS")], IN_PROGRESS),
        ([ours("IN_PROGRESS"), theirs(status="ACTIVE")], IN_PROGRESS),
        ([ours("COMPLETED")], COMPLETED),
        ([ours("COMPLETED"), theirs(status="ACTIVE")], COMPLETED),
        ([ours("FAILED")], FAILED),
        ([theirs("IN_PROGRESS", minutes=9), ours("FAILED", status="ACTIVE")], FAILED),
        ([theirs("COMPLETED"), ours("FAILED", status="INACTIVE")], FAILED),
        ([theirs("IN_PROGRESS", minutes=9), ours("IN_PROGRESS", status="ACTIVE")], REPLACED),
        ([theirs("IN_PROGRESS", minutes=9), ours("COMPLETED", status="ACTIVE")], REPLACED),
        ([theirs("COMPLETED", minutes=9)], REPLACED),
        ([theirs("COMPLETED")], REPLACED),
        ([], REPLACED),
        # Behind a Classic Load Balancer ECS tells no state.
        ([ours(None)], COMPLETED),
        ([ours(None, running=1)], IN_PROGRESS),
        ([ours(None, pending=1)], IN_PROGRESS),
        ([ours(None), theirs(None, status="ACTIVE")], IN_PROGRESS),
        ([theirs(None), ours(None, status="ACTIVE")], REPLACED),
    ],
)
def test_deployment_is_judged_by_its_id(deployments: list[Deployment], state: RolloutState) -> None:
    """A service that is stable again after a rollback is no success."""
    # `service` puts one in place where there is none.
    made = service("gateway", *deployments) if deployments else service(deployments=())
    assert judge(made, OURS) is state


@dataclass
class World:
    """Time that passes only by waiting, and what each look at services finds."""

    looks: Iterator[Sequence[Service] | Exception]
    now: float = 1000.0
    asked: list[tuple[str, ...]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    told: list[Sequence[Progress]] = field(default_factory=list)

    def look(self, names: Sequence[str]) -> Sequence[Service]:
        """Return what is found next."""
        self.asked.append(tuple(names))
        found = next(self.looks)
        if isinstance(found, Exception):
            raise found
        return found

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.now += seconds

    def follow(self, *names: str, timeout: float = 900, poll: float = 5) -> Ending:
        """Follow our deployment of these services."""
        return follow(
            [Started(name, ours()) for name in names or ("gateway",)],
            look=self.look,
            clock=lambda: self.now,
            sleep=self.sleep,
            poll=poll,
            timeout=timeout,
            tell=self.told.append,
        )


def world(*looks: Sequence[Service] | Exception) -> World:
    """Return a world of these looks; the last is found again and again."""

    def repeated() -> Iterator[Sequence[Service] | Exception]:
        yield from looks
        while True:
            yield looks[-1]

    return World(repeated())


def seen(*deployments: Deployment, name: str = "gateway") -> Service:
    """Return a service as it is seen."""
    return service(name, *deployments)


def states(ending: Ending) -> list[RolloutState]:
    """Return how deployments ended."""
    return [one.state for one in ending.progress]


@pytest.mark.parametrize("end", ["COMPLETED", "FAILED"])
def test_deployment_is_followed_to_its_end(end: str) -> None:
    """With a look every few seconds, and word after each."""
    made = world([seen(ours())], [seen(ours())], [seen(ours(end))])
    assert states(made.follow()) == [RolloutState(end.lower())]
    assert made.slept == [5, 5]
    assert [one.state for [one] in made.told] == [IN_PROGRESS, IN_PROGRESS, RolloutState(end.lower())]


def test_services_are_asked_together_and_only_while_they_roll_out() -> None:
    """One that has ended is left alone; the other is heard out, even if the first has failed."""
    both = [seen(ours("FAILED"), name="a"), seen(ours(), name="b")]
    made = world(both, [seen(ours("COMPLETED"), name="b")])
    assert states(made.follow("a", "b")) == [FAILED, COMPLETED]
    assert made.asked == [("a", "b"), ("b",)]


def test_time_runs_out() -> None:
    """The last look is at the very end."""
    made = world([seen(ours())])
    assert states(made.follow(timeout=12)) == [IN_PROGRESS]
    assert made.slept == [5, 5, 2]


def test_no_time_at_all_is_one_look() -> None:
    """Enough for a deployment that has ended."""
    made = world([seen(ours("COMPLETED"))])
    assert states(made.follow(timeout=0)) == [COMPLETED]
    assert made.slept == []


def test_silence_is_waited_out() -> None:
    """An outage of the API says nothing about the deployment."""
    silent = UnreachableError("no answer")
    made = world(silent, silent, [seen(ours("COMPLETED"))])
    assert made.follow() == Ending((Progress(Started("gateway", ours()), COMPLETED, seen(ours("COMPLETED"))),), None)


def test_silence_until_the_end_is_told() -> None:
    """It is the reason why nobody knows."""
    silent = UnreachableError("no answer")
    ending = world([seen(ours())], silent).follow(timeout=30)
    assert states(ending) == [IN_PROGRESS]
    assert ending.unreachable is silent


def test_refusal_ends_it() -> None:
    """Credentials don't get better by waiting."""
    with pytest.raises(CredentialsRefusedError):
        world([seen(ours())], CredentialsRefusedError("expired")).follow()


@pytest.mark.parametrize("minutes", [0, 5])
def test_answer_from_before_the_deployment_is_no_replacement(minutes: float) -> None:
    """ECS reads are eventually consistent: a first look may not know of it."""
    made = world([seen(theirs(minutes=minutes))], [seen(ours(), theirs(status="ACTIVE"))], [seen(ours("COMPLETED"))])
    assert states(made.follow()) == [COMPLETED]
    assert made.told[0][0].now == ours()


def test_old_answer_counts_once_the_deployment_was_seen() -> None:
    """Then it is gone: rolled back to a deployment of before."""
    made = world([seen(ours())], [seen(theirs())])
    assert states(made.follow()) == [REPLACED]
    assert made.slept == [5]


def test_deployment_that_is_never_seen_is_gone_after_a_while() -> None:
    """Reads are consistent within a minute."""
    made = world([seen(theirs())])
    assert states(made.follow()) == [REPLACED]
    assert sum(made.slept) == 60


def test_newer_deployment_replaces_at_once() -> None:
    """That answer can't be from before."""
    made = world([seen(theirs("IN_PROGRESS", minutes=9))])
    assert states(made.follow()) == [REPLACED]
    assert made.slept == []


def test_service_without_any_deployment_is_waited_for_as_well() -> None:
    """There is nothing newer in such an answer."""
    made = world([service(deployments=())], [seen(ours("COMPLETED"))])
    assert states(made.follow()) == [COMPLETED]


def test_nothing_to_follow_ends_at_once() -> None:
    """And asks nobody."""
    made = world([])
    ending = follow([], look=made.look, clock=lambda: 0, sleep=made.sleep, poll=5, timeout=9, tell=made.told.append)
    assert ending == Ending(())
    assert made.asked == []


def test_events_are_those_since_the_deployment_began_the_latest_last() -> None:
    """As one reads them; AWS gives the latest first."""
    events = tuple(ServiceEvent(at(minute), f"event {minute}") for minute in range(20, -1, -1))
    made = service(events=events)
    assert events_since(made, at(15)) == [f"event {minute}" for minute in range(15, 21)]
    assert events_since(made, at(0), most=2) == ["event 19", "event 20"]


def test_reasons_come_with_counts_the_most_frequent_first() -> None:
    """A hundred tasks that fail alike are one line."""
    assert reasons({"a": 1, "b": 3, "c": 1}) == ["b (3 tasks)", "a", "c"]
    assert len(reasons({str(number): 1 for number in range(9)})) == 5
