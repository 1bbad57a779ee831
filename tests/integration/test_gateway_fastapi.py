"""Which requests of a FastAPI application the gate stops, and what handlers get to see of those it lets through."""

from collections.abc import Callable
from typing import Annotated, Any
from unittest.mock import AsyncMock, Mock

import httpx
import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Request, Security, WebSocket
from pydantic import BaseModel
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from asgi_support import ask, request_bytes, running
from fastapi_support import gate_with_settler, served
from gateway_support import token_of, until
from quota_support import Database
from tickctl.gateway import Admission, GateOptions
from tickctl.gateway.fastapi import Ticks, admitted, protect
from tickctl.settings import Settings


class Task(BaseModel):
    """What a client asks for."""

    prompt: str
    max_ticks: int


async def create(ticks: Ticks) -> dict[str, Any]:
    """Answer with what the gate has found."""
    return {"user": ticks.user.id, "charge": ticks.charge.id, "ticks": ticks.charge.ticks}


def directly(app: FastAPI) -> str:
    """Add the route to the application itself."""
    app.post("/tasks")(create)
    return "/tasks"


def through_routers(app: FastAPI) -> str:
    """Add it to a router within a router, with prefixes and parameters."""
    inner, outer = APIRouter(prefix="/tasks"), APIRouter(prefix="/v1")
    inner.post("")(create)
    outer.include_router(inner, prefix="/{org}")
    app.include_router(outer, prefix="/api")
    return "/api/v1/acme/tasks"


def after_inclusion(app: FastAPI) -> str:
    """Add it to a router that has been included already."""
    router = APIRouter()
    app.include_router(router, prefix="/late")
    router.post("/tasks")(create)
    return "/late/tasks"


async def plain(request: Request) -> dict[str, Any]:
    """Answer with what the gate has found, without declaring that there is a gate."""
    return await create(request.state.ticks)


def by_a_routers_dependencies(app: FastAPI) -> str:
    """Let the router declare it, for all its routes."""
    router = APIRouter(dependencies=[Security(admitted)])
    router.post("/tasks")(plain)
    app.include_router(router)
    return "/tasks"


def by_an_inclusions_dependencies(app: FastAPI) -> str:
    """Let the inclusion declare it; the router itself knows nothing."""
    router = APIRouter()
    router.post("/tasks")(plain)
    app.include_router(router, prefix="/paid", dependencies=[Depends(admitted)])
    return "/paid/tasks"


def by_the_applications_dependencies(app: FastAPI) -> str:
    """Let the application declare it, as `FastAPI(dependencies=...)` does, for every route of every router."""
    app.router.dependencies.append(Depends(admitted))
    router = APIRouter()
    router.post("/tasks")(plain)
    app.include_router(router)
    return "/tasks"


def by_another_dependency(app: FastAPI) -> str:
    """Let a dependency of a dependency declare it."""

    def charge(ticks: Ticks) -> Admission:
        return ticks

    def checked(ticks: Annotated[Admission, Depends(charge)]) -> Admission:
        return ticks

    @app.post("/tasks")
    def handler(ticks: Annotated[Admission, Depends(checked)]) -> dict[str, Any]:
        return {"user": ticks.user.id, "charge": ticks.charge.id, "ticks": ticks.charge.ticks}

    return "/tasks"


WAYS = [
    directly,
    through_routers,
    after_inclusion,
    by_a_routers_dependencies,
    by_an_inclusions_dependencies,
    by_the_applications_dependencies,
    by_another_dependency,
]


@pytest.mark.parametrize("add", WAYS)
def test_a_route_that_declares_ticks_is_protected(add: Callable[[FastAPI], str], shared_database: Database) -> None:
    """However the declaration comes about: without a token nobody gets in, and with one it is charged once."""
    app, user = FastAPI(), shared_database.add_user()
    path = add(app)
    with served(shared_database, app) as gateway:
        assert gateway.send(None, path=path).json()["code"] == "no_credentials"
        answer = gateway.send(user, path=path)
    assert answer.status_code == 200
    assert answer.json()["user"] == user.id
    assert answer.json()["ticks"] == 3
    assert answer.headers["RateLimit"].startswith('"daily-ticks";r=29;')
    assert gateway.used(user) == 3


def test_routes_added_while_serving_are_protected(shared_database: Database) -> None:
    """The gate asks the router at each request, and keeps no list of its own."""
    app, user = FastAPI(), shared_database.add_user()
    router = APIRouter()
    app.include_router(router, prefix="/v1")
    with served(shared_database, app) as gateway:
        assert gateway.send(user, path="/v1/tasks").status_code == 404
        router.post("/tasks")(create)
        assert gateway.send(None, path="/v1/tasks").status_code == 401
        assert gateway.send(user, path="/v1/tasks").status_code == 200
    assert gateway.used(user) == 3


