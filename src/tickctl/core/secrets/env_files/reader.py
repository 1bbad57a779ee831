"""Reads env files as Docker Compose does."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from tickctl.core.secret import Secret
from tickctl.core.secrets.env_files.grammar import Form, Statement, statements
from tickctl.core.secrets.env_files.interpolation import MalformedError, Scope, interpolated
from tickctl.core.secrets.env_files.model import Entry, EnvFile, Refusal, RefusalKind, unreadable
from tickctl.core.secrets.env_files.refusals import describe
from tickctl.errors import ConfigurationError

_SEQUENCE: Final = re.compile(r"\\(?:[abfnrtv$\\]|0[0-9]{0,3})")
_OCTAL: Final = re.compile(r"[0-3][0-7]{2}")
_SINGLE: Final = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    # Left for the interpolation, which makes one dollar of two.
    "$": "$$",
}


def unescaped(text: str) -> str:
    """Return the text of a double-quoted value with its escape sequences replaced; references are left."""
    return _SEQUENCE.sub(_replacement, text)


def _replacement(match: re.Match[str]) -> str:
    sequence = match[0][1:]
    if sequence[0] != "0":
        return _SINGLE[sequence]
    digits = sequence[1:]
    return chr(int(digits, 8)) if _OCTAL.fullmatch(digits) else f"\\{digits}"


# What may be shown of a line without `=`; without an underscore it may be a key in base32.
_LIKE_A_NAME: Final = re.compile(r"[A-Z][A-Z0-9]{0,30}(?:_[A-Z0-9]{1,30})+")

# No process can have a NUL in its environment; lone surrogates come from a shell's variable that isn't UTF-8.
_NO_TEXT: Final = re.compile("[\0\ud800-\udfff]")


def read(
    files: Sequence[EnvFile], *, shell: Collection[str] = (), allowed: Mapping[str, Secret] | None = None
) -> tuple[Entry, ...]:
    """Return every assignment of the files, in their order.

    Args:
        files: earlier ones are visible to the references of later ones.
        shell: the names of variables that the operator's shell has; a reference to one of them is refused.
        allowed: variables of the shell that may be taken all the same.

    Raises:
        ConfigurationError: Compose would not read a file; names file and line, never the line's text.
    """
    scope = Scope(shell, allowed or {})
    entries = [_entry(statement, file.name, scope) for file in files for statement in statements(file)]
    known = {*shell, *(entry.name for entry in entries if not _inherits(entry) or _LIKE_A_NAME.fullmatch(entry.name))}
    return tuple(_discreet(entry, known) for entry in entries)


def _entry(statement: Statement, file: str, scope: Scope) -> Entry:
    outcome = _outcome(statement, file, scope)
    if statement.form is not Form.MISSING or isinstance(outcome, str):
        scope.assign(statement.name, outcome)
    value, refusal = (Secret(outcome), None) if isinstance(outcome, str) else (None, outcome)
    return Entry(statement.name, value, file, statement.line, refusal)


def _outcome(statement: Statement, file: str, scope: Scope) -> str | Refusal:
    match statement.form:
        case Form.MISSING:
            inherited = scope.inherited(statement.name)
            outcome: str | Refusal = inherited.reveal() if inherited is not None else Refusal(RefusalKind.NO_VALUE)
        case Form.SINGLE:
            outcome = statement.text
        case Form.DOUBLE | Form.UNQUOTED:
            text = unescaped(statement.text) if statement.form is Form.DOUBLE else statement.text
            try:
                outcome = interpolated(text, scope)
            except MalformedError as error:
                raise unreadable(
                    file, statement.line, f"the value of {statement.name} has {error.problem}", error.mend
                ) from None
    if isinstance(outcome, str) and (not statement.name or _NO_TEXT.search(outcome)):
        return Refusal(RefusalKind.UNUSABLE)
    return outcome


def _discreet(entry: Entry, known: Collection[str]) -> Entry:
    """Take out of a refused entry what may be a part of a secret: names that stand nowhere as names."""
    if entry.refusal is None:
        return entry
    if _inherits(entry):
        return entry if entry.name in known else replace(entry, name="")
    variable = entry.refusal.variable if entry.refusal.variable in known else None
    return replace(entry, refusal=replace(entry.refusal, variable=variable))


def _inherits(entry: Entry) -> bool:
    return entry.refusal is not None and entry.refusal.kind is RefusalKind.NO_VALUE


def effective(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Return the entry that counts for each name: the last one."""
    return {entry.name: entry for entry in entries}


def values(entries: Iterable[Entry]) -> dict[str, Secret]:
    """Return what a container would get.

    Raises:
        ConfigurationError: an entry that counts is refused, or one for which Compose refuses everything; names file,
            line and key, and how many more there are.
    """
    entries = tuple(entries)
    counting = effective(entries)
    if refused := [(entry.refusal, entry) for entry in entries if entry.refusal and _matters(entry, counting)]:
        message, mend = describe(*refused[0])
        more = f", and {len(refused) - 1} more; 'tickctl secrets check' lists them" if len(refused) > 1 else ""
        raise ConfigurationError(message + more, hint=mend)
    return {name: entry.value for name, entry in counting.items() if entry.value is not None}


def _matters(entry: Entry, counting: Mapping[str, Entry]) -> bool:
    required = entry.refusal is not None and entry.refusal.kind is RefusalKind.REQUIRED
    # Names that are not shown are the same empty one.
    return required or not entry.name or counting[entry.name] is entry
