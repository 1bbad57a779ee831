"""Whether a document fits what AWS's client library knows of a request, told without its values.

The library checks as well, but only when it sends, and its errors quote values.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "boolean": (bool,),
    "double": (int, float),
    "float": (int, float),
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
    elif not isinstance(value, _TYPES.get(kind, ())) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{path} is to be a {'list' if kind == 'list' else 'object' if kind in {'structure', 'map'} else kind}"


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)
