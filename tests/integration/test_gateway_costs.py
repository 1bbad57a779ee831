"""What each route costs, behind real frameworks and over a real database."""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import litestar
import pytest
import quart
from fastapi import APIRouter, FastAPI, Request, Security
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from asgi_support import ask, request_bytes
from fastapi_support import Served, gate_with_settler, served
from gateway_support import token_of
from quota_support import Database, User
from tickctl.gateway import Cost, GateRequest, Problem, RefusedError, TickGate
from tickctl.gateway.fastapi import Admitted, protect

MODELS = {"small": 1, "large": 9}


async def by_model(request: GateRequest) -> int:
    """Read the price off the body, and reject what has none."""
    model = (await request.json()).get("model")
    if model not in MODELS:
        raise RefusedError(Problem(422, "unknown_model", "there is no such model"))
    return MODELS[model]


def returning(cost: Any) -> Callable[[GateRequest], Any]:
    """Return a function that a mistake has got into."""
    return lambda _: cost


COSTS: Mapping[str, Cost] = {
    "GET /report": 2,
    "POST /upload": 3,
    "POST /chat": by_model,
    "POST /zero": returning(0),
    "POST /text": returning("3"),
    "POST /nothing": returning(None),
    "POST /crash": lambda _: 1 // 0,
}


def behind_starlette(database: Database) -> Any:
    """Return a Starlette application behind a `TickGate`."""

    async def handler(request: StarletteRequest) -> PlainTextResponse:
        return PlainTextResponse(f"{len(await request.body())} bytes")

    routes = [Route(path, handler, methods=[method]) for method, path in map(str.split, COSTS)]
    return TickGate(Starlette(routes=routes), COSTS, gate=gate_with_settler(database))


def behind_fastapi(database: Database) -> Any:
    """Return a FastAPI application whose routes say what they cost, in a router that is included."""
    app, router = FastAPI(), APIRouter()
    for pattern, cost in COSTS.items():
        method, path = pattern.split()

        @router.api_route(path, methods=[method], dependencies=[Security(Admitted(cost))])
        async def handler(request: Request) -> str:
            return f"{len(await request.body())} bytes"

    app.include_router(router)
    protect(app, gate=gate_with_settler(database))
    return app


@pytest.fixture(scope="module", params=[behind_starlette, behind_fastapi])
def gateway(request: pytest.FixtureRequest, shared_database: Database) -> Iterator[Served]:
    """Both ways to say what a route costs."""
    with served(shared_database, request.param(shared_database), gated=False) as gateway:
        yield gateway


@pytest.fixture
def user(shared_database: Database) -> User:
    """Somebody who may."""
    return shared_database.add_user()


def test_a_get_costs_its_number(gateway: Served, user: User) -> None:
    """It needs no body, and HEAD, where it is served, costs the same."""
    assert gateway.send(user, "GET", "/report", content=b"").status_code == 200
    assert gateway.used(user) == 2
    with_head = gateway.send(user, "HEAD", "/report", content=b"").status_code == 200
    assert gateway.used(user) == (4 if with_head else 2)


def test_a_function_reads_the_price_off_the_body(gateway: Served, user: User) -> None:
    """And the handler still gets the whole body."""
    for model, used in (("small", 1), ("large", 10)):
        body = b'{"model": "%s"}' % model.encode()
        response = gateway.send(user, path="/chat", content=body, headers={"Content-Type": "application/json"})
        assert response.text.strip('"') == f"{len(body)} bytes"
        assert gateway.used(user) == used


def test_a_function_may_reject_a_request(gateway: Served, user: User) -> None:
    """With the problem that it raises; nothing is charged."""
    response = gateway.send(user, path="/chat", json={"model": "huge"})
    assert (response.status_code, response.json()["code"]) == (422, "unknown_model")
    assert response.headers["Content-Type"] == "application/problem+json"
    assert gateway.used(user) == 0


@pytest.mark.parametrize("path", ["/zero", "/text", "/nothing", "/crash"])
def test_a_function_that_gives_no_cost_lets_nobody_in(gateway: Served, user: User, path: str) -> None:
    """It is a mistake of the program: 500, and nothing is charged."""
    # Without a body: a server that closes the connection before one has come resets it, and the answer may be lost.
    assert gateway.send(user, path=path, content=b"").status_code == 500
    assert gateway.used(user) == 0


def litestar_upload() -> Any:
    """Return a Litestar application that takes files."""

    @litestar.post("/upload")
    async def upload(data: Annotated[UploadFile, Body(media_type=RequestEncodingType.MULTI_PART)]) -> str:
        return f"{data.filename}: {len(await data.read())} bytes"

    return litestar.Litestar([upload], openapi_config=None, logging_config=None)


