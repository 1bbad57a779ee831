"""Whatever router stands behind a gate, and however it reads a path: nobody comes in without a token."""

from collections.abc import Callable, Iterator
from typing import Any

import blacksheep
import django
import litestar
import pytest
import quart
from django.conf import settings as django_settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponse
from django.urls import clear_url_caches
from django.urls import path as django_path
from django.views.decorators.csrf import csrf_exempt
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from asgi_support import Running, ask, request_bytes, running
from gateway_support import gate_over, token_of
from quota_support import Database
from tickctl.gateway import TickGate

PATTERNS = {"POST /tasks", "POST /v1/{org}/tasks"}
SPELLINGS = [
    "/tasks",
    "/tasks/",
    "/tasks//",
    "//tasks",
    "///tasks",
    "/tasks?x=1",
    "/tasks%0A",
    "/tasks%00",
    "/tasks%20",
    "/tasks%2F",
    "/tasks/%2F",
    "%2Ftasks",
    "/%2Ftasks",
    "/%74asks",
    "/%2574asks",
    "/TASKS",
    "/Tasks/",
    "/./tasks",
    "/tasks/.",
    "/x/../tasks",
    "/%2E/tasks",
    "/x/%2E%2E/tasks",
    "/x%2F..%2Ftasks",
    "\\tasks",
    "/%5Ctasks",
    "/v1/acme/tasks",
    "/v1/acme/tasks/",
    "/v1//acme//tasks",
    "/v1/a%2Fb/tasks",
    "/v1/%2F/tasks",
    "/v1/./tasks",
    "/v1/%2E%2E/tasks",
    "/v1/%20/tasks",
    "/v1/%0A/tasks%0A",
    "/V1/acme/TASKS",
    "/v1/acme/x/../tasks",
    "http://gateway.test/tasks",
    "http://gateway.test//tasks/",
]
JSON = [("Content-Type", "application/json")]

Build = Callable[[list[str]], Any]


def in_starlette(reached: list[str]) -> Any:
    """Return the application with mounts."""

    async def handler(request: Request) -> PlainTextResponse:
        reached.append(request.url.path)
        return PlainTextResponse("accepted", 202)

    inner = [Route("/{org}/tasks", handler, methods=["POST"])]
    return Starlette(routes=[Route("/tasks", handler, methods=["POST"]), Mount("/v1", routes=inner)])


def in_fastapi(reached: list[str]) -> Any:
    """Return the application with routers whose paths end in a slash."""
    app = FastAPI()
    tasks, inner = APIRouter(prefix="/tasks"), APIRouter(prefix="/v1/{org}/tasks")
    for router in (tasks, inner):

        @router.post("/", status_code=202)
        async def handler(request: Request) -> None:
            reached.append(request.url.path)

        app.include_router(router)
    return app


def in_litestar(reached: list[str]) -> Any:
    """Return the application."""

    @litestar.post("/tasks", status_code=202)
    async def handler(request: litestar.Request[Any, Any, Any]) -> None:
        reached.append(request.url.path)

    @litestar.post("/v1/{org:str}/tasks", status_code=202)
    async def inner(request: litestar.Request[Any, Any, Any]) -> None:
        reached.append(request.url.path)

    return litestar.Litestar([handler, inner], openapi_config=None, logging_config=None)


def in_quart(reached: list[str]) -> Any:
    """Return the application, with and without a slash at the end."""
    app = quart.Quart(__name__)

    async def handler(**_names: str) -> tuple[str, int]:
        reached.append(quart.request.path)
        return "accepted", 202

    app.post("/tasks")(handler)
    app.post("/v1/<org>/tasks/")(handler)
    return app


def in_blacksheep(reached: list[str]) -> Any:
    """Return the application."""
    app = blacksheep.Application(router=blacksheep.Router())

    async def handler(request: blacksheep.Request) -> blacksheep.Response:
        reached.append(request.path)
        return blacksheep.Response(202)

    app.router.add_post("/tasks", handler)
    app.router.add_post("/v1/:org/tasks", handler)
    return app


