"""What tests of the gateway share: gates over both stores, tokens of users who exist, and an application behind them.

`scene(database)` is a gate over a pool of connections to PostgreSQL, `scene(standin)` one over a project's API. Both
are served by uvicorn on loopback (`asgi_support`), so that a test sends requests and looks at the replies, at what the
application saw, and at what the database has counted.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from asgi_support import PATIENCE, App, Receive, Running, Send, running
from quota_support import Database, User
from standin import StandIn
from tickctl.adapters.api import AsyncApiFunctions
from tickctl.adapters.embedded.accounts import sign
from tickctl.adapters.embedded.server import LOCAL_ISSUER
from tickctl.adapters.postgres import AsyncPostgresFunctions
from tickctl.core.json import Json, JsonObject
from tickctl.core.quota import AsyncSqlFunctions, Caller
from tickctl.core.secret import Secret
from tickctl.core.tokens import KeySet, KeySource, Policy, StaticKeys
from tickctl.errors import UncertainError
from tickctl.gateway import Decided, Gate, GateOptions, Handled, Observation, TickGate
from tickctl.gateway.routes import Protect

Where = Database | StandIn

SECRET = "the HS256 secret of a project that only tests have"
CONFIRMED = ("app_metadata", "email_confirmed")
"""Where an access-token hook would say whether the e-mail address is confirmed; the tokens here say nothing."""


UNHURRIED = 10.0
"""Seconds for stores and gates of tests that are not about time: on a busy machine nothing shall be late."""


def database_of(where: Where) -> Database:
    """Return the database behind a store: users are added there, and ledgers kept."""
    return where if isinstance(where, Database) else where.database


def claims_of(where: Where, user: User, **changes: Any) -> dict[str, Any]:
    """Return what Auth would write into a token of this user; `...` takes a claim away."""
    now = int(time.time())
    claims = {
        "iss": LOCAL_ISSUER if isinstance(where, Database) else where.auth_server.url,
        "sub": user.id,
        "aud": "authenticated",
        "exp": now + 3600,
        "iat": now - 5,
        "email": user.email or "",
        "phone": "",
        "app_metadata": {"provider": "email"},
        "user_metadata": {"email_verified": True},
        "role": "authenticated",
        "aal": "aal1",
        "amr": [{"method": "password", "timestamp": now - 5}],
        "session_id": user.session_id,
        "is_anonymous": False,
    } | changes
    return {name: value for name, value in claims.items() if value is not ...}


def token_of(where: Where, user: User, **changes: Any) -> str:
    """Return an access token of this user, its claims changed as told, with a good signature."""
    return signed(where, claims_of(where, user, **changes))


def signed(where: Where, claims: JsonObject) -> str:
    """Sign claims with the key that the gate of `gate_over` trusts."""
    if isinstance(where, Database):
        return sign(claims, Secret(SECRET)).reveal()
    return where.keys.sign(claims)


def keys_of(where: Where) -> KeySource:
    """Return the key of the project without asking anybody."""
    if isinstance(where, Database):
        return StaticKeys(KeySet.from_secret(Secret(SECRET)))
    published = KeySet.from_jwks(json.dumps(where.keys.public_set), allow_symmetric=False)
    return StaticKeys(published.merge(KeySet.from_secret(Secret(where.jwt_secret))))


def policy_of(where: Where, **changes: Any) -> Policy:
    """Return the rules of the project."""
    issuer = LOCAL_ISSUER if isinstance(where, Database) else where.auth_server.url
    return Policy(**({"issuer": issuer, "confirmed_claim": CONFIRMED} | changes))


def store_over(where: Where, **options: Any) -> AsyncPostgresFunctions | AsyncApiFunctions:
    """Return the store with the rights that a gateway has: `authenticator`, or the publishable key."""
    options = {"timeout": UNHURRIED} | options
    if isinstance(where, Database):
        return AsyncPostgresFunctions(Secret(where.authenticator_url), **options)
    return AsyncApiFunctions(where.url, Secret(where.anon_key), **options)


def gate_over(
    where: Where,
    *,
    keys: KeySource | None = None,
    policy: Policy | None = None,
    store: AsyncSqlFunctions | None = None,
    **more: Any,
) -> Gate:
    """Return a gate; `more` are the further arguments of `Gate`. It closes its store, unless that is given."""
    if store is None:
        store = made = store_over(where)
        more.setdefault("close", made.aclose)
    return Gate(keys or keys_of(where), policy or policy_of(where), store, **more)


@dataclass
class LosingStore:
    """Has calls carried out, and loses the answers to as many as it is told.

    Attributes:
        losses: how many answers are lost from now on.
        error: raised in place of an answer.
        keys: the request keys of all calls that came.
    """

    store: AsyncSqlFunctions
    losses: int = 0
    error: type[Exception] = UncertainError
    keys: list[Json] = field(default_factory=list)

    async def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Make the call."""
        rows = await self.store.call(name, arguments, caller=caller)
        if name == "consume_ticks":
            self.keys.append(arguments.get("request_key"))
            self.losses -= 1
            if self.losses >= 0:
                raise self.error("the answer was cut off")
        return rows


