"""Somebody with a good token, the publishable key and bad intentions: nothing is had for nothing, or in another's name.

The rule behind most of it: however a request is put, the handler never runs more often than charges are made.
"""

import asyncio
import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import h11
import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from asgi_support import Line, Running, request_bytes, running
from gateway_support import UNHURRIED, Scene, Where, claims_of, gate_over, scene, signed, token_of, until
from quota_support import Database, User
from standin import StandIn
from tickctl.core.quota import ServiceRole, consume, refund_digest, settle
from tickctl.core.secret import Secret
from tickctl.gateway import Gate, GateOptions, TickGate
from tickctl.gateway.fastapi import Ticks, protect

BODY = b'{"max_ticks":3}'
LAST = ("Connection", "close")


class Handlers:
    """Count how often work was done for whom, behind each kind of gate."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def starlette(self, gate: Gate) -> Any:
        """Return a Starlette application behind a gate that goes by patterns."""
        tasks = [Route("/tasks", self.work, methods=["POST"]), Route("/{org}/tasks", self.work, methods=["POST"])]
        app = Starlette(routes=[*tasks, Mount("/v1", routes=list(tasks)), Route("/health", self.health)])
        patterns = {"POST /tasks", "POST /{org}/tasks", "POST /v1/tasks", "POST /v1/{org}/tasks"}
        return TickGate(app, protect=patterns, gate=gate)

    def fastapi(self, gate: Gate) -> Any:
        """Return a FastAPI application whose routes say themselves that they are protected."""
        app, router = FastAPI(), APIRouter()
        for path in ("/tasks", "/{org}/tasks"):
            router.post(path, status_code=202)(self.work_for)
        app.include_router(router)
        app.include_router(router, prefix="/v1")
        app.get("/health")(self.health)
        protect(app, gate=gate)
        return app

    async def work(self, request: Request) -> Response:
        """Do what costs ticks."""
        await request.body()
        ticks = getattr(request.state, "ticks", None)
        self.done.append(ticks.user.id if ticks else "nobody")
        return JSONResponse({}, 202)

    async def work_for(self, ticks: Ticks) -> None:
        """Do what costs ticks."""
        self.done.append(ticks.user.id)

    async def health(self, _request: Request) -> Response:
        """Do nothing."""
        return JSONResponse({})


@pytest.fixture(scope="module")
def handlers() -> Handlers:
    """What is behind the gate."""
    return Handlers()


@pytest.fixture(scope="module", params=["", "/api"], ids=["at the root", "under a root path"])
def root_path(request: pytest.FixtureRequest) -> str:
    """Where a proxy has put the application."""
    return str(request.param)


@pytest.fixture(scope="module", params=["starlette", "fastapi"])
def gateway(
    request: pytest.FixtureRequest, root_path: str, shared_database: Database, handlers: Handlers
) -> Iterator[Running]:
    """A gate before a real router."""
    gate = gate_over(shared_database, options=GateOptions(timeout=UNHURRIED))
    app = getattr(handlers, request.param)(gate)
    with running(app, root_path=root_path) as served:
        yield served


@pytest.fixture
def user(shared_database: Database) -> User:
    """A user with ticks enough."""
    return shared_database.add_user(limit=None)


def charges(database: Database, user: User) -> int:
    """Return how many charges a user has."""
    with database.owner() as connection:
        row = connection.execute("select count(*) as n from tick.charge where user_id = %s", [user.id]).fetchone()
    assert row is not None
    return int(row["n"])


def statuses(port: int, data: bytes, *, method: str = "POST", most: int = 9) -> list[int]:
    """Send bytes, and return the statuses of what comes back until the other side hangs up."""
    found: list[int] = []
    with Line(port) as line, suppress(ConnectionError, h11.RemoteProtocolError):
        line.send(data)
        while len(found) < most:
            found.append(line.reply(method).status)
    assert 500 not in found, "a handler was reached that should not have been"
    return found


TARGETS = [
    "/tasks",
    "/tasks?max_ticks=0",
    "/tasks#x",
    "/tasks/",
    "/tasks//",
    "//tasks",
    "/./tasks",
    "/x/../tasks",
    "/%74asks",
    "/%2574asks",
    "/tasks%0A",
    "/tasks%0D%0A",
    "/tasks%0a%0a",
    "/tasks%00",
    "/tasks%20",
    "/tasks%2F",
    "/tasks%3F",
    "/tasks;a=b",
    "/TASKS",
    "/Tasks",
    "/\\tasks",
    "/v1/tasks",
    "/v1/tasks%0A",
    "/v1//tasks",
    "/v1%2Ftasks",
    "/%76%31/tasks",
    "/v1/x/tasks",
    "/v1/%0A/tasks",
    "/v1/x%0A/tasks%0A",
    "/v1/x%2Fy/tasks",
    "/x/tasks",
    "/%E2%80%A8/tasks",
    "/%FF/tasks",
    "/x/y/tasks",
    "/api/tasks",
    "/api/v1/tasks",
    "/api/api/tasks",
    "/api%2Ftasks",
    "/api//tasks",
    "api/tasks",
    "tasks",
    "*",
    "",
    "http://gateway.test/tasks",
    "http://other.test/tasks",
    "http://gateway.test//tasks",
    "https://gateway.test/v1/tasks",
    "http:/tasks",
    "?/tasks",
]
METHODS = ["POST", "post", "Post", "PUT", "PATCH", "GET", "HEAD", "OPTIONS", "DELETE", "TRACE", "CONNECT", "POSTX", "P"]
HEADERS: dict[str, list[tuple[str, str]]] = {
    "nothing odd": [],
    "method override": [("X-HTTP-Method-Override", "GET"), ("X-Method-Override", "GET")],
    "another path for proxies": [("X-Original-URL", "/health"), ("X-Rewrite-URL", "/health")],
    "another prefix for proxies": [("X-Forwarded-Prefix", "/health"), ("X-Script-Name", "/tasks")],
    "upgrade to WebSocket": [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ],
    "upgrade to HTTP/2": [
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABk"),
    ],
    "names with underscores": [("Content_Length", "0"), ("Transfer_Encoding", "chunked"), ("Content_Type", "x/y")],
}


def check_paid(handlers: Handlers, database: Database, user: User) -> int:
    """Check that each run of the handler was paid by this user, and return how many there were.

    What the gate protects and the router then refuses may be charged as well: too much is protected, never too little.
    """
    assert "nobody" not in handlers.done
    done = handlers.done.count(user.id)
    assert done <= charges(database, user)
    return done


@pytest.mark.parametrize("target", TARGETS)
def test_no_spelling_of_a_path_is_free(
    gateway: Running, handlers: Handlers, shared_database: Database, user: User, target: str
) -> None:
    """Whatever the router takes for a protected path, the gate does as well; without a token nothing is done."""
    fields = [
        ("Authorization", f"Bearer {token_of(shared_database, user)}"),
        ("Content-Type", "application/json"),
        LAST,
    ]
    statuses(gateway.port, request_bytes("POST", target, fields, BODY))
    done = check_paid(handlers, shared_database, user)
    assert done == 1 or target != "/tasks"
    before = len(handlers.done)
    statuses(gateway.port, request_bytes("POST", target, fields[1:], BODY))
    assert len(handlers.done) == before


@pytest.mark.parametrize("method", METHODS)
def test_no_spelling_of_a_method_is_free(
    gateway: Running, handlers: Handlers, shared_database: Database, user: User, method: str
) -> None:
    """Nor is the handler reached by another one."""
    fields = [
        ("Authorization", f"Bearer {token_of(shared_database, user)}"),
        ("Content-Type", "application/json"),
        LAST,
    ]
    statuses(gateway.port, request_bytes(method, "/tasks", fields, BODY), method=method)
    assert check_paid(handlers, shared_database, user) == (method == "POST")


@pytest.mark.parametrize("name", HEADERS)
def test_no_header_makes_it_another_request(
    gateway: Running, handlers: Handlers, shared_database: Database, user: User, name: str
) -> None:
    """The gate and the router look at the same method and path; the body is charged as it is."""
    fields = [("Authorization", f"Bearer {token_of(shared_database, user)}"), ("Content-Type", "application/json")]
    told = statuses(gateway.port, request_bytes("POST", "/tasks", [*fields, *HEADERS[name]], BODY), most=1)
    assert told == [202]
    assert check_paid(handlers, shared_database, user) == 1
    assert shared_database.ledger(user).popitem()[1] == (3, 3)


def test_requests_in_one_breath_are_charged_one_by_one(
    gateway: Running, handlers: Handlers, shared_database: Database, user: User
) -> None:
    """Three in one packet, pipelined; the one in the middle without a token is refused."""
    good = [("Authorization", f"Bearer {token_of(shared_database, user)}"), ("Content-Type", "application/json")]
    one = request_bytes("POST", "/tasks", good, BODY)
    last = request_bytes("POST", "/tasks", [*good, LAST], BODY)
    told = statuses(gateway.port, one + request_bytes("POST", "/tasks", good[1:], BODY) + last)
    assert told == [202, 401, 202]
    assert check_paid(handlers, shared_database, user) == 2


def test_a_request_within_the_body_of_another_is_none(
    gateway: Running, handlers: Handlers, shared_database: Database, user: User
) -> None:
    """Two framings in one request: either refused, or read as one request, and charged as that."""
    good = [("Authorization", f"Bearer {token_of(shared_database, user)}"), ("Content-Type", "application/json")]
    inner = request_bytes("POST", "/tasks", [*good, LAST], BODY)
    chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    for length in (len(BODY), len(chunk), 0, 5, len(chunk) + len(inner)):
        framing = [("Content-Length", str(length)), ("Transfer-Encoding", "chunked")]
        statuses(gateway.port, request_bytes("POST", "/tasks", [*good, *framing], chunk) + inner)
        check_paid(handlers, shared_database, user)


def test_a_body_that_never_ends_costs_nothing_and_does_nothing(
    gateway: Running, handlers: Handlers, shared_database: Database, user: User
) -> None:
    """The client hangs up in the middle of it, or before the last chunk."""
    good = [("Authorization", f"Bearer {token_of(shared_database, user)}"), ("Content-Type", "application/json")]
    halves = [
        request_bytes("POST", "/tasks", [*good, ("Content-Length", "99")], BODY),
        request_bytes("POST", "/tasks", [*good, ("Transfer-Encoding", "chunked")], b"f\r\n%s\r\n" % BODY),
        request_bytes("POST", "/tasks", [*good, ("Transfer-Encoding", "chunked")], b"f\r\n%s\r\n0\r\n" % BODY),
    ]
    for half in halves:
        with Line(gateway.port) as line:
            line.send(half)
    until(lambda: not gateway.server.server_state.connections, "the server has seen that they are gone")
    until(lambda: not gateway.server.server_state.tasks, "and has nothing left to do for them")
    assert check_paid(handlers, shared_database, user) == 0


CREDENTIALS = {
    "in the query": ("/tasks?access_token={0}&apikey={0}", []),
    "in a cookie": ("/tasks", [("Cookie", "sb-access-token={0}; Authorization=Bearer {0}")]),
    "as an API key": ("/tasks", [("apikey", "{0}")]),
    "for a proxy": ("/tasks", [("Proxy-Authorization", "Bearer {0}")]),
    "under another name": ("/tasks", [("X-Authorization", "Bearer {0}"), ("X-Forwarded-Authorization", "Bearer {0}")]),
    "as a password": ("/tasks", [("Authorization", "Basic {0}")]),
    "without a scheme": ("/tasks", [("Authorization", "{0}")]),
    "as a protocol": ("/tasks", [("Sec-WebSocket-Protocol", "bearer, {0}")]),
}


@pytest.mark.parametrize("where", CREDENTIALS)
def test_a_token_counts_in_one_place_only(
    gateway: Running, handlers: Handlers, shared_database: Database, user: User, where: str
) -> None:
    """RFC 6750 section 2.1: where it may be logged, or sent by a browser unasked, it is no credential."""
    token = token_of(shared_database, user)
    target, headers = CREDENTIALS[where]
    fields = [LAST, ("Content-Type", "application/json"), *((name, value.format(token)) for name, value in headers)]
    assert statuses(gateway.port, request_bytes("POST", target.format(token), fields, BODY)) == [401]
    assert check_paid(handlers, shared_database, user) == 0


def test_what_follows_the_body_is_no_header(
    gateway: Running, handlers: Handlers, shared_database: Database, user: User
) -> None:
    """Trailer fields (RFC 9110 section 6.5) neither bring credentials nor a second set of them."""
    token = token_of(shared_database, user)
    good = [("Authorization", f"Bearer {token}"), ("Content-Type", "application/json")]
    other = token_of(shared_database, shared_database.add_user())
    chunks = b"f\r\n%s\r\n0\r\nAuthorization: Bearer %s\r\nIdempotency-Key: a\r\n\r\n"
    framed = [LAST, ("Transfer-Encoding", "chunked"), ("Trailer", "Authorization")]
    without = request_bytes("POST", "/tasks", [*good[1:], *framed], chunks % (BODY, token.encode()))
    assert statuses(gateway.port, without) == [401]
    both = request_bytes("POST", "/tasks", [*good, *framed], chunks % (BODY, other.encode()))
    assert statuses(gateway.port, both) == [202]
    assert check_paid(handlers, shared_database, user) == 1


# Over both stores: what the API lets a user do beside the gateway.


@pytest.fixture(scope="module")
def act(where: Where) -> Iterator[Scene]:
    """A gate before an application that does anything."""
    with scene(where) as made:
        yield made


def test_keys_are_each_users_own(act: Scene) -> None:
    """Somebody who knows another's key can neither use it up nor learn anything by it."""
    ada, eve = act.database.add_user(), act.database.add_user()
    key = {"Idempotency-Key": f'"{uuid.uuid4()}"'}
    assert [act.post(who, headers=key).status_code for who in (eve, ada, eve, ada)] == [202, 202, 409, 409]