def test_protect_may_come_before_or_after_the_routes(shared_database: Database) -> None:
    """The order in which an application is put together doesn't matter."""
    app, user = FastAPI(), shared_database.add_user()
    protect(app, gate=gate_with_settler(shared_database))
    directly(app)
    with served(shared_database, app, gated=False) as gateway:
        assert gateway.send(None).status_code == 401
        assert gateway.send(user).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/free", 200),
        ("POST", "/nowhere", 404),
        ("GET", "/tasks", 405),
        ("HEAD", "/tasks", 405),
        ("OPTIONS", "/tasks", 405),
        ("POST", "/tasks/", 307),
        ("POST", "//tasks", 404),
        ("POST", "/Tasks", 404),
        ("POST", "/tasks%2F", 307),
        ("post", "/tasks", 405),
        ("POST", "/shadowed", 200),
    ],
)
def test_what_no_handler_with_ticks_will_get_is_not_asked_for(
    method: str, path: str, status: int, shared_database: Database
) -> None:
    """Unknown paths, other methods, redirects and other routes are answered by FastAPI, without a token."""
    app = FastAPI()
    directly(app)
    app.get("/free")(lambda: "free")
    app.post("/shadowed")(lambda: "the first route wins")
    app.post("/{anything}ed")(create)
    with served(shared_database, app) as gateway:
        assert ask(gateway.running.port, request_bytes(method, path), method=method).status == status


@pytest.mark.parametrize("paid_first", [True, False])
@pytest.mark.parametrize("included", [True, False])
def test_each_method_of_a_path_is_its_own_route(included: bool, paid_first: bool, shared_database: Database) -> None:
    """One that declares Ticks is protected, and another beside it is free, in whichever order they come."""
    app, router, user = FastAPI(), APIRouter(), shared_database.add_user()
    routes = router if included else app
    adding = [lambda: routes.post("/tasks")(create), lambda: routes.get("/tasks")(lambda: "free")]
    for add in adding if paid_first else reversed(adding):
        add()
    if included:
        app.include_router(router)
    with served(shared_database, app) as gateway:
        assert gateway.client.get("/tasks").json() == "free"
        assert gateway.send(None).status_code == 401
        assert gateway.send(user).status_code == 200


@pytest.mark.parametrize("path", ["/tasks", "/t%61sks", "/tasks?a=b", "/tasks%0A"])
def test_whatever_reaches_the_handler_has_passed_the_gate(path: str, shared_database: Database) -> None:
    """Also by spellings of the path that the router takes for the same."""
    app = FastAPI()
    directly(app)
    with served(shared_database, app) as gateway:
        assert ask(gateway.running.port, request_bytes("POST", path)).status == 401


def test_a_head_route_of_the_applications_own_is_protected(shared_database: Database) -> None:
    """A refusal of HEAD has no body."""
    app = FastAPI()
    app.head("/tasks")(create)
    with served(shared_database, app) as gateway:
        answer = gateway.client.head("/tasks")
    assert (answer.status_code, answer.content) == (401, b"")


def test_ticks_without_protect_fails_closed(shared_database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """The handler is not called, and the log says which call is missing."""
    app, called = FastAPI(), Mock()

    @app.post("/tasks")
    async def handler(ticks: Ticks) -> None:
        called()

    user = shared_database.add_user()
    with served(shared_database, app, gated=False) as gateway:
        assert gateway.send(user).status_code == 500
    assert not called.called
    assert "call tickctl.gateway.fastapi.protect" in caplog.text


def test_ticks_of_a_websocket_fails_closed(shared_database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """There is no charge for a connection, so there is no such parameter."""
    app = FastAPI()

    @app.websocket("/tasks")
    async def handler(websocket: WebSocket, ticks: Ticks) -> None:
        await websocket.accept()

    with (
        served(shared_database, app, ws="websockets-sansio") as gateway,
        pytest.raises(InvalidStatus, match="HTTP 500"),
        connect(f"ws://127.0.0.1:{gateway.running.port}/tasks", proxy=None),
    ):
        pass
    assert "no gate has admitted the request" in caplog.text


def test_a_state_of_that_name_is_no_admission(shared_database: Database) -> None:
    """What something else leaves in the request's state lets nobody in."""
    app, called = FastAPI(), Mock()

    @app.post("/tasks")
    async def handler(ticks: Ticks) -> None:
        called()

    async def leave(request: Request, call_next: Any) -> Any:
        request.state.ticks = {"user": "anybody"}
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=leave)
    with served(shared_database, app, gated=False) as gateway:
        assert gateway.send(None).status_code == 500
    assert not called.called


def test_middleware_that_moves_requests_moves_them_before_the_gate(shared_database: Database) -> None:
    """The gate is innermost, also before what was added later, and judges what the router will see."""
    app = FastAPI()
    directly(app)
    protect(app, gate=gate_with_settler(shared_database))

    async def move(request: Request, call_next: Any) -> Any:
        request.scope["path"] = request.scope["path"].removeprefix("/old")
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=move)
    user = shared_database.add_user()
    with served(shared_database, app, gated=False) as gateway:
        assert gateway.send(None, path="/old/tasks").status_code == 401
        assert gateway.send(user, path="/old/tasks").status_code == 200
    assert gateway.used(user) == 3


