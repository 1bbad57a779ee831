"""Carrying out a rollout: what is done in which order, and what people and programs are told of it."""

import json
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from aws_support import TO, Operator
from cli_support import COMMAND
from ecs_support import ARN, Platform, at, deployment, document, revision_arn, service, task
from strict_aws import CLUSTER, Step, given_service
from terminal_support import converse
from tickctl.cli.commands.secrets import rollout
from tickctl.cli.commands.secrets.rollout_report import Report
from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.output import Output, Style
from tickctl.cli.console.run import BackendName, IdentityName, Run
from tickctl.core.ecs.model import Deployment, Service, ServiceEvent
from tickctl.core.ecs.plan import RolloutPlan
from tickctl.core.secrets.target import Target
from tickctl.errors import ConflictError, CredentialsRefusedError, UnreachableError

KEYS = ("A", "B")


class Rolling(Platform):
    """A platform on which each look at services brings the deployment that we began to the next of some states."""

    def __init__(self, *states: Callable[[Deployment], Deployment]) -> None:
        super().__init__()
        self.states = list(states)
        self.given(document("gateway", "A"))
        self.found["gateway"] = service()

    def services(self, cluster: str, names: Any) -> tuple[Service, ...]:
        """Return services; those that were deployed, in their next state."""
        for name in names:
            found = self.found[name]
            begun = found.primary
            if begun and begun.created_at == at(60) and self.states:
                change = self.states.pop(0) if len(self.states) > 1 else self.states[0]
                self.found[name] = replace(found, deployments=(change(begun),))
        return super().services(cluster, names)


def in_progress(begun: Deployment) -> Deployment:
    """Half of the tasks run."""
    return replace(begun, running=1)


def completed(begun: Deployment) -> Deployment:
    """It is through."""
    return replace(begun, rollout_state="COMPLETED", running=2)


def failed(begun: Deployment) -> Deployment:
    """The circuit breaker has stopped it."""
    return replace(begun, rollout_state="FAILED", failed=3, rollout_reason="tasks failed to start")


def a_run(*, quiet: bool = False) -> Run:
    """Return a run in a pipe."""
    return Run(Output(Style(quiet=quiet)), BackendName.AUTO, IdentityName.AUTO, None)


def plan(platform: Platform, keys: tuple[str, ...] | None = KEYS, *, arn: str | None = ARN, **more: Any) -> RolloutPlan:
    """Plan for the service `gateway`; its tasks are newer than the secret."""
    given: dict[str, Any] = {"changed_at": at(-60), "rewritten": False} | more
    target = Target(cluster="main", services=tuple(platform.found))
    return rollout.plan(
        platform,
        target,
        secret_id="gateway/production",
        region="eu-west-1",
        arn=arn,
        keys=keys,
        known=KEYS,
        **given,
    )


def carry_out(platform: Platform, decided: RolloutPlan, *, wait: bool = True, quiet: bool = False) -> Report:
    """Carry a plan out; waiting takes no time."""
    now = [0.0]
    return rollout.carry_out(
        a_run(quiet=quiet),
        platform,
        decided,
        arn=ARN,
        secret="the secret",
        wait=wait,
        timeout=30,
        poll=5,
        clock=lambda: now[0],
        sleep=lambda seconds: now.__setitem__(0, now[0] + seconds),
    )


