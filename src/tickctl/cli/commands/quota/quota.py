"""`tickctl quota show|set|grant|reset|watch`: one user's ticks."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from tickctl.cli.console.confirm import AssumeYes, DryRun, confirm
from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.output import Cell
from tickctl.cli.console.quotas import Reason, User, bar_of, limit_argument, limit_text, state_json
from tickctl.cli.console.run import Run, command
from tickctl.cli.open.backend import open_quotas
from tickctl.errors import ConflictError

if TYPE_CHECKING:
    from tickctl.core.quota import QuotaState


def register(app: typer.Typer) -> None:
    """Add the commands."""
    add = "tickctl quota"
    command(app, "show", backend=True, examples=f"{add} show user@example.com\n{add} show user@example.com --json")(
        show
    )
    command(
        app,
        "set",
        backend=True,
        examples=f"{add} set user@example.com 200 --reason 'beta tester'\n"
        f"{add} set user@example.com unlimited\n{add} set user@example.com 0   (blocked)",
    )(set_limit)
    command(app, "grant", backend=True, examples=f"{add} grant user@example.com 50")(grant)
    command(app, "reset", backend=True, examples=f"{add} reset user@example.com --yes")(reset)
    command(app, "watch", backend=True, examples=f"{add} watch user@example.com --interval 1")(watch)


def show(run: Run, user: User) -> None:
    """Show a user's limit, and what is used and left today."""
    with open_quotas(run) as (quotas, _target):
        _answer(run, quotas.show(user))


def set_limit(
    run: Run,
    user: User,
    limit: Annotated[str, typer.Argument(metavar="LIMIT", help="Ticks a day; 'unlimited'; 0 blocks the user.")],
    reason: Reason = None,
    expect: Annotated[
        str | None,
        typer.Option("--expect", metavar="LIMIT", help="Change it only if this is the limit now; else exit 7."),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Set a user's daily limit; it holds from the next request on."""
    new_limit = limit_argument(limit)
    expected = limit_argument(expect) if expect is not None else None
    with open_quotas(run) as (quotas, target):
        change = quotas.set_limit(
            user,
            new_limit,
            reason=reason,
            check_expected=expect is not None,
            expected_limit=expected,
            dry_run=dry_run,
        )
        if change.conflict:
            raise _conflict(change.previous_limit)
        done = ("would change" if dry_run else "changed") if change.changed else "nothing to change"
        limits = f"{limit_text(change.previous_limit)} -> {limit_text(new_limit)}"
        run.output.notice(f"{done} on {target}: limit of {change.state.email} {limits}")
    _answer(run, change.state, previous=change.previous_limit)


def grant(
    run: Run,
    user: User,
    ticks: Annotated[int, typer.Argument(min=1, help="Ticks to add to today's allowance.")],
    reason: Reason = None,
    dry_run: DryRun = False,
) -> None:
    """Add ticks to a user's allowance for today only."""
    with open_quotas(run) as (quotas, target):
        state = quotas.grant(user, ticks, reason=reason, dry_run=dry_run)
        done = "would grant" if dry_run else "granted"
        run.output.notice(f"{done} on {target}: {ticks} ticks for {state.usage_date} to {state.email}")
    if state.daily_tick_limit is None:
        run.output.notice("the user is unlimited anyway")
    elif state.daily_tick_limit == 0:
        run.output.notice("the user stays blocked: a grant doesn't lift a limit of 0")
    _answer(run, state)


def reset(run: Run, user: User, reason: Reason = None, dry_run: DryRun = False, yes: AssumeYes = False) -> None:
    """Forget what a user has used today; grants stay."""
    with open_quotas(run) as (quotas, target):
        state = quotas.show(user)
        plan = f"set today's usage of {state.email} from {state.ticks_used} to 0 on {target}"
        if not dry_run:
            confirm(plan, assume_yes=yes)
        state = quotas.reset(user, reason=reason, dry_run=dry_run)
        run.output.notice(f"would {plan}" if dry_run else f"done: {plan}")
    _answer(run, state)


def watch(
    run: Run,
    user: User,
    interval: Annotated[float, typer.Option("--interval", min=0.1, max=3600, help="Seconds between looks.")] = 2.0,
    count: Annotated[int | None, typer.Option("--count", min=1, help="Stop after so many looks.")] = None,
) -> ExitCode:
    """Follow a user's ticks until interrupted.

    With --json, or in a pipe, there is a line for each look.
    """
    looks = 0
    with open_quotas(run) as (quotas, _target):
        if not run.json and not run.output.style.terminal:
            run.output.text("time\tticks_used\tticks_remaining\tdaily_tick_limit")
        while True:
            state = quotas.show(user)
            _look(run, state)
            looks += 1
            if looks == count:
                return ExitCode.YES
            time.sleep(interval)


def _look(run: Run, state: "QuotaState") -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    remaining, limit = limit_text(state.ticks_remaining), limit_text(state.daily_tick_limit)
    if run.json:
        run.output.document(state_json(state))
    elif run.output.style.terminal:
        allowance = None if state.ticks_remaining is None else state.ticks_used + state.ticks_remaining
        bar = bar_of(state.ticks_used, allowance or state.ticks_used, 30)
        run.output.text(f"{now}  {bar}  used {state.ticks_used}, left {remaining}, limit {limit}")
    else:
        run.output.text(f"{now}\t{state.ticks_used}\t{remaining}\t{limit}")


def _answer(run: Run, state: "QuotaState", **more: Cell) -> None:
    fields = state_json(state)
    if run.json:
        run.output.document(fields | more)
        return
    readable = {"daily_tick_limit", "ticks_remaining", "previous"}
    cells = fields | more
    run.output.record({name: limit_text(v) if name in readable else v for name, v in cells.items()})  # type: ignore[arg-type] # these three are int | None


def _conflict(actual: int | None) -> ConflictError:
    return ConflictError(
        f"the limit is {limit_text(actual)} now, not what --expect says; nothing was changed",
        hint="look with 'tickctl quota show' and decide again",
    )
