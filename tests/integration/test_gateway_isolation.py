"""Requests of different users on one event loop: none sees another's token, ticks, body or state, in whatever order.

Every request asks for a number of ticks of its own, so that whatever turns up anywhere can be laid at its door.
"""

import asyncio
import json
import re
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from asgi_support import PATIENCE
from gateway_support import UNHURRIED, Handler, Where, answer, claims_of, database_of, gate_over, scene, signed
from quota_support import Database, User
from standin import StandIn
from tickctl.core.json import JsonObject
from tickctl.core.quota import Caller, SignedInUser
from tickctl.errors import UnreachableError
from tickctl.gateway import Admission, GateOptions, TickGate

LIMIT = 1_000_000
SETTLED = ("charge_id", "user_id", "usage_date", "ticks_charged", "ticks_settled", "settled_at")
NOWHERE = Database("nowhere", *["postgresql://nowhere"] * 3)
PEOPLE = [User(str(UUID(int=n)), f"user-{n}@example.com", str(UUID(int=n << 32))) for n in range(1, 6)]
TOKENS = {user.id: signed(NOWHERE, claims_of(NOWHERE, user)) for user in PEOPLE}


@dataclass
class AskedCall:
    """A call that waits for its answer."""

    caller: SignedInUser
    ticks: int
    key: str
    answer: asyncio.Future[list[JsonObject]]


