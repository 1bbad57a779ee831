"""Every cause for which a gate answers itself, with the status and the code of the answer: the table of its statuses.

Each cause makes what it needs, a user as a rule, and returns the request that is then sent and judged
(`tests/integration/test_gateway_statuses.py`).
"""

import asyncio
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from asgi_support import PATIENCE, Line, request_bytes
from gateway_support import Scene
from quota_support import User
from tickctl.core.json import JsonObject
from tickctl.core.quota import Caller, Decision
from tickctl.core.tokens import KeySet, Reason
from tickctl.core.tokens.jws import Header
from tickctl.errors import (
    ConfigurationError,
    ConflictError,
    CredentialsRefusedError,
    InvalidInputError,
    NotFoundError,
    TickctlError,
    UnreachableError,
)

Request = Callable[[], httpx.Response]
GRANTED = "granted"


@dataclass(frozen=True)
class Cause:
    """One row.

    Attributes:
        name: what is the matter.
        status: of the answer.
        code: in its body; `granted` where the application has answered.
        prepare: makes what the request needs, and returns it.
        of: the reason of a verdict or the decision of the database that the row is there for.
        options: the gate's, where they matter.
        more: further arguments of `gate_over`.
    """

    name: str
    status: int
    code: str
    prepare: Callable[[Scene], Request]
    of: Reason | Decision | None = None
    options: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)


# How requests are made.


def fresh(send: Callable[[Scene, User], httpx.Response], **user: Any) -> Callable[[Scene], Request]:
    """Add a user, and send what is made for that one."""

    def prepare(scene: Scene) -> Request:
        made = scene.database.add_user(**user)
        return lambda: send(scene, made)

    return prepare


def post(ticks: Any = 1, **options: Any) -> Callable[[Scene], Request]:
    """Send this, with a good token of a fresh user."""
    return fresh(lambda scene, user: scene.post(user, ticks, **options))


def body(content: bytes | str) -> Callable[[Scene], Request]:
    """Send this body as JSON."""
    return post(content=content, headers={"Content-Type": "application/json"})


def token(make: Callable[[Scene, User], str]) -> Callable[[Scene], Request]:
    """Send a token that is made of a fresh user's."""

    def prepare(scene: Scene) -> Request:
        made = make(scene, scene.database.add_user())
        return lambda: scene.post(made)

    return prepare


def claims(**changes: Any) -> Callable[[Scene], Request]:
    """Send a token with a good signature whose claims are others."""
    return token(lambda scene, user: scene.token(user, **changes))


def of_user(change: Callable[[Scene, User], None]) -> Callable[[Scene], Request]:
    """Send a good token of a user with whom something has happened since."""

    def prepare(scene: Scene) -> Request:
        user = scene.database.add_user()
        good = scene.token(user)
        change(scene, user)
        return lambda: scene.post(good)

    return prepare


def columns(**values: Any) -> Callable[[Scene], Request]:
    """Send a good token of a user whose row has changed since."""
    return of_user(lambda scene, user: scene.database.change_user(user, **values))


def second(first: dict[str, Any], then: dict[str, Any], limit: int = 32) -> Callable[[Scene], Request]:
    """Send a request of a user after another one was granted."""

    def prepare(scene: Scene) -> Request:
        user = scene.database.add_user(limit=limit)
        assert scene.post(user, **first).status_code == httpx.codes.ACCEPTED
        return lambda: scene.post(user, **then)

    return prepare


def a_minute_later(scene: Scene) -> Request:
    """Send a request that was granted a minute ago."""
    user = scene.database.add_user()
    assert scene.post(user, headers=_KEY).status_code == httpx.codes.ACCEPTED
    scene.database.run(
        f"update tick.charge set created_at = created_at - interval '1 minute' where user_id = '{user.id}'"
    )
    return lambda: scene.post(user, headers=_KEY)


def limited(limit: int | None, ticks: int) -> Callable[[Scene], Request]:
    """Send a request of a user with this limit."""
    return fresh(lambda scene, user: scene.post(user, ticks), limit=limit)


def raw(
    *headers: tuple[str, str], content: bytes = b'{"max_ticks":1}', good: bool = True
) -> Callable[[Scene], Request]:
    """Send headers that httpx would not, with a good token unless they bring their own."""

    def prepare(scene: Scene) -> Request:
        known = [("Authorization", f"Bearer {scene.token(scene.database.add_user())}")] if good else []
        fields = [*known, ("Content-Type", "application/json"), ("Origin", "https://app.example"), *headers]

        def send() -> httpx.Response:
            with Line(scene.served.port) as line:
                line.send(request_bytes("POST", "/tasks", fields, content))
                reply = line.reply()
            sent = httpx.Request("POST", scene.served.url, headers=fields)
            return httpx.Response(reply.status, headers=reply.headers, content=reply.body, request=sent)

        return send

    return prepare


