"""Whatever a router of Starlette or FastAPI serves under a protected path, the gate protects."""

from contextlib import suppress
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router

from tickctl.errors import ConfigurationError
from tickctl.gateway.routes import root_path_of, selector

SEGMENTS = ["/v1", "/tasks", "/{a}", "/{b:int}", "/{c:path}", "/{d:uuid}", "/{e:float}", "/x-{f:str}.y", "/"]
# Their names differ, so that each may be there once only; a pattern is mount paths and a route's path in a row.
branches = st.lists(st.sampled_from(SEGMENTS[:-1]), unique=True, max_size=3)
leaves = st.lists(st.sampled_from(SEGMENTS), unique=True, min_size=1, max_size=3).map("".join)
PIECES = ["/", "/v1", "/tasks", "/5", "//", "\n", "v1", "/x-z.y", "/00000000-0000-4000-8000-000000000001", "/1.5", "/é"]
paths = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
roots = st.sampled_from(["", "/v1", "/api", "/v1/tasks", "/v1/", "/tasks"])
FITTING = {
    "/{a}": "/v1",
    "/{b:int}": "/5",
    "/{c:path}": "/tasks/v1",
    "/{d:uuid}": PIECES[-3],
    "/{e:float}": "/1.5",
    "/x-{f:str}.y": "/x-z.y",
}
many = settings(max_examples=400, deadline=None)


@st.composite
def visits(draw: st.DrawFn) -> tuple[list[str], str, str, str]:
    """Draw mounts, a route, and a path and a root path that nearly lead there."""
    branch, leaf, root = draw(branches), draw(leaves), draw(roots)
    path = "".join(branch) + leaf
    for segment, fitting in FITTING.items():
        path = path.replace(segment, fitting)
    for place, piece in draw(st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["/", "\n", "/v1"])), max_size=3)):
        path = path[:place] + piece + path[place:]
    return branch, leaf, draw(st.sampled_from(["", "", root])) + path + draw(st.sampled_from(["", "\n"])), root


def scope_of(path: str, method: str = "POST", root_path: str = "") -> dict[str, Any]:
    """Return the scope of a request."""
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "root_path": root_path,
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
        "scheme": "http",
        "server": ("127.0.0.1", 80),
    }


