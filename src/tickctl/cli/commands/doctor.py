"""`tickctl doctor`: one look tells what is wrong with a set-up."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.options import EnvName
from tickctl.cli.console.redact import redact
from tickctl.cli.console.run import Run, command
from tickctl.core.secrets.checks.finding import Purpose

if TYPE_CHECKING:
    from tickctl.core.doctor.facts import Configuration, Problem, Unread
    from tickctl.core.findings import Finding

_JUDGED = {
    Purpose.LOCAL: "judged as a local set-up; --profile production asks for more",
    Purpose.PRODUCTION: "judged as a production set-up",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "doctor",
        examples="tickctl doctor\n"
        "tickctl doctor --profile production --env-name production\n"
        "tickctl doctor --json | jq '.findings[] | select(.result == \"fail\")'",
    )(doctor)


def doctor(
    run: Run,
    profile: Annotated[
        Purpose, typer.Option("--profile", help="By which promises to judge; locally, less has to be encrypted.")
    ] = Purpose.LOCAL,
    env_name: EnvName = None,
) -> ExitCode:
    """Look at everything that tickctl needs, and say what is wrong and what mends it.

    That is the configuration (where each variable comes from, never its value), env files, what tokens are verified
    with, the Supabase project, the database, AWS, and connections to other services. Nothing is changed, started or
    kept, and only the publishable key goes to the project.

    Exit code 1: something has to be mended. Exit code 5: nothing that could be seen, but something could not be
    found out.
    """
    from tickctl.cli.console.findings import present
    from tickctl.cli.open.doctor import look
    from tickctl.core.doctor import area_of, judge
    from tickctl.core.doctor.facts import Configuration

    run.output.notice(_JUDGED[profile])
    facts = look(run, profile, env_name)
    readable = isinstance(facts.settings, Configuration)
    about = {"profile": profile, "env_name": env_name, "configuration": _places(facts.settings)}
    findings = [_masked(run, finding) if readable else finding for finding in judge(facts)]
    return present(run, findings, heading=lambda finding: area_of(finding.code), about=about)


def _places(settings: "Configuration | Problem | Unread") -> list[dict[str, object]] | None:
    from tickctl.core.doctor.facts import Configuration

    if not isinstance(settings, Configuration):
        return None
    return [{"name": one.name, "found_in": one.place, "differs_in": one.differing} for one in settings.found]


def _masked(run: Run, finding: "Finding") -> "Finding":
    """Take this run's secrets out of what is shown: one may have been pasted where a name belongs."""
    known = run.settings.secrets
    return replace(
        finding,
        subject=redact(finding.subject, known),
        message=redact(finding.message, known),
        mend=redact(finding.mend, known) if finding.mend else None,
    )