def test_a_key_is_good_for_one_request_only(act: Scene) -> None:
    """Another path, query, body or price with it is another request, and says so."""
    user = act.database.add_user()
    fields = {
        "Idempotency-Key": "one",
        "Authorization": f"Bearer {act.token(user)}",
        "Content-Type": "application/json",
    }

    def send(path: str, body: bytes) -> str:
        reply = act.client.post(path, content=body, headers=fields)
        return "granted" if reply.status_code == 202 else str(reply.json()["code"])

    body = b'{"max_ticks":1}'
    assert send("/tasks", body) == "granted"
    others = [("/tasks?", body), ("/tasks?a=b", body), ("/tasks", body + b" "), ("/tasks", b'{"max_ticks":2}')]
    assert [send(*other) for other in others] == ["already_accepted", *["key_conflict"] * 3]
    assert act.used(user) == 1


def test_a_key_that_was_spent_beside_the_gate_is_spent(act: Scene) -> None:
    """Who calls `consume_ticks` directly has paid, and is not let in for it: the gate did not make that charge."""
    user = act.database.add_user()
    direct = consume(act.database.functions(), user.caller, 1, "mine")
    reply = act.post(user, 1, headers={"Idempotency-Key": "mine"})
    assert reply.status_code == 409
    assert direct.charge_id is not None
    assert direct.charge_id not in reply.text
    assert act.used(user) == 1


