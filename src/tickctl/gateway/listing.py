"""What routes an application lists, so that a pattern of `protect` that names none of them is noticed."""

import difflib
import re
import sys
from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

from tickctl.errors import ConfigurationError
from tickctl.gateway.routes import compiled, parsed, unwrapped

_PARAMETER: Final = re.compile(r"[{<](?:(?P<before>\w+)(?:\([^>]*\))?:)?(?P<name>\w+)(?::(?P<after>[^}>]*))?[}>]")
_NEAREST: Final = 3


class _Listed(NamedTuple):
    """A route: its methods, all if `None`, and its path with parameters as patterns have them."""

    methods: frozenset[str] | None
    path: str

    def fits(self, method: str, path: str) -> bool:
        """Whether a pattern means this route, or one of the requests that it serves."""
        if self.methods is not None and method not in self.methods:
            return False
        mine, theirs = compiled(self.path).whole, compiled(path).whole
        return theirs.fullmatch(_example(self.path)) is not None or mine.fullmatch(_example(path)) is not None

    def __str__(self) -> str:
        return f"{'/'.join(sorted(self.methods)) if self.methods else 'any'} {self.path}"


def check_listed(patterns: Collection[str], app: object) -> None:
    """Look for each pattern among the routes, where the application lists them: Starlette, FastAPI, Litestar, Quart.

    Raises:
        ConfigurationError: a pattern names no route; the nearest ones are in the hint.
    """
    routes = _listed(app)
    if routes is None:
        return
    for pattern in patterns:
        method, path = parsed(pattern)
        if not any(route.fits(method, path) for route in routes):
            names = [str(route) for route in routes]
            nearest = difflib.get_close_matches(pattern, names, _NEAREST, cutoff=0.3) or names[:_NEAREST]
            raise ConfigurationError(
                f"protect names {pattern!r}, and the application has no such route",
                hint=f"the nearest of its routes: {', '.join(nearest)}",
            )


def _listed(app: object) -> tuple[_Listed, ...] | None:
    for layer in unwrapped(app):
        url_map = getattr(layer, "url_map", None)
        if url_map is not None:
            return tuple(_route(rule.methods, rule.rule) for rule in url_map.iter_rules())
        routes = getattr(layer, "routes", None)
        if isinstance(routes, list):
            return _flattened(routes) or None
    return None


def _flattened(routes: Iterable[Any], prefix: str = "") -> tuple[_Listed, ...] | None:
    fastapi = sys.modules.get("fastapi.routing")
    expand = getattr(fastapi, "iter_route_contexts", None)
    flat: list[_Listed] = []
    for route in routes if expand is None else expand(routes):
        path, inner = getattr(route, "path", None), getattr(route, "routes", None)
        if not isinstance(path, str):
            return None
        below = _flattened(inner, prefix + path) if inner else ()
        if below is None:
            return None
        # What is mounted and lists nothing may serve anything.
        is_mount = not hasattr(route, "methods") or (inner is not None and not inner)
        flat += below or [_route(getattr(route, "methods", None), prefix + path + ("/{rest:path}" if is_mount else ""))]
    return tuple(flat)


def _route(methods: Iterable[str] | None, path: str) -> _Listed:
    def as_in_patterns(parameter: re.Match[str]) -> str:
        is_path = "path" in {parameter["before"], parameter["after"]}
        return "{x:path}" if is_path else "{x}"

    return _Listed(None if methods is None else frozenset(methods), _PARAMETER.sub(as_in_patterns, path))


def _example(path: str) -> str:
    return _PARAMETER.sub("x", path).casefold()