def test_revision_is_registered_deployed_and_followed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each step is said once, when it is done."""
    platform = Rolling(in_progress, completed)
    report = carry_out(platform, plan(platform))
    assert report.code is ExitCode.YES
    assert platform.writes == [("register", "gateway"), ("deploy", "gateway", "gateway:2", "forced")]
    containers: Any = platform.definitions[revision_arn("gateway:2")].document["containerDefinitions"]
    assert containers[0]["secrets"] == [{"name": key, "valueFrom": f"{ARN}:{key}::"} for key in KEYS]
    said = capsys.readouterr()
    assert said.out == ""
    identity = report.services[0].deployment
    assert said.err.splitlines() == [
        "registered gateway:2",
        f"service gateway: deployment {identity} of gateway:2 has begun",
        "service gateway: deployment of gateway:2 in progress, 1 of 2 tasks run",
        "service gateway: deployment of gateway:2 completed, 2 of 2 tasks run",
    ]


def test_one_revision_does_for_services_that_end_up_with_the_same() -> None:
    """They ran different revisions of one family before."""
    platform = Rolling(completed)
    platform.given(document("gateway"))
    platform.found["other"] = service("other", definition="gateway:2")
    report = carry_out(platform, plan(platform))
    assert [call for call in platform.writes if call[0] == "register"] == [("register", "gateway")]
    assert {one["task_definition"] for one in rollout.report_json(report)["services"]} == {revision_arn("gateway:3")}  # type: ignore[attr-defined] # a list


def test_secret_s_own_arn_is_used_once_it_has_one() -> None:
    """A first push is planned before there is any."""
    platform = Rolling(completed)
    platform.definitions.clear()
    platform.given(document("gateway"))
    decided = plan(platform, arn=None, changed_at=None, rewritten=True)
    assert ARN not in json.dumps(rollout.plan_json(decided))
    carry_out(platform, decided)
    registered = json.dumps(platform.definitions[revision_arn("gateway:2")].document)
    assert registered.count(f"{ARN}:") == 2
    assert "-000000" not in registered


def test_json_of_plan_and_report_have_one_shape() -> None:
    """What is only known later is null before."""
    platform = Rolling(completed)
    decided = plan(platform)
    before: Any = rollout.plan_json(decided)
    after: Any = rollout.report_json(carry_out(platform, decided))
    for kind in ("definitions", "services"):
        assert [one.keys() for one in before[kind]] == [one.keys() for one in after[kind]]
    assert (
        before["definitions"][0] | {"task_definition": revision_arn("gateway:2"), "revision": 2}
        == (after["definitions"][0])
    )
    assert before["definitions"][0]["containers"] == [
        {"container": "gateway", "added": ("B",), "changed": (), "moved": (), "removed": ()}
    ]
    [service_before], [service_after] = before["services"], after["services"]
    assert (service_before["outcome"], service_before["deployment"]) == (None, None)
    assert (service_after["outcome"], service_after["action"]) == ("completed", "update")


def test_nothing_to_do_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Not a word, but in the report."""
    platform = Rolling()
    decided = plan(platform, ("A",))
    report = carry_out(platform, decided)
    assert (platform.writes, report.code) == ([], ExitCode.YES)
    assert [one.outcome for one in report.services] == ["unchanged"]
    assert capsys.readouterr().err == ""


def test_nothing_asked_asks_nobody() -> None:
    """A push may be about the secret alone."""
    platform = Rolling()
    decided = rollout.plan(
        platform, Target(), secret_id="a", region="b", arn=None, keys=[], known=[], changed_at=None, rewritten=True
    )
    assert decided.definitions == ()
    assert rollout.report_json(carry_out(platform, decided)) == {"definitions": [], "services": []}
    assert platform.calls == []


def test_failure_shows_events_and_why_tasks_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of this deployment; control characters don't reach the terminal."""
    platform = Rolling(failed)
    events = (ServiceEvent(at(61), "task \x1b[31mfailed"), ServiceEvent(at(-5), "long ago"))
    platform.found["gateway"] = replace(platform.found["gateway"], events=events)
    reason = {"stopped_reason": "ResourceInitializationError: no such key", "last_status": "STOPPED"}
    platform.stopped["gateway"] = [
        task("gateway:2", at(61), **reason),
        task("gateway:2", at(62), **reason),
        task("gateway:1", at(61), stopped_reason="Scaling activity"),
        task("gateway:2", at(-5), stopped_reason="of an earlier deployment"),
        task("gateway:2", None, stopped_reason="of unknown age"),
    ]
    report = carry_out(platform, plan(platform))
    assert report.code is ExitCode.NO
    err = capsys.readouterr().err
    assert f"warning: service gateway: deployment {report.services[0].deployment} of gateway:2 failed" in err
    assert ": tasks failed to start\n" in err
    assert "  event: task \\x1b[31mfailed\n" in err
    assert "  stopped task: ResourceInitializationError: no such key (2 tasks)\n" in err
    assert err.count("stopped task") == err.count("event:") == 1
    assert "the secret keeps the version that it has now; 'tickctl secrets rollback'" in err
    [found] = rollout.report_json(report)["services"]  # type: ignore[misc] # a list
    assert found["stopped_tasks"] == ["ResourceInitializationError: no such key (2 tasks)"]
    assert (found["outcome"], found["events"]) == ("failed", ["task \x1b[31mfailed"])


def test_failure_is_told_though_tasks_can_t_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    """How it ended matters more than why; quiet leaves that line."""
    platform = Rolling(failed)
    platform.refuse["tasks"] = CredentialsRefusedError("AWS doesn't allow ecs:ListTasks")
    assert carry_out(platform, plan(platform)).code is ExitCode.NO
    assert "why tasks stopped can't be told: AWS doesn't allow ecs:ListTasks" in capsys.readouterr().err
    platform = Rolling(failed)
    carry_out(platform, plan(platform), quiet=True)
    assert capsys.readouterr().err.startswith("warning: service gateway: deployment ")