def test_a_user_cannot_settle_what_the_gate_has_charged(where: Where, act: Scene) -> None:
    """With the charge's id from wherever, but without its secret: there is no such charge."""
    user = act.database.add_user()
    act.post(user, 5)
    charge = act.handler.seen[-1][0].charge
    if not isinstance(where, StandIn):
        pytest.skip("a user has no way to the database but the API")
    arguments, token = {"charge_id": charge.id, "ticks_actual": 0}, token_of(where, user)
    for secret in ({}, {"refund_secret": charge.id}, {"refund_secret": ""}):
        answer = where.rest("POST", "/rpc/settle_ticks", arguments | secret, token=token)
        assert answer["outcome"] == "not_found"
    assert act.used(user) == 5


def test_a_charge_of_the_users_own_making_pays_for_nothing(act: Scene) -> None:
    """It can be given back by whoever made it, so the gate lets nobody in for it, and its own charges stay."""
    user, secret = act.database.add_user(), Secret("the user's own")
    functions = act.database.functions()
    mine = consume(functions, user.caller, 1, "mine", charge_id=str(uuid.uuid4()), refund=refund_digest(secret))
    before = len(act.handler.seen)
    assert act.post(user, 1, headers={"Idempotency-Key": "mine"}).status_code == 409
    assert mine.charge_id is not None
    assert settle(functions, user.caller, mine.charge_id, 0, secret).outcome == "settled"
    assert act.post(user, 1, headers={"Idempotency-Key": "mine"}).status_code == 202
    charge = act.handler.seen[-1][0].charge
    # Its id again takes nothing more, and changes nothing about whose secret it is.
    consume(functions, user.caller, 1, charge_id=charge.id, refund=refund_digest(secret))
    assert settle(functions, user.caller, charge.id, 0, secret).outcome == "not_found"
    assert (len(act.handler.seen) - before, act.used(user)) == (1, 1)


