"""Strict reading of the rows that SQL functions answer with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Final, TypeVar, get_args, get_origin

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
        return None if self.is_null(name) else read(name)

    def is_null(self, name: str) -> bool:
        """Whether the field is null."""
        return self._get(name) is None

    def _get(self, name: str) -> Json:
        try:
            return self.fields[name]
        except KeyError:
            raise _nonsense(name) from None


def read(kind: type[T], values: JsonObject) -> T:
    """Return a row as a dataclass, whose attributes are named and typed as the columns; rubbish raises as in `Row`.

    A dataclass in it is read from the same row.
    """
    row = Row(values)
    columns = _columns(kind)  # type: ignore[arg-type] # a class is hashable
    return kind(
        **{name: None if optional and row.is_null(name) else method(row, name) for name, method, optional in columns}
    )


@cache
def _columns(kind: type) -> tuple[tuple[str, Callable[[Row, str], object], bool], ...]:
    """Return the columns of a dataclass: the name, what reads it, and whether it may be null."""
    columns = []
    for column in fields(kind):
        is_optional = get_origin(column.type) is UnionType
        types = [one for one in get_args(column.type) if one is not NoneType] if is_optional else [column.type]
        columns.append((column.name, _method(types[0]), is_optional))  # type: ignore[arg-type] # no text, as this module's users evaluate their annotations
    return tuple(columns)


def _method(kind: type) -> Callable[[Row, str], object]:
    if is_dataclass(kind):
        return lambda row, _: read(kind, row.fields)
    if get_origin(kind) is Mapping:
        return Row.mapping
    if issubclass(kind, Enum):
        return lambda row, name: row.code(name, kind)
    return _METHODS[kind]


_METHODS: Final[Mapping[type, Callable[[Row, str], object]]] = {
    str: Row.text,
    int: Row.integer,
    bool: Row.boolean,
    date: Row.day,
    datetime: Row.moment,
}


def _nonsense(name: str) -> UnreachableError:
    return UnreachableError(
        f"the database gave an answer that makes no sense: {name}",
        hint="run `tickctl schema check`",
    )
