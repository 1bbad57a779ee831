"""Whether a document fits what AWS's client library knows of a request, told without its values.

The library checks as well, but only when it sends, and its errors quote values.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

_TYPES: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "string": ((str,), "a string"),
    "integer": ((int,), "an integer"),
    "long": ((int,), "an integer"),
    "boolean": ((bool,), "a boolean"),
    "double": ((int, float), "a number"),
    "float": ((int, float), "a number"),
    "list": ((), "a list"),
    "structure": ((), "an object"),
    "map": ((), "an object"),
}


def misfits(value: object, shape: Any, path: str = "") -> Iterator[str]:
    """Yield what doesn't fit, by the path of the member: unknown ones, missing ones, and those of another type.

    Args:
        value: as it would be sent.
        shape: of the library's service model.
        path: where the value stands; empty is the request itself.
    """
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping):
        yield from (f"{_join(path, name)} is missing" for name in shape.required_members if name not in value)
        for name, inner in value.items():
            if name not in shape.members:
                yield f"{_join(path, name)} is no field of it"
            else:
                yield from misfits(inner, shape.members[name], _join(path, name))
    elif kind == "list" and isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from misfits(inner, shape.member, f"{path}[{index}]")
    elif kind == "map" and isinstance(value, Mapping):
        for name, inner in value.items():
            yield from misfits(inner, shape.value, _join(path, name))
    else:
        types, name = _TYPES.get(kind, ((), "something else"))
        if not isinstance(value, types) or (isinstance(value, bool) and kind != "boolean"):
            yield f"{path} is to be {name}"


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)
