"""Takes references out of running services before their keys leave the secret.

ECS can't start a task that refers to a key which isn't there: neither another one of the revision that runs, nor, when
a deployment fails, one of the revision that it goes back to.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from tickctl.cli.commands.secrets import rollout
from tickctl.cli.console.run import Run

if TYPE_CHECKING:
    from tickctl.adapters.aws import Aws
    from tickctl.cli.commands.secrets.rollout_report import Report
    from tickctl.core.ecs.plan import RolloutPlan
    from tickctl.core.secrets.store import SecretState
    from tickctl.core.secrets.target import Target


def plan_ahead(aws: "Aws", target: "Target", state: "SecretState", known: Collection[str]) -> "RolloutPlan | None":
    """Return the rollout that has to be through before the write; None if no service refers to a key that goes.

    Args:
        aws: is read from.
        target: names the services. What else it names is not for now: a file's definition may want keys to come.
        state: of the secret.
        known: the keys that it will have.
    """
    if state.arn is None or not target.services:
        return None
    ahead = rollout.plan(
        aws.containers,
        replace(target, task_definitions=()),
        secret_id=state.name,
        region=aws.region,
        arn=state.arn,
        keys=None,
        known=known,
        changed_at=state.changed_at,
        rewritten=False,
    )
    return ahead if leaving(ahead) else None


def leaving(ahead: "RolloutPlan") -> list[str]:
    """Return the names of keys that services refer to and that go."""
    changes = [change for definition in ahead.definitions for change in definition.rewrite.changes]
    return sorted({name for change in changes for name in change.removed})


def carry_out_ahead(run: Run, aws: "Aws", ahead: "RolloutPlan", *, place: str, timeout: float, poll: float) -> "Report":
    """Deploy the services without the references, and follow that to its end."""
    run.output.notice("first, services are deployed without the keys that go:")
    report = rollout.carry_out(
        run, aws.containers, ahead, arn=ahead.wanted.arn, secret=None, wait=True, timeout=timeout, poll=poll
    )
    if report.code:
        run.output.warning(f"nothing was written to {place}: not all services run without the keys that go")
    return report
