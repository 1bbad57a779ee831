"""Takes an env file apart into statements, as compose-go does, the library that Docker Compose reads env files with.

Where that parser goes on in the middle of a line, behind a closing quote, the file is refused instead: what follows
there is a slip, and a part of a secret may become the name of a variable.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from unicodedata import category

from tickctl.core.secrets.env_files.model import EnvFile, unreadable
from tickctl.errors import ConfigurationError

# Go's unicode.IsSpace, which knows fewer characters than Python's str.isspace; and what compose-go skips in a line.
_IN_LINE: Final = "\t\v\f\r \x85\xa0"
_OTHER: Final = "\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
SPACES: Final = f"\n{_IN_LINE}{_OTHER}"

_BETWEEN: Final = re.compile(rf"(?:[{SPACES}]++|#[^\n]*+)*+")
_EXPORT: Final = re.compile(rf"export(?=[\t\n\f\r ])[{_IN_LINE}]*+")
_NAME: Final = re.compile(r"[^=:\n]*+")
_BEFORE_VALUE: Final = re.compile(rf"[{_IN_LINE}]*+")
_UNQUOTED: Final = re.compile(r"[^\n]*+")
_QUOTED: Final = {
    "'": re.compile(r"'((?:[^'\\]++|\\.)*+)'", re.DOTALL),
    '"': re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL),
}
_AFTER_QUOTE: Final = re.compile(rf"[{_IN_LINE}{_OTHER}]*+(?:#[^\n]*+)?(?=\n|\Z)")
_BACKSLASH_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_QUOTE_IT: Final = "put values with line breaks or spaces between single quotes"


class Form(StrEnum):
    """How a value is written."""

    MISSING = "missing"
    """A name without `=`."""
    UNQUOTED = "unquoted"
    SINGLE = "single"
    DOUBLE = "double"


@dataclass(frozen=True, slots=True)
class Statement:
    """A name and the text of its value, without its quotes and before escapes and references are replaced."""

    line: int
    name: str
    form: Form
    text: str = field(default="", repr=False)


def statements(file: EnvFile) -> Iterator[Statement]:
    """Yield the statements of a file in their order.

    Raises:
        ConfigurationError: Compose would refuse the file, or text follows a closing quote.
    """
    if surrogate := _SURROGATE.search(file.text):
        line = 1 + file.text.count("\n", 0, surrogate.start())
        raise unreadable(file.name, line, "is not UTF-8 text", "save the file as UTF-8")
    return _Parser(file).statements()


class _Parser:
    """Goes through the text once; `_line` is the line of `_position`."""

    def __init__(self, file: EnvFile) -> None:
        self._file = file.name
        self._text = file.text.removeprefix("\ufeff")
        self._position = 0
        self._line = 1

    def statements(self) -> Iterator[Statement]:
        self._skip(_BETWEEN)
        while self._position < len(self._text):
            yield self._statement()
            self._skip(_BETWEEN)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        """Move behind what the pattern matches here, which may be nothing, and return it."""
        match = pattern.match(self._text, self._position)
        return self._move(match) if match else ""

    def _move(self, match: re.Match[str]) -> str:
        self._line += self._text.count("\n", self._position, match.end())
        self._position = match.end()
        return match[0]

    def _statement(self) -> Statement:
        line = self._line
        self._skip(_EXPORT)
        name = self._checked(self._skip(_NAME).rstrip(_IN_LINE))
        if self._text[self._position : self._position + 1] not in {"=", ":"}:
            return Statement(line, name, Form.MISSING)
        self._position += 1
        self._skip(_BEFORE_VALUE)
        quote = self._text[self._position : self._position + 1]
        if quote in _QUOTED:
            form = Form.SINGLE if quote == "'" else Form.DOUBLE
            return Statement(line, name, form, self._quoted(line, name, quote))
        text, _, _ = self._skip(_UNQUOTED).partition(" #")
        return Statement(line, name, Form.UNQUOTED, text.rstrip(SPACES))

    def _checked(self, name: str) -> str:
        for character in name:
            if character in _IN_LINE:
                raise self._error("white space where a name is expected")
            if character not in "_.-[]" and category(character)[0] not in "LN":
                raise self._error("a character that no name has, where a name is expected")
        return name

    def _quoted(self, line: int, name: str, quote: str) -> str:
        match = _QUOTED[quote].match(self._text, self._position)
        if not match:
            mend = "close it, or put the value between quotes of the other kind"
            raise unreadable(self._file, line, f"the quote that begins the value of {name} is never closed", mend)
        self._move(match)
        if not _AFTER_QUOTE.match(self._text, self._position):
            mend = "put the whole value between one pair of quotes"
            raise self._error(f"text after the quote that closes the value of {name}", mend)
        # A backslash goes before a quote of this kind; elsewhere it stays, and so does a pair of them.
        return _BACKSLASH_PAIR.sub(lambda pair: pair[1] if pair[1] == quote else pair[0], match[1])

    def _error(self, problem: str, mend: str = _QUOTE_IT) -> ConfigurationError:
        return unreadable(self._file, self._line, problem, mend)