def two_tokens(scene: Scene) -> Request:
    """Send two good tokens."""
    mine, other = (f"Bearer {scene.token(scene.database.add_user())}" for _ in range(2))
    return raw(("Authorization", mine), ("Authorization", other), good=False)(scene)


def two_in_one(scene: Scene, user: User) -> str:
    """Return a good token with another one behind it, as intermediaries join headers."""
    return f"{scene.token(user)}, Bearer {scene.token(user)}"


def tampered(scene: Scene, user: User) -> str:
    """Return a token whose payload names another user than the one who was signed."""
    head, _, signature = scene.token(user).split(".")
    _, payload, _ = scene.token(scene.database.add_user()).split(".")
    return f"{head}.{payload}.{signature}"


def foreign_key(scene: Scene, user: User) -> str:
    """Return a token whose key nobody has published."""
    whole = jwt.decode(scene.token(user), options={"verify_signature": False})
    return jwt.encode(whole, ec.generate_private_key(ec.SECP256R1()), "ES256", headers={"kid": str(uuid.uuid4())})


def unsigned(scene: Scene, user: User) -> str:
    """Return a token that says it needs no signature."""
    whole = jwt.decode(scene.token(user), options={"verify_signature": False})
    return jwt.encode(whole, None, "none") + "AA"


def beside_one_that_waits(scene: Scene) -> Request:
    """Send a request while another one of the user is being decided about."""
    user = scene.database.add_user()
    BUSY.asked.clear()

    def wait_for_an_answer() -> None:
        with suppress(httpx.HTTPError):  # as when the server is stopped
            scene.post(user)

    threading.Thread(target=wait_for_an_answer, daemon=True).start()
    assert BUSY.asked.wait(PATIENCE)
    return lambda: scene.post(user)


def nobody(scene: Scene) -> Request:
    """Send a good token of a user whose row is gone."""
    user = User(str(uuid.uuid4()), "gone@example.com", str(uuid.uuid4()))
    return lambda: scene.post(user)


def end_session(scene: Scene, user: User) -> None:
    """Sign the user out."""
    with scene.database.superuser() as connection:
        connection.execute("delete from auth.sessions where id = %s", [user.session_id])


class Failing:
    """A store that fails with this error, whose message is nobody's business."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Fail."""
        raise self._error


class Answering:
    """A store that answers with these rows."""

    def __init__(self, *rows: JsonObject) -> None:
        self._rows = list(rows)

    async def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Answer."""
        return self._rows


class Hanging:
    """A store that never answers."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    async def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Wait until nobody wants to know any more."""
        self.asked.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError


BUSY = Hanging()


class Keyless:
    """A key source that has no keys at the moment."""

    def current(self, header: Header) -> KeySet:
        """Have none."""
        raise UnreachableError(f"the keys can't be fetched: {INTERNAL}", hint=INTERNAL)

    refreshed = current


INTERNAL = "db.internal.example:5432 tell-no-client"
_ROW: JsonObject = {
    "decision": GRANTED,
    "charge_id": str(uuid.UUID(int=1)),
    "daily_tick_limit": 32,
    "ticks_granted": 0,
    "ticks_used": 1,
    "ticks_remaining": 31,
    "usage_date": "2026-11-23",
    "resets_at": "2026-11-24T00:00:00+00:00",
    "now": "2026-11-23T12:00:00+00:00",
}
_KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}


def _store(name: str, store: Any, **options: Any) -> Cause:
    return Cause(f"store: {name}", 503, "unreachable", post(), more={"store": store}, options=options)


def _failing(error: type[TickctlError]) -> Cause:
    return _store(error.__name__, Failing(error(INTERNAL, hint=INTERNAL)))


NOW = int(time.time())

CREDENTIALS = [
    Cause("no Authorization header", 401, "no_credentials", lambda scene: lambda: scene.post(None)),
    Cause("another scheme", 401, "no_credentials", raw(("Authorization", "Basic YWRhOmFkYQ=="), good=False)),
    Cause("two Authorization headers", 400, "several_credentials", two_tokens),
]

