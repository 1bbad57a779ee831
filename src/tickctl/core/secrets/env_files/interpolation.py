"""References in values: `$NAME`, `${NAME}`, `${NAME:-default}` and so on, as compose-go replaces them.

A reference that Compose would answer from the operator's shell, or with an empty string for want of the variable,
refuses the value. Two ways of writing are refused that Compose reads, each version in its own way: a brace inside
`${...}` that belongs to no reference, and braces in each other without end.
"""

import re
from collections.abc import Collection, Mapping
from typing import Final

from tickctl.core.secret import Secret
from tickctl.core.secrets.env_files.model import Refusal, RefusalKind

LARGEST_EXPANSION: Final = 1024 * 1024
"""Characters that all references of a set of files may bring in together: `B=$A$A` doubles from line to line."""
DEEPEST: Final = 20
"""References in the defaults of references."""

# Go's case folding counts the long s and the Kelvin sign among the letters.
_LETTERS: Final = "A-Za-z_\u017f\u212a"
_NAMED: Final = re.compile(rf"[{_LETTERS}][{_LETTERS}0-9]*+")
_BRACED: Final = re.compile(rf"\{{([{_LETTERS}][{_LETTERS}0-9]*+)(\}}|:?[-+?])")
_DOLLAR: Final = re.compile(r"\$")
_IN_BODY: Final = re.compile(r"[${}\n]")


class MalformedError(Exception):
    """A value whose references can't be read; `problem` and `mend` repeat nothing of it."""

    def __init__(self, problem: str, mend: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.mend = mend


class Scope:
    """What references can see: the assignments before, and the names that the operator's shell has.

    Compose lets the shell go before the files; so a name that is in the shell is never taken from a file.
    """

    def __init__(self, shell: Collection[str], allowed: Mapping[str, Secret]) -> None:
        self._shell = frozenset(shell)
        self._allowed = allowed
        self._assigned: dict[str, str | Refusal] = {}
        self._left = LARGEST_EXPANSION

    def assign(self, name: str, value: str | Refusal) -> None:
        """Let references from here on see a value, or why there is none."""
        self._assigned[name] = value

    def inherited(self, name: str) -> Secret | None:
        """Return the shell's value of a variable, if it may be taken."""
        return self._allowed.get(name)

    def look_up(self, name: str) -> str | Refusal | None:
        """Return what a reference means; None is unset.

        Raises:
            MalformedError: the references together bring in too much.
        """
        if name in self._allowed:
            entry: str | Refusal | None = self._allowed[name].reveal()
        elif name in self._shell:
            entry = Refusal(RefusalKind.SHELL, name)
        else:
            entry = self._assigned.get(name)
        if isinstance(entry, str):
            self._left -= len(entry)
            if self._left < 0:
                raise MalformedError("references that bring in more than 1 MiB", "write the value itself")
        return entry


def interpolated(text: str, scope: Scope) -> str | Refusal:
    """Return a value with its references replaced, or why it is refused.

    Raises:
        MalformedError: Compose would refuse the file, or its versions disagree.
    """
    value, refusals = _Template(text, scope).whole()
    # The worst first: for want of a required variable Compose refuses everything.
    refusals.sort(key=lambda refusal: refusal.kind is not RefusalKind.REQUIRED)
    return refusals[0] if refusals else value


_Outcome = tuple[str, list[Refusal]]


class _Template:
    """Reads a text once from left to right; `_position` is where it is."""

    def __init__(self, text: str, scope: Scope) -> None:
        self._text = text
        self._scope = scope
        self._position = 0

    def whole(self) -> _Outcome:
        parts: list[str] = []
        refusals: list[Refusal] = []
        while match := _DOLLAR.search(self._text, self._position):
            parts.append(self._text[self._position : match.start()])
            self._position = match.end()
            self._add(self._reference(0), parts, refusals)
        parts.append(self._text[self._position :])
        return "".join(parts), refusals

    def _body(self, depth: int) -> _Outcome:
        """Read what follows an operator, up to the brace that closes the reference."""
        parts: list[str] = []
        refusals: list[Refusal] = []
        while (match := _IN_BODY.search(self._text, self._position)) and match[0] in {"$", "}"}:
            parts.append(self._text[self._position : match.start()])
            self._position = match.end()
            if match[0] == "}":
                return "".join(parts), refusals
            self._add(self._reference(depth), parts, refusals)
        raise _malformed()

    @staticmethod
    def _add(outcome: _Outcome, parts: list[str], refusals: list[Refusal]) -> None:
        parts.append(outcome[0])
        refusals.extend(outcome[1])

    def _reference(self, depth: int) -> _Outcome:
        """Read what follows a dollar; the dollar is literal unless that is a dollar, a name or a brace."""
        following = self._text[self._position : self._position + 1]
        if following == "$":
            self._position += 1
            return "$", []
        if match := _NAMED.match(self._text, self._position):
            self._position = match.end()
            return self._plain(match[0])
        if following != "{":
            return "$", []
        match = _BRACED.match(self._text, self._position)
        if not match or depth == DEEPEST:
            raise _malformed()
        self._position = match.end()
        name, operator = match.groups()
        return self._plain(name) if operator == "}" else self._with_operator(name, operator, depth)

    def _plain(self, name: str) -> _Outcome:
        value = self._scope.look_up(name)
        if value is None:
            return "", [Refusal(RefusalKind.UNSET, name)]
        return ("", [value]) if isinstance(value, Refusal) else (value, [])

    def _with_operator(self, name: str, operator: str, depth: int) -> _Outcome:
        value = self._scope.look_up(name)
        body = self._body(depth + 1)
        # Compose reads the text after the operator in any case, and fails where it requires a variable in vain.
        unused = [refusal for refusal in body[1] if refusal.kind is RefusalKind.REQUIRED]
        if isinstance(value, Refusal):
            return "", [value, *unused]
        is_set = value is not None if len(operator) == 1 else bool(value)
        match operator[-1]:
            case "-":
                return (value or "", unused) if is_set else body
            case "+":
                return body if is_set else (value or "", unused)
            case _:
                missing = [] if is_set else [Refusal(RefusalKind.REQUIRED, name)]
                return value or "", [*missing, *unused]


def _malformed() -> MalformedError:
    return MalformedError("a ${...} that can't be read", "for a literal dollar put the value between single quotes")