def test_a_limit_below_what_was_used_leaves_nothing_rather_than_less(act: Scene) -> None:
    """RateLimit has no negative numbers."""
    user = act.database.add_user(limit=10)
    assert act.post(user, 8).status_code == 202
    act.database.admin().set_limit(user.id, 5)
    reply = act.post(user, 1)
    assert reply.status_code == 429
    assert reply.headers["RateLimit"].startswith('"daily-ticks";r=0;')
    assert reply.json()["ticks_remaining"] == 0


@pytest.mark.parametrize(
    "metadata",
    [{"name": "\0"}, {"name": "\x7f\x1b[31m"}, {"n": 10**300}, {"n": [[[[[[{}]]]]]]}, {"name": "'; drop table x; --"}],
    ids=["NUL", "escape sequences", "huge number", "nested", "SQL"],
)
def test_what_users_write_into_their_own_metadata_decides_nothing(
    where: Where, act: Scene, metadata: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It travels in the token, and so up to the database: let in and charged, or not let in and not charged."""
    user = act.database.add_user()
    before = len(act.handler.seen)
    reply = act.post(token_of(where, user, user_metadata=metadata), 2)
    assert reply.status_code in {202, 401, 503}
    ran = len(act.handler.seen) - before
    assert ran == (reply.status_code == 202)
    assert act.used(user) == 2 * ran
    assert "\x1b" not in caplog.text


@pytest.mark.parametrize("claim", ["role", "sub", "session_id", "app_metadata", "user_metadata"])
def test_claims_of_others_do_not_help(where: Where, act: Scene, claim: str) -> None:
    """A token that its holder has rewritten is worth nothing, whichever part it is."""
    mine, other = act.database.add_user(), act.database.add_user()
    value = {
        "role": "service_role",
        "sub": other.id,
        "session_id": other.session_id,
        "app_metadata": {"role": "tick_gateway", "email_confirmed": True},
        "user_metadata": {"email_verified": True, "sub": other.id},
    }[claim]
    _, payload, _ = signed(where, claims_of(where, mine) | {claim: value}).split(".")
    head, _, signature = token_of(where, mine).split(".")
    reply = act.post(f"{head}.{payload}.{signature}")
    assert reply.status_code == 401
    assert reply.json()["code"] in {"bad_signature", "malformed"}


def test_one_session_cannot_borrow_another_users(where: Where, act: Scene) -> None:
    """Even with a good signature, a session must be the user's own."""
    mine, other = act.database.add_user(), act.database.add_user()
    reply = act.post(token_of(where, mine, session_id=other.session_id))
    assert (reply.status_code, reply.json()["code"]) == (401, "session_revoked")
    assert (act.database.ledger(mine), act.database.ledger(other)) == ({}, {})


def test_a_user_who_floods_gets_no_more_than_is_left(act: Scene) -> None:
    """Sixty requests at once for five ticks, each with a key of its own, or none."""
    user = act.database.add_user(limit=5)
    token = act.token(user)

    async def flood() -> list[int]:
        limits = httpx.Limits(max_connections=60)
        async with httpx.AsyncClient(trust_env=False, timeout=60, limits=limits) as client:
            replies = await asyncio.gather(
                *(
                    client.post(
                        f"{act.served.url}/tasks",
                        content=json.dumps({"max_ticks": 1}),
                        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
                        | ({"Idempotency-Key": f"k{n}"} if n % 2 else {}),
                    )
                    for n in range(60)
                )
            )
        return [reply.status_code for reply in replies]

    told = asyncio.run(flood())
    assert (told.count(202), told.count(429)) == (5, 55)
    assert act.used(user) == 5
    # Nobody else has paid for it, and operators can give some back.
    assert act.database.functions().call("tick_admin_reset", {"user_ref": user.id}, caller=ServiceRole())