TOKENS = [
    Cause("the hook says confirmed", 202, GRANTED, claims(app_metadata={"email_confirmed": True}), Reason.VALID),
    Cause("the token doesn't say whether confirmed", 202, GRANTED, post(), Reason.CONFIRMATION_UNKNOWN),
    Cause("no token", 401, "malformed", raw(("Authorization", "Bearer"), good=False), Reason.MALFORMED),
    Cause("no JWT", 401, "malformed", token(lambda *_: "abc"), Reason.MALFORMED),
    Cause("two tokens in one header", 401, "malformed", token(two_in_one), Reason.MALFORMED),
    Cause("no signature wanted", 401, "unsupported_algorithm", token(unsigned), Reason.UNSUPPORTED_ALGORITHM),
    Cause("another user's payload", 401, "bad_signature", token(tampered), Reason.BAD_SIGNATURE),
    Cause("expired", 401, "expired", claims(iat=NOW - 7200, exp=NOW - 3600), Reason.EXPIRED),
    Cause("from the future", 401, "not_yet_valid", claims(iat=NOW + 3600, exp=NOW + 7200), Reason.NOT_YET_VALID),
    Cause("of another project", 401, "wrong_issuer", claims(iss="https://x.example/auth/v1"), Reason.WRONG_ISSUER),
    Cause("for another audience", 401, "wrong_audience", claims(aud="others"), Reason.WRONG_AUDIENCE),
    Cause("without a session", 401, "missing_claim", claims(session_id=...), Reason.MISSING_CLAIM),
    Cause("with a time as text", 401, "malformed_claim", claims(exp=str(NOW + 3600)), Reason.MALFORMED_CLAIM),
    Cause("for ten years", 401, "lifetime_too_long", claims(exp=NOW + 315_360_000), Reason.LIFETIME_TOO_LONG),
    Cause("publishable key", 403, "api_key", token(lambda *_: "sb_publishable_tell-no-client"), Reason.API_KEY),
    Cause("secret key", 403, "api_key", token(lambda *_: "sb_secret_tell-no-client"), Reason.API_KEY),
    Cause("service_role key", 403, "not_a_user_token", claims(role="service_role"), Reason.NOT_A_USER_TOKEN),
    Cause("third party's session", 403, "not_a_user_token", claims(client_id="x"), Reason.NOT_A_USER_TOKEN),
    Cause("anonymous by claim", 403, "anonymous", claims(is_anonymous=True), Reason.ANONYMOUS),
    Cause(
        "the hook says unconfirmed",
        403,
        "email_not_confirmed",
        claims(app_metadata={"email_confirmed": False}),
        Reason.EMAIL_NOT_CONFIRMED,
    ),
    Cause("key unknown", 401, "unknown_key", token(foreign_key), Reason.UNKNOWN_KEY),
    Cause("no keys to be had", 503, "unreachable", post(), Reason.UNREACHABLE, more={"keys": Keyless()}),
]

BODIES = [
    Cause("no content type", 415, "unsupported_media_type", post(content=b'{"max_ticks": 1}')),
    Cause(
        "a form",
        415,
        "unsupported_media_type",
        post(content=b"max_ticks=1", headers={"Content-Type": "application/x-www-form-urlencoded"}),
    ),
    Cause("compressed", 415, "unsupported_coding", post(headers={"Content-Encoding": "gzip"})),
    Cause("announced too large", 413, "body_too_large", post("x" * 999), options={"largest_body": 500}),
    Cause(
        "too large in chunks",
        413,
        "body_too_large",
        post(content=[b" " * 300] * 9, headers={"Content-Type": "application/json"}),
        options={"largest_body": 500},
    ),
    Cause("too slow", 408, "body_timeout", raw(("Content-Length", "99"), content=b"{"), options={"body_timeout": 0.05}),
    Cause(
        "two framings that disagree",
        400,
        "wrong_length",
        raw(
            ("Content-Length", "5"),
            ("Transfer-Encoding", "chunked"),
            content=b'f\r\n{"max_ticks":1}\r\n0\r\n\r\n',
        ),
    ),
    Cause("no body", 422, "invalid_json", body(b"")),
    Cause("no JSON", 422, "invalid_json", body(b"max_ticks: 1")),
    Cause("no UTF-8", 422, "invalid_json", body(b'{"max_ticks": 1, "a": "\xff"}')),
    Cause("not a number", 422, "invalid_json", body(b'{"max_ticks": NaN}')),
    Cause("deeply nested", 422, "invalid_json", body(b'{"max_ticks": 1, "a": ' + b"[" * 100_000)),
    Cause("a list", 422, "invalid_json", body(b'[{"max_ticks": 1}]')),
    Cause("no max_ticks", 422, "invalid_ticks", body(b"{}")),
    *(
        Cause(f"max_ticks {text[:20]}", 422, "invalid_ticks", body(f'{{"max_ticks": {text}}}'))
        for text in ("null", "true", '"5"', "5.0", "1e3", "-1", "0", "-0", "[1]", "2147483648", "9" * 5000)
    ),
    Cause("two max_ticks", 422, "invalid_ticks", body(b'{"max_ticks": 1, "max_ticks": 1}')),
    Cause("another case", 422, "invalid_ticks", body(b'{"max_ticks": 1, "Max_Ticks": 9}')),
    Cause("more than any request may take", 422, "invalid_ticks", limited(None, 2_000_000)),
]