@dataclass
class Handler:
    """Stands behind the gate: answers 202, and keeps what it was given.

    Attributes:
        seen: for each request, in the order in which they came, the admission (`None` where there was none) and the
            body.
        answer: may be replaced by another application; the request is kept before it begins.
    """

    seen: list[tuple[Any, bytes]] = field(default_factory=list)
    answer: App | None = None

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve a request, or the lifespan."""
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            assert message["type"] == "http.request", message
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.seen.append((scope.get("state", {}).get("ticks"), body))
        if self.answer is not None:
            await self.answer(scope, receive, send)
            return
        await answer(send, 202, {"length": len(body)})


async def answer(send: Send, status: int, document: Any) -> None:
    """Send a response with a JSON body."""
    body = json.dumps(document).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def lifespan(receive: Receive, send: Send) -> None:
    """Begin and end as an application that has nothing to do then."""
    for moment in ("startup", "shutdown"):
        assert (await receive())["type"] == f"lifespan.{moment}"
        await send({"type": f"lifespan.{moment}.complete"})


@dataclass
class Scene:
    """A served application with a gate before `POST /tasks`."""

    where: Where
    gate: Gate
    handler: Handler
    served: Running
    observations: list[Observation]
    client: httpx.Client

    @property
    def database(self) -> Database:
        """The database behind it."""
        return database_of(self.where)

    @property
    def observed(self) -> list[Decided]:
        """What was decided, in order."""
        return [seen for seen in self.observations if isinstance(seen, Decided)]

    @property
    def handled(self) -> list[Handled]:
        """What became of the requests that were allowed, in order."""
        return [seen for seen in self.observations if isinstance(seen, Handled)]

    def token(self, user: User, **changes: Any) -> str:
        """See `token_of`."""
        return token_of(self.where, user, **changes)

    def post(
        self, who: User | str | None, ticks: Any = 1, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        """Send `POST /tasks` with a user's token, or one that is given; `options` are those of httpx."""
        sent = dict(headers or {})
        if who is not None:
            sent["Authorization"] = f"Bearer {self.token(who) if isinstance(who, User) else who}"
        if not options.keys() & {"content", "json"}:
            options["json"] = {"max_ticks": ticks}
        return self.client.post("/tasks", headers=sent, **options)

    def used(self, user: User) -> int:
        """Return the ticks that were taken from a user, on all days; usage and charges must agree."""
        ledger = self.database.ledger(user).values()
        assert all(used == charged for used, charged in ledger)
        return sum(used for used, _ in ledger)


@contextmanager
def scene(
    where: Where,
    handler: Handler | None = None,
    *,
    gate: Gate | None = None,
    options: GateOptions | None = None,
    protect: Protect = frozenset({"POST /tasks"}),
    wrap: Callable[[Any], Any] = lambda app: app,
    **more: Any,
) -> Iterator[Scene]:
    """Serve a gate over a store for the length of a block; it is closed by the end of the lifespan.

    Args:
        where: the database for a pool of connections, or the project for its API.
        handler: what stands behind the gate, if not one that answers 202.
        gate: a gate of the test's own; else that of `gate_over`.
        options: the gate's.
        protect: what is protected.
        wrap: puts something around the gate, as `CORSMiddleware`.
        more: further arguments of `gate_over`.
    """
    observations: list[Observation] = []
    handler = handler or Handler()
    if gate is None:
        gate = gate_over(where, options=options or GateOptions(timeout=UNHURRIED), observe=observations.append, **more)
    app = wrap(TickGate(handler, protect=protect, gate=gate))
    with running(app) as served:
        yield Scene(where, gate, handler, served, observations, served.client())


def until(holds: Callable[[], bool], what: str) -> None:
    """Look again and again until something holds that another thread or process brings about."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"{what}: it did not come to that"
        time.sleep(0.005)


__all__ = [
    "CONFIRMED",
    "SECRET",
    "UNHURRIED",
    "Handler",
    "LosingStore",
    "Scene",
    "Where",
    "answer",
    "claims_of",
    "database_of",
    "gate_over",
    "keys_of",
    "lifespan",
    "policy_of",
    "scene",
    "signed",
    "store_over",
    "token_of",
    "until",
]
