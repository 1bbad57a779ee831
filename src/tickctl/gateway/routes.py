"""Which requests a gate protects, by method and path.

What matters is that no request reaches a handler by a path that the gate takes for another one. So paths are read as
Starlette and FastAPI read them, oddities included, and where those can't be told in advance, too much is protected
rather than too little. For frameworks that route otherwise, `TickGate` takes a function in place of patterns.
"""

import re
from collections.abc import Callable, Collection, Iterator, MutableMapping
from typing import Any, Final, NamedTuple, TypeAlias

from tickctl.errors import ConfigurationError

Scope: TypeAlias = MutableMapping[str, Any]
Selector: TypeAlias = Callable[[Scope], bool]

_PATTERN: Final = re.compile(r"([A-Z]+(?:-[A-Z]+)*) (/\S*)")
_PARAMETER: Final = re.compile(r"\{[a-zA-Z_][a-zA-Z0-9_]*(?::(str|int|float|uuid|path))?\}")
# Other frameworks' parameters, wildcards, queries and percent-encoding: they would match nothing, and protect nothing.
_FOREIGN: Final = re.compile(r"[{}*?#%<>\\]|/:")
_MOST_WRAPPERS: Final = 64


class _Pattern(NamedTuple):
    """The expressions of one path.

    Attributes:
        whole: the path.
        ending: its last segment, at the end of whatever path.
        tails: the path from each later `/` on, as a whole; none but for paths that begin as this one does.
    """

    whole: re.Pattern[str]
    ending: re.Pattern[str]
    tails: tuple[re.Pattern[str], ...]


def selector(patterns: Collection[str], own_root_path: str = "") -> Selector:
    """Return a test for requests of these patterns, such as `POST /tasks` or `POST /v1/{org}/tasks`.

    `GET` includes `HEAD`, which frameworks answer by the same handler. `{name}` is one segment of the path, and
    `{name:path}` any number of them; `int`, `float`, `uuid` and `str` after the colon are one segment of any content.
    Paths are decoded, and relative to the `root_path` of the scope.

    Args:
        patterns: what to protect.
        own_root_path: what the application puts in place of the scope's `root_path`; see `root_path_of`.

    Raises:
        ConfigurationError: a pattern is of another form, or there is none.
    """
    if isinstance(patterns, str) or not patterns:
        raise ConfigurationError(
            "protect must be a set of patterns", hint='write protect={"POST /tasks"}, with a method and a path each'
        )
    protected: dict[str, list[_Pattern]] = {}
    for pattern in patterns:
        method, path = _parsed(pattern)
        for name in {method, "HEAD"} if method == "GET" else {method}:
            # Older versions of Starlette's HTTPEndpoint take methods in any case.
            protected.setdefault(name.casefold(), []).append(_compiled(path))

    def selects(scope: Scope) -> bool:
        among = protected.get(scope["method"].casefold())
        if among is None:
            return False
        path: str = scope["path"]
        root_path: str = scope.get("root_path", "")
        return _matches(among, path, root_path) or (own_root_path != "" and _matches(among, path, own_root_path))

    return selects


def root_path_of(app: object) -> str:
    """Return the `root_path` that an application sets itself, or "".

    `FastAPI(root_path=...)` replaces what the server says, and it does so after a gate that stands around it has
    looked. Wrappers are followed where they keep what they wrap as `app`, as middleware does.
    """
    for _ in range(_MOST_WRAPPERS):
        root_path = getattr(app, "root_path", "")
        if isinstance(root_path, str) and root_path:
            return root_path
        app = getattr(app, "app", None)
    return ""


def route_path(path: str, root_path: str) -> str:
    """Return the path without the prefix at which the application is mounted (ASGI's `root_path`)."""
    rest = path.removeprefix(root_path)
    return rest if not rest or rest[0] == "/" else path


def _matches(patterns: list[_Pattern], path: str, root_path: str) -> bool:
    relative = route_path(path, root_path)
    if any(pattern.whole.match(relative) for pattern in patterns):
        return True
    # `$` also matches before a last line break, so a route serves its path with one, too; and a Starlette Mount then
    # cuts the path a character too late, so that /v1//tasks%0A arrives at the /tasks of what is mounted at /v1.
    if path.endswith("\n"):
        return any(pattern.ending.search(path) for pattern in patterns)
    # A Mount tells its routes a longer root_path. Where the path has not even the first part of it, they look at the
    # whole path: what /v1 is mounted for then sees /v1/tasks, and serves it by its own /{name}/tasks.
    if root_path and relative == path:
        return any(tail.match(path) for pattern in patterns for tail in pattern.tails)
    return False


def _parsed(pattern: str) -> tuple[str, str]:
    parts = _PATTERN.fullmatch(str(pattern))
    if parts is None:
        raise ConfigurationError(
            "a pattern of protect is not a method in capitals and a path", hint='write it like "POST /tasks"'
        )
    if foreign := _FOREIGN.search(_PARAMETER.sub("", parts[2])):
        raise ConfigurationError(
            f"a pattern of protect holds {foreign[0]!r}",
            hint="parameters are written {name} or {rest:path}, everything else as it is once decoded",
        )
    return parts[1], parts[2]


def _compiled(path: str) -> _Pattern:
    # `match` and `$`, not `fullmatch`: see above. A parameter of any number of segments may be of any characters.
    slashes = [place for place, char in enumerate(path) if char == "/"]
    first = _expression(path[: slashes[1]]) if len(slashes) > 1 else ""
    return _Pattern(
        re.compile(_expression(path) + "$", re.DOTALL),
        re.compile(_expression(path[slashes[-1] :]) + "$", re.DOTALL),
        tuple(re.compile(f"(?={first}/){_expression(path[place:])}$", re.DOTALL) for place in slashes[1:]),
    )


def _expression(path: str) -> str:
    return "".join(_pieces(path))


def _pieces(path: str) -> Iterator[str]:
    end = 0
    for parameter in _PARAMETER.finditer(path):
        yield re.escape(path[end : parameter.start()])
        yield ".*" if parameter[1] == "path" else "[^/]+"
        end = parameter.end()
    yield re.escape(path[end:])