def test_replaced_deployment_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    """What has its place is named."""
    other = deployment("ecs-svc/other", created_at=at(61), task_definition=revision_arn("gateway:9"))
    platform = Rolling(lambda _: other)
    report = carry_out(platform, plan(platform))
    assert (report.code, report.services[0].outcome) == (ExitCode.NO, "replaced")
    assert "was replaced by another deployment, ecs-svc/other of gateway:9" in capsys.readouterr().err


def test_time_out_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody knows how it will end."""
    platform = Rolling(lambda begun: replace(begun, running=1, failed=1))
    report = carry_out(platform, plan(platform))
    assert (report.code, report.services[0].outcome) == (ExitCode.CANNOT_TELL, "timed_out")
    err = capsys.readouterr().err
    assert "1 of 2 tasks run, 1 failed\n" in err
    assert "has not ended in time, and goes on\n" in err
    assert "the same command again goes on following" in err


def test_silence_until_the_end_is_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """The network is told apart from a slow deployment."""
    platform = Rolling(in_progress)
    decided = plan(platform)
    looks = iter([False, False])

    def services(cluster: str, names: Any) -> tuple[Service, ...]:
        if next(looks, True):
            raise UnreachableError("ECS gave no answer")
        return Rolling.services(platform, cluster, names)

    platform.services = services  # type: ignore[method-assign] # an outage
    assert carry_out(platform, decided).code is ExitCode.CANNOT_TELL
    assert "has not ended in time, and goes on: ECS gave no answer" in capsys.readouterr().err


def test_without_waiting_nothing_is_followed(capsys: pytest.CaptureFixture[str]) -> None:
    """That is said, and is no failure."""
    platform = Rolling(failed)
    report = carry_out(platform, plan(platform), wait=False)
    assert (report.code, report.services[0].outcome) == (ExitCode.YES, "not_followed")
    assert "goes on and is not followed" in capsys.readouterr().err
    assert [call[0] for call in platform.calls].count("services") == 2


def test_deployment_that_is_under_way_is_followed(capsys: pytest.CaptureFixture[str]) -> None:
    """It was begun by a run that was cut off; none is begun on top of it."""
    platform = Rolling(in_progress, completed)
    under_way = deployment("ecs-svc/5", created_at=at(60), rollout_state="IN_PROGRESS", running=0)
    platform.found["gateway"] = service("gateway", under_way)
    decided = plan(platform, ("A",))
    assert decided.follows
    platform.running["gateway"] = [task(created=at(61))]
    assert carry_out(platform, decided).code is ExitCode.YES
    assert platform.writes == []
    assert "has begun" not in capsys.readouterr().err


def test_followed_deployment_with_old_tasks_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    """It was the way back of a circuit breaker, to tasks that never stopped."""
    platform = Rolling(in_progress, in_progress, completed)
    platform.found["gateway"] = service("gateway", deployment(created_at=at(60), rollout_state="IN_PROGRESS"))
    platform.running["gateway"] = [task(created=at(-90)), task(created=at(61))]
    assert carry_out(platform, plan(platform, ("A",))).code is ExitCode.NO
    assert "is through, but 1 of its tasks are from before the secret changed last" in capsys.readouterr().err


def test_deployment_by_somebody_else_in_between_is_a_conflict() -> None:
    """Their image would be rolled back by ours."""
    platform = Rolling()
    decided = plan(platform)
    platform.found["gateway"] = service("gateway", definition="gateway:7")
    with pytest.raises(ConflictError, match="somebody else has just deployed service gateway"):
        carry_out(platform, decided)
    assert platform.writes == []


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        ("register", CredentialsRefusedError("no"), ["service a was not deployed", "service gateway was not deployed"]),
        (
            "deploy",
            CredentialsRefusedError("no"),
            [
                "gateway:2 is registered, and no service runs it yet",
                "service gateway was not deployed",
                "service a was not deployed",
            ],
        ),
        (
            "deploy",
            UnreachableError("cut"),
            ["whether service gateway is being deployed is not known", "service a was not deployed"],
        ),
        ("deploy", KeyboardInterrupt(), ["whether service gateway is being deployed is not known"]),
    ],
)
def test_what_stands_is_told_when_it_breaks_off(
    call: str, error: BaseException, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever reads it knows what was done, and what wasn't."""
    platform = Rolling(completed)
    platform.found["a"] = service("a")
    decided = plan(platform)
    platform.refuse[call] = error
    with pytest.raises(type(error)):
        carry_out(platform, decided)
    err = capsys.readouterr().err
    assert all(f"warning: {line}\n" in err for line in told)