KEYS = [
    Cause("key without end", 400, "invalid_idempotency_key", post(headers={"Idempotency-Key": '"abc'})),
    Cause("empty key", 400, "invalid_idempotency_key", post(headers={"Idempotency-Key": '""'})),
    Cause("long key", 400, "invalid_idempotency_key", post(headers={"Idempotency-Key": "k" * 256})),
    Cause("two keys", 400, "invalid_idempotency_key", raw(("Idempotency-Key", '"a"'), ("Idempotency-Key", '"a"'))),
]

DECISIONS = [
    Cause("ticks left", 202, GRANTED, limited(1, 1), Decision.GRANTED),
    Cause("unlimited", 202, GRANTED, limited(None, 1000), Decision.GRANTED),
    Cause("no such user", 401, "user_deleted", nobody, Decision.USER_NOT_FOUND),
    Cause("deleted", 401, "user_deleted", columns(deleted_at="2026-01-01Z"), Decision.USER_DELETED),
    Cause("signed out", 401, "session_revoked", of_user(end_session), Decision.SESSION_REVOKED),
    Cause("banned", 403, "user_banned", columns(banned_until="2999-01-01Z"), Decision.USER_BANNED),
    Cause("anonymous by now", 403, "anonymous", columns(is_anonymous=True), Decision.ANONYMOUS),
    Cause(
        "unconfirmed",
        403,
        "email_not_confirmed",
        columns(email_confirmed_at=None),
        Decision.EMAIL_NOT_CONFIRMED,
    ),
    Cause(
        "unconfirmed, whatever the hook said",
        403,
        "email_not_confirmed",
        fresh(
            lambda scene, user: scene.post(scene.token(user, app_metadata={"email_confirmed": True})),
            confirmed=False,
        ),
        Decision.EMAIL_NOT_CONFIRMED,
    ),
    Cause(
        "the same request again",
        409,
        "already_accepted",
        second({"headers": _KEY}, {"headers": _KEY}),
        Decision.UNDER_WAY,
    ),
    Cause("the same request a minute later", 409, "already_accepted", a_minute_later, Decision.ALREADY_ACCEPTED),
    Cause(
        "another request with the key",
        409,
        "key_conflict",
        second({"headers": _KEY}, {"headers": _KEY, "json": {"max_ticks": 1, "task": "another"}}),
        Decision.KEY_CONFLICT,
    ),
    Cause(
        "another price with the key",
        409,
        "key_conflict",
        second({"headers": _KEY}, {"headers": _KEY, "ticks": 2}),
        Decision.KEY_CONFLICT,
    ),
    Cause("more than a day has", 429, "cost_exceeds_limit", limited(32, 33), Decision.COST_EXCEEDS_LIMIT),
    Cause("blocked", 429, "cost_exceeds_limit", limited(0, 1), Decision.COST_EXCEEDS_LIMIT),
    Cause("too few left", 429, "quota_exhausted", second({"ticks": 31}, {"ticks": 2}), Decision.QUOTA_EXHAUSTED),
    Cause("none left", 429, "quota_exhausted", second({"ticks": 32}, {}), Decision.QUOTA_EXHAUSTED),
]

STORES = [
    *map(_failing, (ConfigurationError, ConflictError, CredentialsRefusedError, NotFoundError, UnreachableError)),
    _failing(TickctlError),
    _failing(InvalidInputError),
    _store("an error of its own", Failing(RuntimeError(INTERNAL))),
    _store("no row", Answering()),
    _store("two rows", Answering(_ROW, _ROW)),
    _store("a decision that nobody knows", Answering(_ROW | {"decision": "sure"})),
    _store("granted without a charge", Answering(_ROW | {"charge_id": None})),
    _store("granted for another charge", Answering(_ROW)),
    _store("granted without a day", Answering({"decision": GRANTED, "charge_id": _ROW["charge_id"]})),
    _store("silence", Hanging(), timeout=0.05),
    Cause(
        "store: too many wait for it",
        503,
        "overloaded",
        beside_one_that_waits,
        more={"store": BUSY},
        options={"timeout": 1.5, "most_waiting": 1},
    ),
    Cause(
        "store: one of the user's waits for it",
        429,
        "too_many_at_once",
        beside_one_that_waits,
        more={"store": BUSY},
        options={"timeout": 1.5, "most_at_once": 1},
    ),
]

CAUSES = [*CREDENTIALS, *TOKENS, *BODIES, *KEYS, *DECISIONS, *STORES]