def serves(app: Any, scope: dict[str, Any]) -> bool:
    """Send a request to an application and return whether its handler answered: with 200, as nothing else does."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    coroutine = app(dict(scope), receive, send)
    with suppress(StopIteration):  # nothing in it waits, so it needs no event loop
        coroutine.send(None)
    return bool(sent[0]["status"] == 200)


async def handler(_request: Any) -> PlainTextResponse:
    """Answer 200."""
    return PlainTextResponse("served")


async def answer() -> str:
    """Answer 200."""
    return "served"


def mounted(branch: list[str], leaf: str) -> Router:
    """Return a router with one route, at the end of a row of mounts."""
    router = Router([Route(leaf, handler, methods=["POST"])])
    for path in reversed(branch):
        router = Router([Mount(path, app=router)])
    return router


@many
@given(visits() | st.tuples(branches, leaves, paths, roots))
@example((["/v1"], "/tasks", "/v1//tasks\n", ""))
@example((["/v1"], "/v1/tasks", "/v1/tasks\n", ""))
@example((["/v1"], "/{a}/tasks", "/v1/tasks", "/api"))
@example((["/v1", "/{a}"], "/", "/v1/5//\n", ""))
def test_what_a_starlette_router_serves_is_protected(visit: tuple[list[str], str, str, str]) -> None:
    """Mounts and parameters of any kind, doubled slashes, line breaks, a root path that fits or does not."""
    branch, leaf, path, root = visit
    scope = scope_of(path, root_path=root)
    if serves(mounted(branch, leaf), scope):
        assert selector(["POST " + "".join(branch) + leaf])(scope)


@many
@given(branches, leaves, paths.filter(lambda path: "\n" not in path and "//" not in path and not path.endswith("/")))
def test_what_is_not_served_is_left_alone(branch: list[str], leaf: str, path: str) -> None:
    """The gate is not in the way of other requests, where their paths are ordinary and parameters plain."""
    scope = scope_of(path)
    pattern = "".join(branch) + leaf
    is_plain = not any(kind in pattern for kind in (":int", ":uuid", ":float", ":path", "//"))
    if path.startswith("/") and is_plain and not leaf.endswith("/"):
        assert bool(selector(["POST " + pattern])(scope)) is serves(mounted(branch, leaf), scope)


@settings(max_examples=200, deadline=None)
@given(visits())
def test_what_a_fastapi_application_serves_is_protected(visit: tuple[list[str], str, str, str]) -> None:
    """Also below the prefix of an included router."""
    branch, leaf, path, root = visit
    prefix = "".join(branch)
    if any(segment in leaf for segment in branch if "{" in segment):
        return  # no route has a name twice
    router = APIRouter()
    router.post(leaf)(answer)
    app = FastAPI(openapi_url=None)
    app.include_router(router, prefix=prefix)
    scope = scope_of(path, root_path=root)
    if serves(app, scope):
        assert selector(["POST " + prefix + leaf])(scope)


@pytest.mark.parametrize("path", ["/tasks", "/tasks\n", "/api/tasks", "/api/tasks\n"])
@pytest.mark.filterwarnings("ignore:The `root_path` parameter")
def test_an_application_with_a_root_path_of_its_own_is_protected(path: str) -> None:
    """FastAPI puts it into the scope after a gate around it has looked, and serves a path with and without it."""
    app = FastAPI(root_path="/api")
    app.post("/tasks")(answer)
    scope = scope_of(path)
    assert serves(app, scope)
    assert selector(["POST /tasks"], root_path_of(app))(scope)


@pytest.mark.filterwarnings("ignore:The `root_path` parameter")
def test_the_root_path_is_found_behind_other_middleware() -> None:
    """Middleware keeps what it wraps as `app`; what does not has none that could be found."""

    class Wrapper:
        def __init__(self, app: Any) -> None:
            self.app = app

    assert root_path_of(Wrapper(Wrapper(FastAPI(root_path="/api")))) == "/api"
    assert root_path_of(Wrapper(handler)) == ""
    endless = Wrapper(None)
    endless.app = endless
    assert root_path_of(endless) == ""


@pytest.mark.parametrize("method", ["POST", "post", "PoSt"])
def test_methods_count_in_any_case(method: str) -> None:
    """HTTP has them in capitals, but older class-based endpoints of Starlette took them in any case."""
    assert selector(["POST /tasks"])(scope_of("/tasks", method))


def test_get_covers_head() -> None:
    """Frameworks answer HEAD by the handler of GET, and do its work."""
    scope = scope_of("/tasks", "HEAD")
    assert serves(Router([Route("/tasks", handler)]), scope)
    assert selector(["GET /tasks"])(scope)
    assert not selector(["POST /tasks"])(scope)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/tasks"),
        ("OPTIONS", "/tasks"),
        ("POST", "/tasks/1"),
        ("POST", "/other\n"),
        ("POST", "/x/tasks"),
        ("POST", "/tasks/../other"),
        ("POST", ""),
    ],
)
def test_other_requests_are_not_protected(method: str, path: str) -> None:
    """None of these can be read as `POST /tasks`."""
    assert not selector(["POST /tasks"])(scope_of(path, method))


@pytest.mark.parametrize(
    ("path", "raw_path"),
    [
        ("/Tasks", b""),
        ("/tasks/", b""),
        ("//tasks", b""),
        ("/tasks//", b""),
        ("/./tasks", b""),
        ("/x/../tasks", b""),
        ("/../tasks", b""),
        ("\\tasks", b""),
        ("/tasks\n\n", b""),
        ("/ta\0sks", b""),
        ("/tasks\0", b""),
        ("/%74asks", b""),
        ("/%2574asks", b""),
        ("/x%2F..%2Ftasks", b""),
        ("/tasks/", b"/tasks%2F"),
        ("/tasks" + "/" * 5000, b""),
        ("http://example.com/tasks", b""),
    ],
)
def test_every_spelling_of_a_path_is_protected(path: str, raw_path: bytes) -> None:
    """Some framework may take it for the same."""
    assert selector(["POST /tasks"])({**scope_of(path), "raw_path": raw_path})


@pytest.mark.parametrize(
    ("path", "raw_path"),
    [
        ("/v1/./tasks", b""),
        ("/v1/../tasks/", b""),
        ("/v1/ /tasks", b""),
        ("/v1/\n/tasks\n", b""),
        ("/v1/%2F/tasks", b""),
        ("/v1/a\\b/tasks", b""),
        ("/v1/a/b/tasks", b"/v1/a%2Fb/tasks"),
        ("/v1///tasks", b"/v1/%2F/tasks"),
    ],
)
def test_a_parameter_may_be_of_anything(path: str, raw_path: bytes) -> None:
    """Also of what another framework would take out of the path."""
    assert selector(["POST /v1/{org}/tasks"])({**scope_of(path), "raw_path": raw_path})


def test_several_patterns_are_protected() -> None:
    """Each by its own method and path."""
    selects = selector({"POST /tasks", "PUT /tasks/{task_id}", "M-SEARCH /é"})
    assert selects(scope_of("/tasks"))
    assert selects(scope_of("/tasks/7", "PUT"))
    assert selects(scope_of("/é", "M-SEARCH"))
    assert not selects(scope_of("/tasks/7"))


@pytest.mark.parametrize("path", ["/v1/a b/tasks", "/v1/a\nb/tasks", "/v1/é/tasks", "/v1/../tasks", "/v1/%2F/tasks"])
def test_a_parameter_is_one_segment_of_any_characters(path: str) -> None:
    """It may hold line breaks and what was encoded twice, but no slash that was one in the request."""
    assert selector(["POST /v1/{org}/tasks"])(scope_of(path))
    assert not selector(["POST /v1/{org}/tasks"])(scope_of("/v1/a/b/tasks"))


@pytest.mark.parametrize(
    "patterns",
    [
        [],
        set(),
        "POST /tasks",
        ["/tasks"],
        ["POST"],
        ["post /tasks"],
        ["POST tasks"],
        ["POST  /tasks"],
        ["POST /tasks "],
        ["POST /tasks\n"],
        ["POST /a b"],
        [""],
        [None],
        ["POST,PUT /tasks"],
        ["* /tasks"],
        ["POST /tasks*"],
        ["POST /tasks?x=1"],
        ["POST /tasks#x"],
        ["POST /t%61sks"],
        ["POST /v1/<org>/tasks"],
        ["POST /v1/:org/tasks"],
        ["POST /v1/{org}}/tasks"],
        ["POST /v1/{}/tasks"],
        ["POST /v1/{1}/tasks"],
        ["POST /v1/{org:colour}/tasks"],
        ["POST /v1\\tasks"],
    ],
)
def test_patterns_that_would_protect_nothing_are_refused(patterns: Any) -> None:
    """At construction, where the developer sees it."""
    with pytest.raises(ConfigurationError, match="protect"):
        selector(patterns)