def in_django(reached: list[str]) -> Any:
    """Return the application, with and without a slash at the end."""

    def handler(request: Any, **_names: str) -> HttpResponse:
        reached.append(request.path)
        return HttpResponse("accepted", status=202)

    view = csrf_exempt(handler)
    urls = [django_path("tasks", view), django_path("tasks/", view), django_path("v1/<org>/tasks", view)]
    if not django_settings.configured:
        django_settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="for tests", MIDDLEWARE=[], LOGGING_CONFIG=None)
        django.setup(set_prefix=False)
    clear_url_caches()
    django_settings.ROOT_URLCONF = tuple(urls)
    handler_of_requests = ASGIHandler()

    async def with_lifespan(scope: Any, receive: Any, send: Any) -> None:
        """Answer the events of the server's life, which Django doesn't know."""
        if scope["type"] != "lifespan":
            await handler_of_requests(scope, receive, send)
            return
        for event in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{event}.complete"})

    return with_lifespan


BUILDS: list[Build] = [in_starlette, in_fastapi, in_litestar, in_quart, in_blacksheep, in_django]


def behind_a_gate(build: Build, database: Database, reached: list[str]) -> TickGate:
    """Return the application behind a gate of its own."""
    return TickGate(build(reached), protect=PATTERNS, gate=gate_over(database))


@pytest.fixture(scope="module", params=BUILDS, ids=lambda build: build.__name__)
def served(request: pytest.FixtureRequest, shared_database: Database) -> Iterator[tuple[Running, list[str]]]:
    """The application as it is served, and who has reached its handlers."""
    reached: list[str] = []
    with running(behind_a_gate(request.param, shared_database, reached)) as server:
        yield server, reached


@pytest.mark.parametrize("target", SPELLINGS)
def test_no_spelling_leads_past_the_gate(served: tuple[Running, list[str]], target: str) -> None:
    """Without a token the answer is 401, or the server's own refusal of what is no path."""
    server, reached = served
    reply = ask(server.port, request_bytes("POST", target, JSON, b'{"max_ticks":2}'))
    assert reached == []
    assert reply.status in {401, 400}


@pytest.mark.parametrize("build", BUILDS)
def test_who_is_redirected_pays_once(build: Build, database: Database) -> None:
    """A slash too many or too few costs nothing where the framework only sends the client elsewhere."""
    reached: list[str] = []
    user = database.add_user()
    headers = [*JSON, ("Authorization", f"Bearer {token_of(database, user)}")]
    with running(behind_a_gate(build, database, reached)) as server:
        replies = [
            ask(server.port, request_bytes("POST", target, headers, b'{"max_ticks":2}')).status
            for target in ("/tasks", "/tasks/")
        ]
    assert 202 in replies
    assert set(replies) <= {202, 301, 307, 308, 404}
    charged = 2 * sum(status in {202, 404} for status in replies)
    assert {used for used, _charges in database.ledger(user).values()} == {charged}


@pytest.mark.parametrize("build", [in_starlette, in_fastapi, in_litestar, in_quart])
def test_a_pattern_that_names_no_route_stops_the_start(
    build: Build, shared_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """A typing error would leave everything open in silence; the nearest routes are named."""
    app = TickGate(build([]), protect={"POST /task"}, gate=gate_over(shared_database))
    with pytest.raises(AssertionError, match="refused to start"), running(app):
        pass
    assert (
        "protect names 'POST /task', and the application has no such route; the nearest of its routes: " in caplog.text
    )
    assert "POST /tasks" in caplog.text


def test_without_a_lifespan_the_first_request_finds_the_mistake(shared_database: Database) -> None:
    """As below another application; nothing is served then, protected or not."""
    reached: list[str] = []
    app = TickGate(in_starlette(reached), protect={"POST /task"}, gate=gate_over(shared_database))
    with running(app, lifespan="off") as server:
        assert ask(server.port, request_bytes("POST", "/tasks", JSON, b"{}")).status == 500
    assert reached == []


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("pattern", ["POST /v1/{org}/tasks", "POST /v1/acme/tasks", "POST /tasks/"])
def test_a_pattern_may_name_a_route_in_its_own_way(build: Build, pattern: str, shared_database: Database) -> None:
    """With other names of parameters, one of the requests of a route, a slash more or less."""
    with running(TickGate(build([]), protect={pattern}, gate=gate_over(shared_database))) as server:
        assert ask(server.port, request_bytes("POST", pattern[5:].replace("{org}", "x"), JSON, b"{}")).status == 401
