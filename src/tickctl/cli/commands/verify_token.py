"""`tickctl verify-token`: may this token's holder enter, and if not, why?"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.output import Cell, cell_text
from tickctl.cli.console.redact import printable
from tickctl.cli.console.run import Run, command
from tickctl.cli.open.tokens import open_tokens, parse_time
from tickctl.cli.open.verifier import Network, open_verifier
from tickctl.errors import InvalidInputError

if TYPE_CHECKING:
    from tickctl.core.tokens import Reason, TokenVerifier, Verdict


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "verify-token",
        backend=True,
        identity=False,
        examples="pbpaste | tickctl verify-token -\ntickctl verify-token --file token.txt --json\n"
        "tickctl verify-token - --at 2026-11-23T08:00:00Z --explain < token.txt\n"
        "tickctl verify-token --batch - --json < tokens.txt",
    )(verify_token)


def verify_token(
    run: Run,
    token: Annotated[
        str | None,
        typer.Argument(metavar="[TOKEN|-]", help="The access token; '-' reads it from standard input (better)."),
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read the token from this file.")] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="Check as of this time: RFC 3339, or seconds since 1970.")
    ] = None,
    leeway: Annotated[
        int, typer.Option("--leeway", metavar="SECONDS", min=0, max=3600, help="Clock difference allowed.")
    ] = 30,
    online: Annotated[
        bool | None, typer.Option("--online/--offline", help="Ask the Auth server about user and session, or nobody.")
    ] = None,
    batch: Annotated[bool, typer.Option("--batch", help="The input holds one token on each line.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show every check, also those not made.")] = False,
) -> ExitCode:
    """Say whether an access token is valid, and if not, why.

    Give it on standard input, in a file or in TICKCTL_TOKEN: what stands on a command line can be read by others on
    the machine. Exit code 0 is valid, 1 refused, 5 cannot tell.
    """
    now = parse_time(at) if at else time.time()
    network = Network.AUTO if online is None else Network.ONLINE if online else Network.OFFLINE
    with (
        open_tokens(run, token, file, batch=batch) as tokens,
        open_verifier(run, network=network, leeway=leeway) as verifier,
    ):
        if batch:
            return _verify_all(run, verifier, tokens, now)
        verdict = verifier.verify(next(tokens), now)
    if run.json:
        run.output.document(verdict_json(verdict))
    else:
        _show(run, verdict, explain=explain)
    return exit_code_of(verdict.reason)


def exit_code_of(reason: "Reason") -> ExitCode:
    """Return 0 for valid, 5 for whatever can't be told, 1 for every refusal."""
    if reason.cannot_tell:
        return ExitCode.CANNOT_TELL
    return ExitCode.YES if reason == "valid" else ExitCode.NO


def verdict_json(verdict: "Verdict") -> dict[str, object]:
    """Return the documented JSON of a verdict."""
    return {
        "valid": verdict.valid,
        "reason": verdict.reason,
        "message": verdict.message,
        "hint": verdict.hint,
        "subject": verdict.subject,
        "email": verdict.email,
        "email_confirmed": verdict.email_confirmed,
        "confirmation_source": verdict.confirmation_source,
        "role": verdict.role,
        "algorithm": verdict.algorithm,
        "key_id": verdict.key_id,
        "issued_at": moment(verdict.issued_at),
        "expires_at": moment(verdict.expires_at),
        "session_id": verdict.session_id,
        "checks": [{"name": c.name, "result": c.result, "detail": c.detail} for c in verdict.checks],
        "not_checked": list(verdict.not_checked),
        "claims": dict(verdict.claims),
    }


def moment(seconds: int | None) -> datetime | None:
    """Return seconds since 1970 as a time, or None where there is none or no calendar goes so far."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _verify_all(run: Run, verifier: "TokenVerifier", tokens: Iterator[str], now: float) -> ExitCode:
    """Answer for each token as it comes; a refusal outweighs a cannot-tell in the exit code."""
    first = next(tokens, None)
    if first is None:
        raise InvalidInputError("there is no token in the input", hint="give one on each line")
    codes = {ExitCode.YES}
    if not run.json:
        run.output.text("number\treason\tsubject\temail\texpires_at")
    for number, token in enumerate(chain([first], tokens), 1):
        verdict = verifier.verify(token, now)
        codes.add(exit_code_of(verdict.reason))
        if run.json:
            run.output.document({"number": number, **verdict_json(verdict)})
        else:
            cells = (number, verdict.reason.value, verdict.subject, verdict.email, moment(verdict.expires_at))
            run.output.text("\t".join(map(cell_text, cells)))
    return next(code for code in (ExitCode.NO, ExitCode.CANNOT_TELL, ExitCode.YES) if code in codes)


def _show(run: Run, verdict: "Verdict", *, explain: bool) -> None:
    """Tell a person: the answer in one line, then what is known, then what was not looked at."""
    head = "valid" if verdict.valid else ("cannot tell" if verdict.cannot_tell else "refused")
    if run.output.style.terminal:
        title = head if verdict.valid else f"{head}: {verdict.reason.value}"
        run.output.coloured(title, "green" if verdict.valid else "yellow" if verdict.cannot_tell else "red")
        run.output.text(f"{printable(verdict.message)}")
    facts = _facts(verdict)
    if run.output.style.terminal:
        facts = {n: v for n, v in facts.items() if v not in {None, ""} and n not in {"reason", "message"}}
    run.output.record(facts)
    if explain:
        if run.output.style.terminal:
            run.output.text()
        run.output.table(("check", "result", "detail"), [(c.name, c.result.value, c.detail) for c in verdict.checks])
    if verdict.hint:
        run.output.notice(f"hint: {verdict.hint}")


def _facts(verdict: "Verdict") -> dict[str, Cell]:
    """Return what fits beside a name: all of the JSON answer but its lists and what the first line says."""
    document = verdict_json(verdict)
    facts = {
        name: value for name, value in document.items() if isinstance(value, Cell) and name not in {"valid", "hint"}
    }
    return facts | {"not_checked": ", ".join(verdict.not_checked)}
