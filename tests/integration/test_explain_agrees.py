"""What `explain` says of a request is what the gate answers to it, and saying it takes nothing."""

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_causes import Keyless
from gateway_support import (
    CONFIRMED,
    SECRET,
    UNHURRIED,
    Scene,
    Where,
    claims_of,
    database_of,
    keys_of,
    policy_of,
    scene,
    token_of,
)
from quota_support import Database, User
from tickctl.adapters.api import ApiFunctions
from tickctl.adapters.postgres import AsyncPostgresFunctions, PostgresFunctions
from tickctl.cli.commands.explain.steps import Explainer, Explanation, StepName, StepResult, explain_user
from tickctl.core.json import JsonObject
from tickctl.core.quota import Caller, QuotaAdmin, SignedInUser, SqlFunctions
from tickctl.core.secret import Secret
from tickctl.errors import CredentialsRefusedError

NOW = int(time.time())
HOUR = 3600


class Recorder:
    """Passes calls on, and notes whether all of them only asked."""

    def __init__(self, functions: SqlFunctions) -> None:
        self._functions = functions
        self.is_reading = True

    def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Call."""
        self.is_reading &= name == "consume_ticks" and arguments["carry_out"] is False
        return self._functions.call(name, arguments, caller=caller)


class Stage:
    """A real gate, and an explainer that has the same project."""

    def __init__(self, act: Scene, stack: ExitStack) -> None:
        self.act = act
        where = act.where
        operator = PostgresFunctions(Secret(database_of(where).authenticator_url))
        store: SqlFunctions
        if isinstance(where, Database):
            store = stack.enter_context(PostgresFunctions(Secret(where.authenticator_url)))
        else:
            store = stack.enter_context(ApiFunctions(where.url, Secret(where.anon_key)))
        stack.enter_context(operator)
        self.store = Recorder(store)
        self.quotas = QuotaAdmin(operator, "tester@host")

    @property
    def where(self) -> Where:
        """The project."""
        return self.act.where

    def explainer(self, **changes: Any) -> Explainer:
        """Return an explainer over the gate's project, but for the changes."""
        known = {"keys": keys_of(self.where), "policy": policy_of(self.where), "functions": self.store}
        return Explainer(**(known | changes))

    def compare(self, token: str, ticks: int, user: User | None = None, **changes: Any) -> Explanation:
        """Explain a request, see that nothing was taken, send it, and hold the two answers against each other."""
        database = self.act.database
        before = database.ledger(user) if user else {}
        found = self.explainer(**changes).of_token(token, ticks)
        assert (database.ledger(user) if user else {}) == before
        assert self.store.is_reading
        reply = self.act.post(token.removeprefix("Bearer "), ticks)
        if reply.status_code == 202:
            assert (found.admitted, found.problem, found.code) == (True, None, "granted")
            assert set(found.steps.values()) == {StepResult.PASS}
        else:
            assert found.problem is not None
            assert (found.problem.status, found.problem.code) == (reply.status_code, reply.json()["code"])
            assert json.loads(found.problem.body()) == reply.json()
            assert found.admitted is (None if reply.status_code == 503 else False)
        wanted = {name: reply.headers[name] for name in TOLD if name in reply.headers}
        told = {name: value for name, value in found.headers.items() if name in TOLD}
        assert timeless(told) == timeless(wanted)
        return found


TOLD = ("RateLimit-Policy", "RateLimit", "Retry-After", "WWW-Authenticate")


def timeless(headers: dict[str, str]) -> dict[str, str]:
    """Return headers without the seconds until the day ends, during which the test goes on."""
    return {name: re.sub(r"(t=|^)\d+$", r"\1", value) for name, value in headers.items()}


@pytest.fixture(scope="module")
def stage(where: Where) -> Iterator[Stage]:
    """A gate that is served, and what it takes to explain it."""
    with scene(where) as act, ExitStack() as stack:
        yield Stage(act, stack)


# Tokens: of a user, and perhaps with something wrong about them.


def claims(**changes: Any) -> Callable[[Where, User], str]:
    """Return a maker of tokens with other claims."""
    return lambda where, user: token_of(where, user, **changes)


def tampered(where: Where, user: User) -> str:
    """Return a token with the payload of another."""
    head, _, signature = token_of(where, user).split(".")
    return ".".join([head, token_of(where, user, role="service_role").split(".")[1], signature])


