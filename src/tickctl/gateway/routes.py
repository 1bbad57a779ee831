"""Which requests a gate protects, by method and path.

What matters is that no request reaches a handler by a path that the gate takes for another one. Frameworks disagree
about doubled slashes, a slash at the end, dot segments, encoded slashes, letter case and control characters. So a path
is protected if any way to read it fits a pattern; rather too much is protected than too little. For what can't be said
in patterns, `TickGate` takes a function in their place.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import unquote

from tickctl.errors import ConfigurationError
from tickctl.gateway.cost import Cost, Field, dearest, prepared

Scope: TypeAlias = MutableMapping[str, Any]
_PATTERN: Final = re.compile(r"([A-Z]+(?:-[A-Z]+)*) (/\S*)")
_PARAMETER: Final = re.compile(r"\{[a-zA-Z_][a-zA-Z0-9_]*(?::(str|int|float|uuid|path))?\}")
# Other frameworks' parameters, wildcards, queries and percent-encoding: they would match nothing, and protect nothing.
_FOREIGN: Final = re.compile(r"[{}*?#%<>\\]|/:")
_CONTROL: Final = r"[\x00-\x20\x7f]*"
_PLAIN: Final = re.compile(r"(?:/[a-z0-9_~-]+)+\Z")
"""Paths that can be read in one way only."""
_ORIGIN: Final = re.compile(r"\A[A-Za-z][A-Za-z0-9+.-]*://[^/]*")
"""What a request to a proxy has before its path (RFC 9112 section 3.2.2)."""
_ENCODED_SLASH: Final = "\x00"
"""A slash within a segment, for frameworks that split a path before they decode it."""
_LONGEST: Final = 2048
"""Characters of a path that is read; a longer one is protected."""
_LONGEST_REMEMBERED: Final = 256
_REMEMBERED: Final = 1024
_MOST_DECODINGS: Final = 8
_MOST_WRAPPERS: Final = 64


class Protected(NamedTuple):
    """Why a request is protected.

    Attributes:
        path: of the pattern, as metrics may have it; "" if it isn't known.
        cost: of the request.
    """

    path: str
    cost: Cost


Protect: TypeAlias = Collection[str] | Mapping[str, Cost] | Callable[[Scope], Protected | Cost | None]
"""Patterns, each of which may have its cost, or a function that returns the cost of a request, `None` for others."""
Selector: TypeAlias = Callable[[Scope], Protected | None]


class Route(NamedTuple):
    """The expressions of a pattern's path.

    Attributes:
        whole: the path.
        tails: what remains of it without its first segments: mounted applications may see no more.
    """

    whole: re.Pattern[str]
    tails: tuple[re.Pattern[str], ...]


def selector(protect: Protect, own_root_path: str = "") -> Selector:
    """Return what tells protected requests from others, by patterns such as `POST /tasks` or `POST /v1/{org}/tasks`.

    `GET` includes `HEAD`, which frameworks answer by the same handler. `{name}` is one segment of the path, and
    `{name:path}` any number of them; `int`, `float`, `uuid` and `str` after the colon are one segment of any content.
    Paths are decoded, and relative to the `root_path` of the scope. Of several patterns that fit a path, the first
    counts. A path that can be read in several ways costs the most that any of them does.

    Args:
        protect: what to protect.
        own_root_path: what the application puts in place of the scope's `root_path`; see `root_path_of`.

    Raises:
        ConfigurationError: a pattern is of another form, there is none, or a cost is none.
    """
    if callable(protect):
        return partial(_by_function, protect)
    if isinstance(protect, str) or not protect:
        raise ConfigurationError(
            "protect must be a set of patterns", hint='write protect={"POST /tasks"}, with a method and a path each'
        )
    protected: dict[str, list[tuple[Route, Protected]]] = {}
    for pattern in protect:
        method, path = parsed(pattern)
        cost = prepared(protect[pattern] if isinstance(protect, Mapping) else Field())
        for name in {method, "HEAD"} if method == "GET" else {method}:
            # Older versions of Starlette's HTTPEndpoint take methods in any case.
            protected.setdefault(name.casefold(), []).append((compiled(path), Protected(path, cost)))

    def protection(method: str, path: str, raw_path: bytes, root_path: str) -> Protected | None:
        routes = protected.get(method.casefold())
        if routes is None:
            return None
        if len(path) + len(raw_path) > _LONGEST:
            return _combined([protected for _, protected in routes])
        roots = {root_path, own_root_path}
        return _combined([fitting for root in roots for fitting in _fitting(routes, path, raw_path, root)])

    remembered = lru_cache(_REMEMBERED)(protection)

    def selects(scope: Scope) -> Protected | None:
        request = scope["method"], scope["path"], scope.get("raw_path") or b"", scope.get("root_path", "")
        is_short = sum(map(len, request)) <= _LONGEST_REMEMBERED
        return (remembered if is_short else protection)(*request)

    return selects


def _by_function(protect: Callable[[Scope], Protected | Cost | None], scope: Scope) -> Protected | None:
    protected = protect(scope)
    if protected is None or isinstance(protected, Protected):
        return protected
    return Protected("", prepared(protected))


def _combined(readings: Sequence[Protected]) -> Protected | None:
    """Return one protection for all that a request can be read as."""
    distinct = list(dict.fromkeys(readings))
    return Protected(distinct[0].path, dearest([reading.cost for reading in distinct])) if distinct else None


def root_path_of(app: object) -> str:
    """Return the `root_path` that an application sets itself, or "".

    `FastAPI(root_path=...)` replaces what the server says, and it does so after a gate that stands around it has
    looked. Wrappers are followed where they keep what they wrap as `app`, as middleware does.
    """
    for layer in unwrapped(app):
        root_path = getattr(layer, "root_path", "")
        if isinstance(root_path, str) and root_path:
            return root_path
    return ""


def unwrapped(app: object) -> Iterator[object]:
    """Yield an application and what it wraps, from the outside in."""
    for _ in range(_MOST_WRAPPERS):
        if app is None:
            return
        yield app
        app = getattr(app, "app", None)


def _fitting(
    routes: Sequence[tuple[Route, Protected]], path: str, raw_path: bytes, root_path: str
) -> Iterator[Protected]:
    """Yield, for each reading of a path that fits patterns, the first of these."""
    root = re.compile("".join(_expressions(root_path)) + "(?=/|$)")
    for reading in _readings(path, raw_path):
        prefix = root.match(reading)
        candidates = {reading} if prefix is None else {reading, reading[prefix.end() :]}
        # Outside of its root path, and where a line break ends the path, what is mounted may look at the whole path.
        is_whole = prefix is None or not path.isprintable()
        for route, protected in routes:
            if any(route.whole.fullmatch(candidate) for candidate in candidates) or (
                is_whole and any(tail.fullmatch(reading) for tail in route.tails)
            ):
                yield protected
                break


def _readings(path: str, raw_path: bytes) -> set[str]:
    """Return all that a framework may take a path for, in small letters."""
    target = raw_path.decode("latin-1").partition("?")[0]
    if _PLAIN.match(path) and target in {"", path}:
        return {path}
    readings = {path, *_split_first(target)} if "%" in target else {path}
    for _ in range(_MOST_DECODINGS):
        decoded = {unquote(reading, errors="surrogateescape") for reading in readings}
        if decoded <= readings:
            break
        readings |= decoded
    for change in (_without_origin, _with_slashes, _without_controls, _without_dots, _with_dots_carried_out):
        readings |= {change(reading) for reading in readings}
    return {reading.casefold() for reading in readings}


def _split_first(target: str) -> Iterator[str]:
    once = [unquote(segment, errors="surrogateescape") for segment in target.split("/")]
    yield "/".join(segment.replace("/", _ENCODED_SLASH) for segment in once)


def _without_origin(path: str) -> str:
    return _ORIGIN.sub("", path)


def _with_slashes(path: str) -> str:
    return path.replace("\\", "/")


def _without_controls(path: str) -> str:
    return re.sub(_CONTROL, "", path)


def _without_dots(path: str) -> str:
    return "/".join(segment for segment in path.split("/") if segment != ".")


def _with_dots_carried_out(path: str) -> str:
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            segments = segments[:-1]
        elif segment not in {"", "."}:
            segments.append(segment)
    return "/" + "/".join(segments)


def parsed(pattern: str) -> tuple[str, str]:
    """Return method and path of a pattern; raises `ConfigurationError` if it has none."""
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


def compiled(path: str) -> Route:
    """Return the expressions of a pattern's path."""
    expressions = _expressions(path)
    expression, *tails = (
        "".join(expressions[place:]) + r"[/\x00-\x20\x7f]*" for place in range(max(len(expressions), 1))
    )
    return Route(re.compile(expression, re.DOTALL), tuple(re.compile(tail, re.DOTALL) for tail in tails))


def _expressions(path: str) -> list[str]:
    return [_expression(segment) for segment in path.casefold().split("/") if segment]


def _expression(segment: str) -> str:
    match = _PARAMETER.fullmatch(segment)
    if match is not None:
        return "(?:/.*)?" if match[1] == "path" else "/+[^/]+"
    pieces, end = ["/+", _CONTROL], 0
    for parameter in _PARAMETER.finditer(segment):
        pieces += [re.escape(segment[end : parameter.start()]), ".*" if parameter[1] == "path" else "[^/]+"]
        end = parameter.end()
    return "".join((*pieces, re.escape(segment[end:]), _CONTROL))
