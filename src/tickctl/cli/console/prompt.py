"""Asking for what may not stand on a command line."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tickctl.errors import InvalidInputError

if TYPE_CHECKING:
    from tickctl.core.secret import Secret

_LONGEST = 4096
_TERMINAL = Path("/dev/tty")


def has_terminal() -> bool:
    """Whether somebody could be asked."""
    try:
        with _TERMINAL.open("rb"):
            return True
    except OSError:
        return False


def ask(question: str, *, instead: str) -> str:
    """Ask a question on the terminal, wherever stdin and stdout go, and return the line that was typed.

    Args:
        question: with its colon.
        instead: what to do where there is no terminal, for the hint.

    Raises:
        InvalidInputError: there is no terminal, or nothing was typed.
    """
    try:
        with _TERMINAL.open(encoding="utf-8") as terminal, _TERMINAL.open("w", encoding="utf-8") as output:
            output.write(f"{question} ")
            output.flush()
            line = terminal.readline(_LONGEST).strip()
    except OSError:
        raise _no_terminal(question, instead) from None
    except UnicodeDecodeError:
        raise _no_text() from None
    if not line:
        raise InvalidInputError("nothing was typed", hint=instead)
    return line


def ask_secret(question: str, *, instead: str) -> "Secret":
    """Ask for a secret, which the terminal doesn't show.

    Raises:
        InvalidInputError: there is no terminal that could hide what is typed, or nothing was typed.
    """
    import getpass
    import warnings

    from tickctl.core.secret import Secret

    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # what is typed would be shown
        try:
            with _TERMINAL.open("rb"):  # without one, getpass would read stdin
                secret = Secret(getpass.getpass(f"{question} "))
        except EOFError:
            _TERMINAL.write_text("\n")  # getpass ends the line only where something was typed
            secret = Secret("")
        except (OSError, getpass.GetPassWarning):
            raise _no_terminal(question, instead) from None
        except UnicodeDecodeError:
            _TERMINAL.write_text("\n")
            raise _no_text() from None
    if not secret:
        raise InvalidInputError("nothing was typed", hint=instead)
    return secret


def read_secret(option: str) -> "Secret":
    """Return a secret from the first line of stdin, its line end removed and nothing else.

    Args:
        option: the option that asked for it, for errors.

    Raises:
        InvalidInputError: stdin is a terminal, which would show it, or holds something else than one line of text.
    """
    from tickctl.core.secret import Secret

    if sys.stdin.isatty():
        raise InvalidInputError(
            f"{option} reads a pipe or file, and this is a terminal", hint=f"leave {option} out to be asked"
        )
    content = sys.stdin.buffer.read(_LONGEST + 1)
    line = content.removesuffix(b"\n").removesuffix(b"\r")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInputError(f"what {option} reads is not UTF-8 text") from None
    if not text or len(content) > _LONGEST or any(end in text for end in "\r\n\0"):
        raise InvalidInputError(f"what {option} reads is not one line of text", hint="give the secret and nothing else")
    return Secret(text)


def _no_text() -> InvalidInputError:
    return InvalidInputError("what was typed is not UTF-8 text", hint="check the encoding of the terminal")


def _no_terminal(question: str, instead: str) -> InvalidInputError:
    subject = question.rstrip(":").lower()
    return InvalidInputError(f"there is no terminal to ask for the {subject}", hint=instead)
