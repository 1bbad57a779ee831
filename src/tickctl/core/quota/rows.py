"""Strict reading of the rows that SQL functions answer with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TypeVar

from tickctl.core.json import Json, JsonObject
from tickctl.errors import UnreachableError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """One row; a field that is missing or of another type than asked for raises `UnreachableError`.

    An answer that makes no sense is no answer: neither a yes nor a no may be read out of it.
    """

    fields: JsonObject

    def text(self, name: str) -> str:
        """Return a string."""
        value = self._get(name)
        if not isinstance(value, str):
            raise _nonsense(name)
        return value

    def integer(self, name: str) -> int:
        """Return an integer, which `true` and `1.0` are not."""
        value = self._get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise _nonsense(name)
        return value

    def boolean(self, name: str) -> bool:
        """Return a boolean."""
        value = self._get(name)
        if not isinstance(value, bool):
            raise _nonsense(name)
        return value

    def day(self, name: str) -> date:
        """Return a date."""
        try:
            return date.fromisoformat(self.text(name))
        except ValueError:
            raise _nonsense(name) from None

    def moment(self, name: str) -> datetime:
        """Return an instant in UTC; how the database writes its offset depends on a setting of the client."""
        try:
            value = datetime.fromisoformat(self.text(name))
        except ValueError:
            raise _nonsense(name) from None
        if value.tzinfo is None:
            raise _nonsense(name)
        return value.astimezone(UTC)

    def mapping(self, name: str) -> JsonObject:
        """Return a JSON object."""
        value = self._get(name)
        if not isinstance(value, dict):
            raise _nonsense(name)
        return value

    def code(self, name: str, enum: Callable[[str], T]) -> T:
        """Return a member of an enum of strings."""
        try:
            return enum(self.text(name))
        except ValueError:
            raise _nonsense(name) from None

    def optional(self, read: Callable[[str], T], name: str) -> T | None:
        """Return what `read`, a method of this row, makes of the field, or `None` for null."""
        return None if self._get(name) is None else read(name)

    def _get(self, name: str) -> Json:
        try:
            return self.fields[name]
        except KeyError:
            raise _nonsense(name) from None


def _nonsense(name: str) -> UnreachableError:
    return UnreachableError(
        f"the database gave an answer that makes no sense: {name}",
        hint="run `tickctl schema check`",
    )