def pretended() -> Admission:
    """Stand in for an admission, as tests of handlers do."""
    admission: Admission = Mock(spec=Admission, user=Mock(id="u"), charge=Mock(id="c", ticks=3, settle=AsyncMock()))
    return admission


def test_an_overridden_ticks_needs_no_gate() -> None:
    """Tests of handlers replace the dependency, and need neither settings nor a database nor tokens."""
    app = FastAPI()
    protect(app, settings=Settings())
    directly(app)
    app.dependency_overrides[admitted] = pretended
    with running(app) as server:
        assert server.client().post("/tasks").json() == {"user": "u", "charge": "c", "ticks": 3}


def test_an_override_that_is_taken_back_brings_the_gate_back(shared_database: Database) -> None:
    """What one test replaces doesn't open the application for the next."""
    app = FastAPI()
    protect(app, gate=gate_with_settler(shared_database))
    directly(app)
    app.dependency_overrides[admitted] = pretended
    with running(app) as server:
        assert server.client().post("/tasks").status_code == 200
        app.dependency_overrides.clear()
        assert server.client().post("/tasks").status_code == 401


def test_an_override_while_serving_takes_the_gate_away(shared_database: Database) -> None:
    """Also where it is there already."""
    app = FastAPI()
    directly(app)
    with served(shared_database, app) as gateway:
        assert gateway.send(None).status_code == 401
        app.dependency_overrides[admitted] = pretended
        assert gateway.send(None).status_code == 200


def test_without_settings_the_application_does_not_start(caplog: pytest.LogCaptureFixture) -> None:
    """A gate that can't be built is found out at the start, and not at the first request."""
    app = FastAPI()
    protect(app, settings=Settings())
    with pytest.raises(AssertionError, match="refused to start"), running(app):
        pass
    assert "SUPABASE_URL" in caplog.text
    assert "Traceback" not in caplog.text


def test_without_settings_and_lifespan_nothing_is_served(caplog: pytest.LogCaptureFixture) -> None:
    """Where a server doesn't tell the application of its start, the first request finds out."""
    app = FastAPI()
    protect(app, settings=Settings())
    directly(app)
    with running(app, lifespan="off") as server:
        assert server.client().post("/tasks").status_code == 500
    assert "ConfigurationError" in caplog.text


def test_protect_is_refused_once_the_application_serves() -> None:
    """It would be too late for the gate to be put in."""
    app = FastAPI()
    with running(app), pytest.raises(RuntimeError, match="before"):
        protect(app)


def refunding(app: FastAPI) -> None:
    """Add handlers that fail in many ways."""

    @app.post("/unprocessable")
    async def unprocessable(task: Annotated[Task, Body()], ticks: Ticks) -> None:
        raise NotImplementedError

    @app.post("/exception")
    async def exception(ticks: Ticks) -> None:
        raise RuntimeError("the handler fails")

    @app.post("/unavailable")
    def unavailable(ticks: Ticks) -> None:
        raise HTTPException(503, headers={"Retry-After": "7"})

    @app.post("/teapot")
    async def teapot(ticks: Ticks) -> JSONResponse:
        return JSONResponse({}, 418)

    @app.post("/settled")
    async def settled(ticks: Ticks) -> None:
        await ticks.charge.settle(1)
        raise HTTPException(500)


@pytest.mark.parametrize(
    ("path", "status", "used"),
    [
        ("/unprocessable", 422, 0),
        ("/exception", 500, 0),
        ("/unavailable", 503, 0),
        ("/teapot", 418, 3),
        ("/settled", 500, 1),
    ],
)
def test_what_was_not_carried_out_costs_nothing(path: str, status: int, used: int, shared_database: Database) -> None:
    """Server errors and FastAPI's own 422 are given back; another answer of the handler is an answer."""
    app, user = FastAPI(), shared_database.add_user()
    refunding(app)
    with served(shared_database, app) as gateway:
        assert gateway.send(user, path=path).status_code == status
        until(lambda: gateway.used(user) == used, "the charge was not given back")
    assert gateway.used(user) == used


