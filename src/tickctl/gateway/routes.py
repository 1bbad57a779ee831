"""Which requests a gate protects, by method and path."""

import re
from collections.abc import Callable, Collection, MutableMapping
from typing import Any, Final, TypeAlias

from tickctl.errors import ConfigurationError

Scope: TypeAlias = MutableMapping[str, Any]
Selector: TypeAlias = Callable[[Scope], bool]

_PATTERN: Final = re.compile(r"([A-Z]+) (/\S*)")
_PARAMETER: Final = re.compile(r"\{[a-zA-Z_][a-zA-Z0-9_]*(:path)?\}")


def selector(patterns: Collection[str]) -> Selector:
    """Return a test for requests of these patterns, such as `POST /tasks` or `POST /v1/{org}/tasks`.

    `GET` includes `HEAD`, which frameworks answer by the same handler. `{name}` is one segment of the path, and
    `{name:path}` any number of them. Paths are relative to the `root_path` of the scope.

    Raises:
        ConfigurationError: a pattern is of another form, or there is none.
    """
    if isinstance(patterns, str) or not patterns:
        raise ConfigurationError(
            "protect must be a set of patterns", hint='write protect={"POST /tasks"}, with a method and a path each'
        )
    expressions: dict[str, list[re.Pattern[str]]] = {}
    for pattern in patterns:
        parts = _PATTERN.fullmatch(pattern)
        if parts is None:
            raise ConfigurationError(
                "a pattern of protect is not a method and a path", hint='write it like "POST /tasks"'
            )
        method, path = parts.groups()
        for name in {method, "HEAD"} if method == "GET" else {method}:
            expressions.setdefault(name, []).append(_expression(path))

    def selects(scope: Scope) -> bool:
        path = route_path(scope)
        return any(expression.match(path) for expression in expressions.get(scope["method"].upper(), ()))

    return selects


def route_path(scope: Scope) -> str:
    """Return the path without the prefix at which the application is mounted (ASGI's `root_path`)."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if not root or not path.startswith(root):
        return path
    rest = path[len(root) :]
    return rest if not rest or rest[0] == "/" else path


def _expression(path: str) -> re.Pattern[str]:
    parts, end = [], 0
    for parameter in _PARAMETER.finditer(path):
        parts += [re.escape(path[end : parameter.start()]), ".*" if parameter[1] else "[^/]+"]
        end = parameter.end()
    # `$` also comes before a last line break, as in frameworks whose routes would serve such a path.
    return re.compile("^" + "".join(parts) + re.escape(path[end:]) + "$", re.DOTALL)