@dataclass
class RecordingStore:
    """Keeps who called for what, and answers when it is told to."""

    calls: list[AskedCall] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Wait for the answer; what is given back is settled at once."""
        if name == "settle_ticks":
            return [dict.fromkeys(SETTLED, None) | {"outcome": "settled"}]
        assert name == "consume_ticks"
        assert isinstance(caller, SignedInUser)
        ticks, key = arguments["ticks"], arguments["charge_id"]
        assert isinstance(ticks, int)
        assert isinstance(key, str)
        made = AskedCall(caller, ticks, key, asyncio.get_running_loop().create_future())
        self.calls.append(made)
        return await made.answer


def row(ticks: int, charge_id: str, decision: str = "granted") -> JsonObject:
    """Return an answer in which everything tells the request that it is for."""
    return {
        "decision": decision,
        "charge_id": charge_id,
        "daily_tick_limit": LIMIT,
        "ticks_granted": 0,
        "ticks_used": ticks,
        "ticks_remaining": LIMIT - ticks,
        "usage_date": "2026-11-23",
        "resets_at": "2026-11-24T00:00:00+00:00",
        "now": "2026-11-23T12:00:00+00:00",
    }


@dataclass
class Exchange:
    """One request, and all that has come of it."""

    user: User
    ticks: int
    task: asyncio.Task[None] | None = None
    sent: list[Any] = field(default_factory=list)
    states: list[tuple[str, int]] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    expected: set[int] = field(default_factory=set)

    @property
    def body(self) -> bytes:
        """What is sent."""
        return json.dumps({"max_ticks": self.ticks, "whose": self.user.id}).encode()

    @property
    def status(self) -> int | None:
        """The status of the response, once there is one."""
        return self.sent[0]["status"] if self.sent else None


class Interleaving(RuleBasedStateMachine):
    """Requests, answers of the store and steps of handlers, in any order; the server gives all requests one state."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.store = RecordingStore()
        self.exchanges: dict[int, Exchange] = {}
        self.shared_state: dict[str, Any] = {"of": "the lifespan"}
        options = GateOptions(timeout=3600, most_at_once=1000)
        gate = gate_over(NOWHERE, store=self.store, options=options)
        self.app = TickGate(self.handle, protect={"POST /tasks"}, gate=gate)

    def teardown(self) -> None:
        """End what is under way."""
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.turn()
        self.loop.close()

    def turn(self) -> None:
        """Let everything happen that can."""

        async def pass_by() -> None:
            for _ in range(20):
                await asyncio.sleep(0)

        self.loop.run_until_complete(pass_by())

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Look at the state before and after a wait, and answer with what is found."""
        if scope["path"] != "/tasks":
            assert "ticks" not in scope["state"]
            await answer(send, 200, {})
            return
        body = json.loads((await receive())["body"])
        exchange = self.exchanges[body["max_ticks"]]
        for _ in range(2):
            admission: Admission = scope["state"]["ticks"]
            assert scope["state"]["of"] == "the lifespan"
            exchange.states.append((admission.user.id, admission.charge.ticks))
            assert UUID(admission.charge.id).int == exchange.ticks == admission.consumption.ticks_used
            assert admission.user.email == exchange.user.email
            assert admission.user.claims["session_id"] == exchange.user.session_id
            await exchange.go_on.wait()
        assert body["whose"] == exchange.user.id
        await answer(send, 202, {"user": admission.user.id})

    def begin(self, path: str, user: User, ticks: int) -> Exchange:
        """Begin a request."""
        exchange = Exchange(user, ticks)

        async def receive() -> Any:
            return {"type": "http.request", "body": exchange.body, "more_body": False}

        async def send(message: Any) -> None:
            exchange.sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": [
                (b"authorization", f"Bearer {TOKENS[user.id]}".encode()),
                (b"content-type", b"application/json"),
            ],
            "state": self.shared_state,
        }
        exchange.task = self.loop.create_task(self.app(scope, receive, send))  # type: ignore[arg-type]
        return exchange

    @rule(users=st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=4))
    def ask(self, users: list[User]) -> None:
        """Some people send a request each, in the same moment."""
        for user in users:
            ticks = len(self.exchanges) + 1
            self.exchanges[ticks] = self.begin("/tasks", user, ticks)
        self.turn()

    @rule(user=st.sampled_from(PEOPLE))
    def ask_for_something_else(self, user: User) -> None:
        """Somebody sends a request that nobody protects."""
        exchange = self.begin("/health", user, 0)
        self.turn()
        assert exchange.status == 200

    @rule(data=st.data(), decision=st.sampled_from(["granted", "granted", "quota_exhausted", "already_accepted", "?"]))
    def let_the_store_answer(self, data: st.DataObject, decision: str) -> None:
        """One of the calls that wait has its answer, or fails."""
        waiting = [call for call in self.store.calls if not call.answer.done()]
        if not waiting:
            return
        call = data.draw(st.sampled_from(waiting))
        if decision == "?":
            call.answer.set_exception(UnreachableError("nobody answers"))
        else:
            call.answer.set_result([row(call.ticks, call.key, decision)])
        expected = {"granted": 202, "already_accepted": 409, "quota_exhausted": 429, "?": 503}[decision]
        self.exchanges[call.ticks].expected.add(expected)
        self.turn()

    @rule(data=st.data())
    def let_a_handler_go_on(self, data: st.DataObject) -> None:
        """A handler that waits makes its next step."""
        if self.exchanges:
            self.exchanges[data.draw(st.sampled_from(sorted(self.exchanges)))].go_on.set()
            self.turn()

    @rule(data=st.data())
    def let_a_client_be_gone(self, data: st.DataObject) -> None:
        """A server gives a request up."""
        if self.exchanges:
            exchange = self.exchanges[data.draw(st.sampled_from(sorted(self.exchanges)))]
            assert exchange.task is not None
            exchange.task.cancel()
            self.turn()

    @invariant()
    def every_call_is_its_own_users(self) -> None:
        """The store is called with the claims and the token of the one who asked, once for each request."""
        assert len({call.key for call in self.store.calls}) == len(self.store.calls)
        assert len({call.ticks for call in self.store.calls}) == len(self.store.calls)
        for call in self.store.calls:
            user = self.exchanges[call.ticks].user
            assert call.caller.claims["sub"] == user.id
            assert call.caller.token.reveal() == TOKENS[user.id]

    @invariant()
    def every_handler_sees_its_own_user(self) -> None:
        """Before and after waiting."""
        for exchange in self.exchanges.values():
            assert set(exchange.states) <= {(exchange.user.id, exchange.ticks)}

    @invariant()
    def every_reply_is_its_own(self) -> None:
        """The status that its call led to, and its own remainder."""
        for exchange in self.exchanges.values():
            if exchange.status is None:
                continue
            assert exchange.status in exchange.expected
            headers = dict(exchange.sent[0]["headers"])
            if exchange.status in {202, 429}:
                assert f";r={LIMIT - exchange.ticks};".encode() in headers[b"ratelimit"]
            document = json.loads(exchange.sent[1]["body"])
            if exchange.status == 202:
                assert document == {"user": exchange.user.id}

    @invariant()
    def nothing_stays_in_the_servers_state(self) -> None:
        """Which every request gets."""
        assert self.shared_state == {"of": "the lifespan"}


TestInterleaving = Interleaving.TestCase
TestInterleaving.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_users_at_once_are_charged_each_for_their_own(where: Where) -> None:
    """Through the real store: 12 users with 6 requests each; what each is told and charged is what each asked for."""
    database = database_of(where)
    users = [database.add_user(limit=LIMIT) for _ in range(12)]
    asked = {user.id: [100 * n + k for k in range(1, 7)] for n, user in enumerate(users, start=1)}
    with scene(where) as act, ThreadPoolExecutor(24) as threads:
        jobs = [(user, asked[user.id][k]) for k in range(6) for user in users]
        replies = list(threads.map(lambda job: act.post(*job), jobs))
        handled = {(admission.user.id, admission.charge.ticks, body) for admission, body in act.handler.seen}
    assert {reply.status_code for reply in replies} == {202}
    assert handled == {(user.id, ticks, b'{"max_ticks":%d}' % ticks) for user, ticks in jobs}
    for user in users:
        told = [
            LIMIT - int(re.findall(r"r=(\d+)", reply.headers["RateLimit"])[0])
            for (whose, _), reply in zip(jobs, replies, strict=True)
            if whose is user
        ]
        # The sums of the requests before each, in some order.
        steps = [after - before for before, after in zip([0, *sorted(told)], sorted(told), strict=False)]
        assert sorted(steps) == asked[user.id]
        ((used, charged),) = database.ledger(user).values()
        assert used == charged == sum(asked[user.id])
    if isinstance(where, StandIn):
        check_requests(where, asked)


def check_requests(project: StandIn, asked: dict[str, list[int]]) -> None:
    """Check that each call brought the token of the user who asked for so many ticks, and no other credentials."""
    calls = [request for request in project.faults.requests if request.path.endswith("/rpc/consume_ticks")]
    assert len(calls) == sum(map(len, asked.values()))
    for call in calls:
        ticks = json.loads(call.body)["ticks"]
        (user_id,) = (user_id for user_id, costs in asked.items() if ticks in costs)
        scheme, token = (call.header("authorization") or "").split()
        assert scheme == "Bearer"
        assert json.loads(_decoded(token.split(".")[1]))["sub"] == user_id
        assert call.header("apikey") == project.anon_key
        assert call.header("cookie") is None


def _decoded(segment: str) -> bytes:
    from jwt.utils import base64url_decode  # noqa: PLC0415 - a helper of one test

    return base64url_decode(segment)


def test_a_slow_request_keeps_its_user_while_others_come_and_go(where: Where) -> None:
    """The handler of one waits; meanwhile others are let in and refused; then it still sees its own."""
    database = database_of(where)
    slow, quick, banned = database.add_user(), database.add_user(), database.add_user(banned_until="2999-01-01Z")
    inside, release = threading.Event(), threading.Event()
    found: list[str] = []

    async def wait_if_asked(scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        admission = scope["state"]["ticks"]
        if admission.user.id == slow.id:
            inside.set()
            await asyncio.to_thread(release.wait, PATIENCE)
        found.append(scope["state"]["ticks"].user.id)
        assert scope["state"]["ticks"] is admission
        await answer(send, 202, {"user": admission.user.id})

    options = GateOptions(timeout=UNHURRIED)
    with scene(where, Handler(answer=wait_if_asked), options=options) as act, ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(act.post, slow, 7)
        assert inside.wait(PATIENCE)
        others = [act.post(who) for who in (quick, banned, None, "nonsense", quick)]
        release.set()
        reply = waiting.result(PATIENCE)
    assert [other.status_code for other in others] == [202, 403, 401, 401, 202]
    assert reply.json() == {"user": slow.id}
    assert found == [quick.id, quick.id, slow.id]
    assert (act.used(slow), act.used(quick), act.database.ledger(banned)) == (7, 2, {})