def of_wrong_secret(where: Where, user: User) -> str:
    """Return a token that was signed with another secret."""
    return jwt.encode(claims_of(where, user), f"not {SECRET}", "HS256")


def hook(confirmed: Any) -> Callable[[Where, User], str]:
    """Return a maker of tokens in which the access-token hook has said something."""
    return claims(**{CONFIRMED[0]: {CONFIRMED[1]: confirmed}})


TOKENS: dict[str, Callable[[Where, User], str]] = {
    "good": claims(),
    "with Bearer": lambda where, user: f"Bearer {token_of(where, user)}",
    "confirmed by the hook": hook(confirmed=True),
    "denied by the hook": hook(confirmed=False),
    "rubbish by the hook": hook(confirmed=5),
    "expired": claims(iat=NOW - 2 * HOUR, exp=NOW - HOUR),
    "from the future": claims(iat=NOW + 2 * HOUR, exp=NOW + 3 * HOUR),
    "future nbf": claims(nbf=NOW + 2 * HOUR),
    "tampered": tampered,
    "wrong secret": of_wrong_secret,
    "other issuer": claims(iss="https://other.example/auth/v1"),
    "other audience": claims(aud="others"),
    "anonymous": claims(is_anonymous=True),
    "no session": claims(session_id=...),
    "no exp": claims(exp=...),
    "exp as text": claims(exp=str(NOW + HOUR)),
    "ten years": claims(exp=NOW + 10 * 365 * 24 * HOUR),
    "service role": claims(role="service_role"),
    "third party": claims(client_id="x"),
    "other session": claims(session_id=str(uuid.UUID(int=7))),
    "publishable key": lambda *_: "sb_publishable_abc",
    "no JWT": lambda *_: "abc",
    "two words": lambda where, user: f"{token_of(where, user)} x",
    "too long": lambda *_: "a" * 20_000,
    "empty parts": lambda *_: "..",
}

STATES = ("banned", "ban over", "deleted", "anonymous", "session ended", "session over", "gone")


def befall(database: Database, user: User, state: str) -> None:
    """Let something happen to a user's account."""
    changes: dict[str, dict[str, Any]] = {
        "banned": {"banned_until": "2999-01-01Z"},
        "ban over": {"banned_until": "2020-01-01Z"},
        "deleted": {"deleted_at": "2026-01-01Z"},
        "anonymous": {"is_anonymous": True},
    }
    statements = {
        "session ended": "delete from auth.sessions where user_id = %s",
        "session over": "update auth.sessions set not_after = '2020-01-01Z' where user_id = %s",
        "gone": "delete from auth.users where id = %s",
    }
    if state in changes:
        database.change_user(user, **changes[state])
        return
    with database.superuser() as connection:
        connection.execute(statements[state], [user.id])


numbers = st.one_of(
    st.integers(1, 40),
    st.sampled_from([0, -1, 32, 33, 64, 999_999, 1_000_000, 1_000_001, 10**9, 2**31 - 1, 2**31, 10**12]),
)


@settings(max_examples=100, deadline=None)
@given(
    kind=st.one_of(st.just("good"), st.sampled_from(sorted(TOKENS))),
    states=st.one_of(st.just(frozenset[str]()), st.frozensets(st.sampled_from(STATES), max_size=3)),
    confirmed=st.sampled_from([True, True, True, False]),
    limit=st.one_of(st.none(), st.just(0), st.integers(1, 60)),
    granted=st.one_of(st.just(0), st.integers(1, 40)),
    used=st.one_of(st.just(0), st.integers(1, 60)),
    ticks=numbers,
)
def test_explain_says_what_the_gate_answers(
    stage: Stage,
    kind: str,
    states: frozenset[str],
    confirmed: bool,
    limit: int | None,
    granted: int,
    used: int,
    ticks: int,
) -> None:
    """Status, code, body and headers, over tokens, accounts and days; nothing is taken for it."""
    database = stage.act.database
    user = database.add_user(limit=limit)
    if used:
        stage.act.post(user, used)
    if granted:
        stage.quotas.grant(user.id, granted)
    if not confirmed:
        database.change_user(user, email_confirmed_at=None)
    token = TOKENS[kind](stage.where, user)
    for state in sorted(states):
        befall(database, user, state)
    stage.compare(token, ticks, user)