def quart_upload() -> Any:
    """Return a Quart application that takes files."""
    app = quart.Quart(__name__)

    @app.post("/upload")
    async def upload() -> str:
        file = (await quart.request.files)["data"]
        return f"{file.filename}: {len(file.read())} bytes"

    return app


@pytest.mark.parametrize("app", [litestar_upload, quart_upload])
def test_an_upload_costs_its_number(app: Callable[[], Any], shared_database: Database, user: User) -> None:
    """Larger than a body that the gate would read; it goes to the framework's own parser of forms."""
    gated = TickGate(app(), {"POST /upload": 3}, gate=gate_with_settler(shared_database))
    with served(shared_database, gated, gated=False) as gateway:
        response = gateway.send(user, path="/upload", files={"data": ("notes.txt", b"x" * 500_000)})
        assert response.text == "notes.txt: 500000 bytes"
        assert gateway.used(user) == 3


# Spellings of a path

DEAR, CHEAP = 9, 1
SPELLINGS = [
    "/dear",
    "/dear/",
    "//dear",
    "/./dear",
    "/%64ear",
    "/%2564ear",
    "/DEAR",
    "/dear%2F",
    "/cheap/../dear",
    "/cheap/%2E%2E/dear",
    "/cheap%2F..%2Fdear",
    "/dear/../cheap/../dear",
    "/cheap//../dear",
    "/cheap/..//dear",
    "/cheap/dear",
    "http://gateway.test/dear",
    "/dear?/cheap",
    "/dear%3F/cheap",
    "/dear%00/cheap",
    "/dear%0A",
    "\\cheap\\..\\dear",
]

Build = Callable[[list[str]], Any]


def starlette_prices(reached: list[str]) -> Any:
    """Return a Starlette application with both routes."""

    def handler(name: str) -> Any:
        async def work(_: StarletteRequest) -> PlainTextResponse:
            reached.append(name)
            return PlainTextResponse(name)

        return work

    return Starlette(routes=[Route(f"/{name}", handler(name), methods=["POST"]) for name in ("cheap", "dear")])


def fastapi_prices(reached: list[str]) -> Any:
    """Return a FastAPI application with both routes in a router, each with its cost."""
    app, router = FastAPI(), APIRouter()
    for name, cost in (("cheap", CHEAP), ("dear", DEAR)):

        @router.post("", dependencies=[Security(Admitted(cost))], name=name)
        async def handler(request: Request) -> None:
            reached.append(request.scope["route"].name)

        app.include_router(router, prefix=f"/{name}")
        router = APIRouter()
    return app


def litestar_prices(reached: list[str]) -> Any:
    """Return a Litestar application with both routes."""

    @litestar.post("/cheap")
    async def cheap() -> None:
        reached.append("cheap")

    @litestar.post("/dear")
    async def dear() -> None:
        reached.append("dear")

    return litestar.Litestar([cheap, dear], openapi_config=None, logging_config=None)


def quart_prices(reached: list[str]) -> Any:
    """Return a Quart application with both routes, one with a slash at its end."""
    app = quart.Quart(__name__)

    @app.post("/cheap")
    async def cheap() -> str:
        reached.append("cheap")
        return ""

    @app.post("/dear/")
    async def dear() -> str:
        reached.append("dear")
        return ""

    return app


@pytest.mark.parametrize("build", [starlette_prices, fastapi_prices, litestar_prices, quart_prices])
def test_no_spelling_lowers_a_price(build: Build, shared_database: Database) -> None:
    """Whichever handler a framework finds for a path, at least its price is charged."""
    user = shared_database.add_user(limit=None)
    reached: list[str] = []
    app = build(reached)
    if isinstance(app, FastAPI):
        protect(app, gate=gate_with_settler(shared_database))
    else:
        app = TickGate(app, {"POST /cheap": CHEAP, "POST /dear": DEAR}, gate=gate_with_settler(shared_database))
    headers = [("Authorization", f"Bearer {token_of(shared_database, user)}")]
    with served(shared_database, app, gated=False) as gateway:
        for path in SPELLINGS:
            before = gateway.used(user)
            reached.clear()
            ask(gateway.running.port, request_bytes("POST", path, headers))
            prices = {"cheap": CHEAP, "dear": DEAR}
            assert gateway.used(user) - before >= sum(prices[name] for name in reached), path
        ask(gateway.running.port, request_bytes("POST", "/dear" + "/" * (build is quart_prices), headers))
    assert "dear" in reached