@pytest.mark.parametrize("error", [CredentialsRefusedError("expired"), KeyboardInterrupt()])
def test_deployments_go_on_when_following_breaks_off(error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is taken back because of a Ctrl-C."""

    def breaks(_begun: Deployment) -> Deployment:
        raise error

    platform = Rolling(breaks)
    with pytest.raises(type(error)):
        carry_out(platform, plan(platform))
    err = capsys.readouterr().err
    assert "of service gateway has begun, and is not followed to its end" in err
    assert "was not deployed" not in err


def test_plan_is_shown_with_names_only(capsys: pytest.CaptureFixture[str]) -> None:
    """What a dry run prints is what a real one does."""
    platform = Rolling()
    platform.definitions.clear()
    made: Any = document("gateway", "GONE", containers=("gateway", "log"))
    made["containerDefinitions"][1]["environment"] = [{"name": "A", "value": "hunter2"}]
    platform.given(made)
    names = tuple(f"KEY_{number}" for number in range(9))
    rollout.show(a_run(), plan(platform, ("A", *names)))
    assert capsys.readouterr().err.splitlines() == [
        "service gateway: a new revision of gateway is registered",
        "  container gateway: refers to A, KEY_0, KEY_1, KEY_2, KEY_3, KEY_4 and 4 more; no longer refers to GONE",
        "  container log: no longer has as plain values A",
        "  service gateway: is deployed with it, instead of gateway:1",
    ]


@pytest.mark.parametrize(
    ("keys", "changed", "primary", "lines"),
    [
        (("A",), -60, deployment(), ["gateway:1 needs no change", "runs gateway:1 with the values as they are"]),
        (
            ("A",),
            60,
            deployment(),
            ["gateway:1 needs no change", "is deployed anew with gateway:1, so that its tasks fetch the values"],
        ),
        (
            ("A",),
            -60,
            deployment(rollout_state="IN_PROGRESS"),
            ["gateway:1 needs no change", "is being deployed with gateway:1 already"],
        ),
        (
            KEYS,
            -60,
            deployment(),
            ["gateway:2 is used, which is registered already", "is deployed with gateway:2, instead of gateway:1"],
        ),
    ],
)
def test_each_action_has_its_words(
    keys: tuple[str, ...], changed: int, primary: Deployment, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """So that nobody has to guess what a run would do."""
    platform = Rolling()
    platform.given(document("gateway", *KEYS))
    platform.found["gateway"] = service("gateway", primary)
    rollout.show(a_run(), plan(platform, keys, changed_at=at(changed)))
    first, *_changes, last = capsys.readouterr().err.splitlines()
    assert [first, last] == [f"service gateway: {lines[0]}", f"  service gateway: {lines[1]}"]


@pytest.mark.parametrize(("last", "code"), [(Step.COMPLETED, 0), (Step.ROLLED_BACK, 1)])
def test_terminal_shows_a_moving_line(operator: Operator, last: Step, code: int) -> None:
    """Service, revision, tasks and time; what remains on the screen is how it ended."""
    given_service(operator.aws, "gateway")
    operator.aws.roll_out("gateway", Step.IN_PROGRESS, last)
    result = converse(
        ["secrets", "push", *TO, "--cluster", CLUSTER, "--service", "gateway", "--poll", "0.2", "--yes",
         *(f"--env-file={operator.folder / 'services' / name}" for name in (".env", "keys.env"))],
        {},
        operator.environ,
    )  # fmt: skip
    assert result.code == code
    assert "gateway gateway:2" in result.out
    assert "1/2 tasks, in progress" in result.out
    ended = "deployment of gateway:2 completed, 2 of 2 tasks run" if code == 0 else "of gateway:2 failed"
    assert ended in result.out.rpartition("\x1b[2K")[2]


def test_ctrl_c_leaves_the_deployment_alone(operator: Operator) -> None:
    """It goes on, which is said; the same command again follows it."""
    given_service(operator.aws, "gateway")
    operator.aws.roll_out("gateway", Step.IN_PROGRESS)
    command = ["push", *TO, "--cluster", CLUSTER, "--service", "gateway", "--poll", "0.1", "--yes"]
    process = subprocess.Popen(
        [*COMMAND, "secrets", *command],
        env=operator.environ,
        cwd=operator.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    said = ""
    with process.stderr as stream:
        while "in progress" not in said:
            line = stream.readline()
            assert line, said
            said += line
        process.send_signal(signal.SIGINT)
        said += stream.read()
    assert process.wait(timeout=30) == 130
    assert "has begun, and is not followed to its end" in said
    [begun] = [one["id"] for one in operator.service()["deployments"] if one["status"] == "PRIMARY"]
    assert begun in said
    operator.aws.all_well()
    again = operator.here(*command, "--json", "--timeout", "0")
    assert "UpdateService" not in operator.aws.operations
    assert again.json["services"][0]["action"] == "follow"