def failing(found: Explanation) -> StepName:
    """Return the one step that decided; all before it have passed, and none after it was reached."""
    results = list(found.steps.values())
    place = next(place for place, result in enumerate(results) if result is not StepResult.PASS)
    assert set(results[place + 1 :]) <= {StepResult.NOT_REACHED}
    assert sorted(found.steps) == sorted(StepName)
    return list(found.steps)[place]


@pytest.mark.parametrize(
    ("kind", "step", "code"),
    [
        ("no JWT", "header", "malformed"),
        ("too long", "header", "malformed"),
        ("publishable key", "header", "api_key"),
        ("tampered", "signature", "bad_signature"),
        ("wrong secret", "signature", "bad_signature"),
        ("expired", "claims", "expired"),
        ("no session", "claims", "missing_claim"),
        ("third party", "claims", "not_a_user_token"),
        ("ten years", "claims", "lifetime_too_long"),
        ("denied by the hook", "confirmation", "email_not_confirmed"),
        ("rubbish by the hook", "confirmation", "malformed_claim"),
        ("other session", "session", "session_revoked"),
    ],
)
def test_a_bad_token_fails_at_its_step(stage: Stage, kind: str, step: str, code: str) -> None:
    """And at no other."""
    user = stage.act.database.add_user()
    found = stage.compare(TOKENS[kind](stage.where, user), 1, user)
    assert (failing(found), found.code) == (step, code)


@pytest.mark.parametrize(
    ("state", "step", "code"),
    [
        ("banned", "account", "user_banned"),
        ("deleted", "account", "user_deleted"),
        ("gone", "account", "user_deleted"),
        ("session ended", "session", "session_revoked"),
        ("session over", "session", "session_revoked"),
        ("anonymous", "confirmation", "anonymous"),
    ],
)
def test_what_befell_the_account_fails_at_its_step(stage: Stage, state: str, step: str, code: str) -> None:
    """The token is still good."""
    user = stage.act.database.add_user()
    token = token_of(stage.where, user)
    befall(stage.act.database, user, state)
    found = stage.compare(token, 1, user)
    assert (failing(found), found.code) == (step, code)


@pytest.mark.parametrize(
    ("kind", "state"), [("with Bearer", None), ("confirmed by the hook", None), ("good", "ban over")]
)
def test_what_is_no_obstacle_is_none(stage: Stage, kind: str, state: str | None) -> None:
    """The word before the token, what the hook adds, and a ban that is over."""
    user = stage.act.database.add_user()
    token = TOKENS[kind](stage.where, user)
    if state:
        befall(stage.act.database, user, state)
    assert stage.compare(token, 1, user).admitted


@pytest.mark.parametrize(
    ("limit", "ticks", "code"), [(0, 1, "cost_exceeds_limit"), (5, 6, "cost_exceeds_limit"), (5, 5, "quota_exhausted")]
)
def test_too_few_ticks_fail_at_the_quota(stage: Stage, limit: int, ticks: int, code: str) -> None:
    """With the numbers that decide."""
    user = stage.act.database.add_user(limit=limit)
    stage.act.post(user, 2)
    found = stage.compare(token_of(stage.where, user), ticks, user)
    assert (failing(found), found.code) == ("quota", code)
    assert found.consumption is not None
    assert found.consumption.daily_tick_limit == limit
    assert found.consumption.ticks_used == stage.act.used(user)


def test_the_unconfirmed_are_let_through_where_that_is_allowed(stage: Stage) -> None:
    """And by no other gate."""
    user = stage.act.database.add_user(confirmed=False)
    policy = policy_of(stage.where, require_confirmed=False)
    found = stage.explainer(policy=policy).of_token(token_of(stage.where, user), 1)
    assert found.admitted
    refused = stage.compare(token_of(stage.where, user), 1, user)
    assert (failing(refused), refused.code) == ("confirmation", "email_not_confirmed")


def test_a_lower_largest_cost_is_seen(stage: Stage) -> None:
    """Whatever `tick.settings` says."""
    user = stage.act.database.add_user(limit=None)
    token = token_of(stage.where, user)
    stage.act.database.run("update tick.settings set largest_cost = 50")
    try:
        found = stage.compare(token, 51, user)
    finally:
        stage.act.database.run("update tick.settings set largest_cost = default")
    assert (failing(found), found.code) == ("ticks", "invalid_ticks")


