"""Turns whatever went wrong into one line of error, one of hint and an exit code. No traceback, no secret."""

import os
import sys

import typer

from tickctl import errors
from tickctl.cli.console.exit_codes import BY_ERROR, ExitCode
from tickctl.cli.console.redact import printable, redact
from tickctl.core.secret import Secret
from tickctl.core.variables import is_secret

STDOUT = 1
BROKEN_PIPE = 128 + 13
"""The reader of our output went away: what a shell reports for SIGPIPE."""


def report(error: BaseException, *, as_json: bool) -> int:
    """Write an error to stderr and return the exit code that it deserves."""
    match error:
        case BrokenPipeError() | SystemExit(__context__=BrokenPipeError()):  # Typer makes the second of the first
            return abandon_stdout()
        case SystemExit():
            return error.code if isinstance(error.code, int) else int(ExitCode.BUG)
        case _:
            exit_code, code, message, hint = _explain(error)
            _write(code, message, hint, error, as_json=as_json)
            return int(exit_code)


def abandon_stdout() -> int:
    """Let go of a stdout that nobody reads, so that Python's last flush does not complain; return the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
    return BROKEN_PIPE


def open_closed_streams() -> None:
    """Fill closed standard descriptors, so that no file or socket of ours ends up as somebody's stdout.

    A stdin that was closed reads as empty. A stdout that was closed is an error, which `require_stdout` raises.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115 - as long as the process lives
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8")  # noqa: SIM115 - as long as the process lives


def require_stdout() -> None:
    """Refuse to begin where nobody could be answered.

    Raises:
        InvalidInputError: standard output is closed.
    """
    if sys.stdout is None:
        sys.stdout = open(STDOUT, "w", encoding="utf-8")  # noqa: SIM115 - as long as the process lives
        raise errors.InvalidInputError("standard output is closed", hint="use > /dev/null to throw the answer away")


def _explain(error: BaseException) -> tuple[ExitCode, str, str, str | None]:
    """Return the exit code, the stable code, what happened and what to do next."""
    match error:
        case errors.TickctlError():
            code = next(BY_ERROR[kind] for kind in type(error).__mro__ if kind in BY_ERROR)
            return code, error.code, error.message, _hint(error)
        case typer.TyperException():
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "tickctl"
            return ExitCode.USAGE, "usage", error.format_message().rstrip("."), f"see '{command} --help'"
        case typer.Abort():
            return ExitCode.INTERRUPTED, "interrupted", "not confirmed; nothing was changed", None
        case OSError() if error.strerror:
            # The machine's, not ours: a full disk behind `>`, a folder without permission.
            return ExitCode.CANNOT_TELL, "unreachable", f"the system refused: {error.strerror}", None
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED, "interrupted", "interrupted", None
        case _:
            # The exception's own text may hold anything, so its kind has to do.
            message = f"tickctl has a bug here ({type(error).__name__})"
            return ExitCode.BUG, "bug", message, "run it again with TICKCTL_DEBUG=1 and report what it prints"


def _hint(error: errors.TickctlError) -> str | None:
    if isinstance(error, errors.NotFoundError) and error.suggestions:
        return f"did you mean {' or '.join(error.suggestions)}?"
    return error.hint


def _write(code: str, message: str, hint: str | None, error: BaseException, *, as_json: bool) -> None:
    known = _secrets_in_sight()
    message = printable(redact(message, known))
    hint = printable(redact(hint, known)) if hint else None
    lines = [f"error: {message}"]
    if hint:
        lines.append(f"hint: {hint}")
    if os.environ.get("TICKCTL_DEBUG") == "1":
        lines.append(redact(_trace(error), known))
    if as_json:
        import json

        lines.append(json.dumps({"error": {"code": code, "message": message, "hint": hint}}))
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()


def _trace(error: BaseException) -> str:
    """Return files, lines and exception types; not the exceptions' texts and no local values."""
    import traceback

    parts = []
    current: BaseException | None = error
    while current is not None:
        parts += [f"{type(current).__module__}.{type(current).__qualname__} at:"]
        parts += [f"  {f.filename}:{f.lineno} in {f.name}" for f in traceback.extract_tb(current.__traceback__)]
        current = current.__cause__ or current.__context__
    return "\n".join(parts)


def _secrets_in_sight() -> list[Secret]:
    """Return the secret values of the environment, for masking; env files may be what failed, so they are not read."""
    return [Secret(value) for name, value in os.environ.items() if is_secret(name)]