def test_a_422_of_fastapi_is_its_own(shared_database: Database) -> None:
    """The gate looks at the ticks, and FastAPI at the rest; each answers in its own form."""
    app, user = FastAPI(), shared_database.add_user()
    refunding(app)
    with served(shared_database, app) as gateway:
        ours = gateway.send(user, path="/unprocessable", json={"prompt": "x", "max_ticks": "3"})
        theirs = gateway.send(user, path="/unprocessable", json={"max_ticks": 3})
    assert ours.json()["code"] == "invalid_ticks"
    assert theirs.json()["detail"][0]["loc"] == ["body", "prompt"]
    assert "RateLimit" not in theirs.headers


@pytest.mark.parametrize(
    ("options", "refunded"),
    [(None, True), (GateOptions(timeout=1), True), (GateOptions(refunds=lambda status: status == 500), False)],
)
def test_options_of_ones_own_may_keep_what_a_422_costs(options: GateOptions | None, refunded: bool) -> None:
    """A rule that is given is the rule; only the default one is widened."""
    app = FastAPI()
    protect(app, options=options)
    make: Any = app.user_middleware[-1].kwargs["make"]
    assert make.keywords["options"].refunds(422) is refunded
    assert make.keywords["options"].timeout == (options or GateOptions()).timeout


def test_options_for_a_gate_that_is_made_are_refused(shared_database: Database) -> None:
    """They would be without effect, and nobody would notice."""
    app = FastAPI()
    protect(app, gate=gate_with_settler(shared_database), options=GateOptions(timeout=1))
    with pytest.raises(AssertionError, match="refused to start"), running(app):
        pass


def test_a_mounted_application_has_a_gate_of_its_own(shared_database: Database) -> None:
    """The outer gate leaves it alone, and paths are seen as its router sees them."""
    outer, inner = FastAPI(), FastAPI()
    gate = gate_with_settler(shared_database)
    directly(outer)
    inner.post("/tasks")(create)
    inner.get("/free")(lambda: "free")
    protect(outer, gate=gate)
    protect(inner, gate=gate)
    outer.mount("/inner", inner)
    user = shared_database.add_user()
    with served(shared_database, outer, gated=False) as gateway:
        assert gateway.send(None, path="/inner/tasks").status_code == 401
        assert gateway.send(user, path="/inner/tasks").status_code == 200
        assert gateway.client.get("/inner/free").json() == "free"
    assert gateway.used(user) == 3


def test_a_mounted_application_without_a_gate_fails_closed(shared_database: Database) -> None:
    """The outer gate is not there for it."""
    outer, inner = FastAPI(), FastAPI()
    inner.post("/tasks")(create)
    outer.mount("/inner", inner)
    user = shared_database.add_user()
    with served(shared_database, outer) as gateway:
        assert gateway.send(user, path="/inner/tasks").status_code == 500
    assert gateway.used(user) == 0


def test_behind_a_proxy_that_strips_a_prefix(shared_database: Database) -> None:
    """`root_path` is taken into account as the router does it."""
    app, user = FastAPI(), shared_database.add_user()
    directly(app)
    with served(shared_database, app, root_path="/api") as gateway:
        assert gateway.send(None).status_code == 401
        assert gateway.send(user).status_code == 200
        assert gateway.send(user, path="/api/tasks").status_code == 404
    assert gateway.used(user) == 3


def test_the_body_is_neither_read_nor_parsed_without_a_token(shared_database: Database) -> None:
    """Authentication comes first: rubbish and forms are refused for the missing token."""
    app = FastAPI()
    refunding(app)
    with served(shared_database, app) as gateway:
        answer = ask(
            gateway.running.port,
            request_bytes("POST", "/unprocessable", [("Content-Length", "1000000"), ("Content-Type", "text/plain")]),
        )
    assert answer.status == 401


def test_users_do_not_meet(shared_database: Database) -> None:
    """Each handler sees the user of its own request."""
    app = FastAPI()
    directly(app)
    users = [shared_database.add_user() for _ in range(5)]
    with served(shared_database, app) as gateway:
        found = {user.id: gateway.send(user).json()["user"] for user in users}
    assert all(sent == seen for sent, seen in found.items())


def test_a_token_in_the_wrong_place_is_no_token(shared_database: Database) -> None:
    """Neither cookies nor the query carry one."""
    app, user = FastAPI(), shared_database.add_user()
    directly(app)
    token = token_of(shared_database, user)
    with served(shared_database, app) as gateway:
        answer = gateway.client.post(f"/tasks?access_token={token}", headers={"Cookie": f"access_token={token}"})
    assert answer.status_code == httpx.codes.UNAUTHORIZED