def test_without_its_database_the_gate_can_t_tell(where: Where, stage: Stage) -> None:
    """An outage is 503, and blames neither user nor token."""
    nowhere = Secret("postgresql://authenticator@127.0.0.1:1/postgres")
    token = token_of(where, stage.act.database.add_user())
    store = AsyncPostgresFunctions(nowhere, timeout=UNHURRIED)
    with scene(where, store=store, close=store.aclose) as act, PostgresFunctions(nowhere) as functions:
        found = stage.explainer(functions=functions).of_token(token, 1)
        reply = act.post(token)
    assert found.problem is not None
    assert (reply.status_code, reply.json()) == (503, json.loads(found.problem.body()))
    assert found.problem.fields(b"")["Retry-After"] == reply.headers["Retry-After"]
    assert (found.admitted, failing(found)) == (None, "account")
    assert found.hint


def test_without_keys_the_gate_can_t_tell(stage: Stage) -> None:
    """As with an unknown key."""
    user = stage.act.database.add_user()
    found = stage.explainer(keys=Keyless()).of_token(token_of(stage.where, user), 1)
    assert (found.admitted, found.code, failing(found)) == (None, "unreachable", "signature")
    assert found.problem is not None
    assert found.problem.status == 503


def test_who_asks_nobody_tells_only_what_the_token_says(stage: Stage) -> None:
    """A bad token is refused all the same; for what isn't known there is no status."""
    user = stage.act.database.add_user()
    alone = stage.explainer(functions=None)
    good = alone.of_token(token_of(stage.where, user), 1)
    assert (good.admitted, good.problem) == (None, None)
    assert failing(good) == "account"
    assert alone.of_token(TOKENS["expired"](stage.where, user), 1).code == "expired"
    blind = stage.explainer(functions=None, keys=Keyless()).of_token(token_of(stage.where, user), 1)
    assert (blind.admitted, blind.problem) == (None, None)


@pytest.mark.parametrize("state", [None, "banned", "ban over", "anonymous", "session ended"])
def test_a_user_without_a_token_is_explained_as_one_who_is_signed_in(stage: Stage, state: str | None) -> None:
    """What a token would say is taken for granted, so an ended session doesn't matter."""
    database = stage.act.database
    user = database.add_user(limit=5)
    if state:
        befall(database, user, state)
    found = explain_user(5, lambda: stage.quotas.explain(user.id, 5))
    expected = {"banned": "user_banned", "anonymous": "anonymous"}
    assert found.code == expected.get(state or "", "granted")
    assumed = [name for name, result in found.steps.items() if result is StepResult.ASSUMED]
    assert assumed[:3] == ["header", "signature", "claims"]
    assert stage.act.used(user) == 0
    for ticks in (0, 1_000_001):
        assert explain_user(ticks, lambda: stage.quotas.explain(user.id, 1_000_001)).code == "invalid_ticks"


def test_only_operators_explain_other_users(stage: Stage) -> None:
    """With a user's own token it is refused, and the operator is who the next call is of."""
    user, other = stage.act.database.add_user(), stage.act.database.add_user()
    nosy = QuotaAdmin(stage.store, "tester@host", caller=SignedInUser(user.claims, Secret(token_of(stage.where, user))))
    with pytest.raises(CredentialsRefusedError):
        nosy.explain(other.id, 1)
    stage.quotas.explain(other.id, 1)
    assert stage.quotas.show(other.id).user_id == other.id


def test_the_token_is_judged_as_of_the_time_asked_about(stage: Stage) -> None:
    """Yesterday's token was good yesterday; the gate of today refuses it."""
    user = stage.act.database.add_user()
    explainer, now = stage.explainer(), time.time()
    token = token_of(stage.where, user)
    assert explainer.of_token(token, 1, at=now + 2 * HOUR).code == "expired"
    assert explainer.of_token(token, 1, at=now - 2 * HOUR).code == "not_yet_valid"
    assert explainer.of_token(token, 1, at=now).code == "granted"


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_whatever_is_no_token_is_refused_without_being_repeated(stage: Stage, text: str) -> None:
    """Garbage, line breaks and foreign bytes among it."""
    found = stage.explainer().of_token(text, 1)
    assert found.admitted is False
    assert failing(found) == "header"
    if len(text) > 12:
        assert text not in found.message
