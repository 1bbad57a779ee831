"""What a gate answers for every cause there is, over real sockets and both stores; `gateway_causes` is the table."""

import ast
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import http_sf
import httpx
import jsonschema
import pytest

import tickctl.gateway
from gateway_causes import CAUSES, GRANTED, INTERNAL, Cause
from gateway_support import SECRET, UNHURRIED, Scene, Where, database_of, scene
from quota_support import Database
from source_support import tree_of
from tickctl.core.quota import Decision
from tickctl.core.tokens import Reason
from tickctl.gateway import EXPOSED_HEADERS, GateOptions, Settler
from tickctl.gateway.refusals import DECISIONS, VERDICTS

PAGE = "https://app.example"
SCHEMA = json.loads((Path(__file__).parents[1] / "data" / "problem.schema.json").read_text())

# RFC 9110 section 11.2: tokens and quoted strings; quoted ones without a character that could end one.
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = rf'({_TOKEN})="([\x20\x21\x23-\x5b\x5d-\x7e]*)"'
_CHALLENGE = re.compile(rf"Bearer(?: {_PARAMETER}(?:, {_PARAMETER})*)?")

# What a verifier says only when it asks a directory; the gate asks the database once, which says it as a decision.
_ONLINE = {Reason.SESSION_REVOKED, Reason.USER_BANNED, Reason.USER_DELETED}


@pytest.fixture(scope="module")
def usual(where: Where) -> Iterator[Scene]:
    """A gate with the usual options."""
    with scene(where) as made:
        made.client.headers["Origin"] = PAGE
        yield made


@pytest.fixture
def act(request: pytest.FixtureRequest, where: Where, usual: Scene, cause: Cause) -> Iterator[Scene]:
    """The usual gate, or the one that the cause needs."""
    if not cause.options and not cause.more:
        yield usual
        return
    options = GateOptions(**({"timeout": UNHURRIED} | cause.options))
    more = dict(cause.more)
    if "store" in more:  # which may never say what became of a charge: the end must not wait for that
        more["settler"] = Settler(more["store"], drain_seconds=0.1)
    with scene(where, options=options, **more) as made:
        made.client.headers["Origin"] = PAGE
        yield made


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: f"{cause.status}-{cause.code}-{cause.name}")
def test_each_cause_has_its_answer(act: Scene, cause: Cause, caplog: pytest.LogCaptureFixture) -> None:
    """The status, the document, the headers; what is refused is neither charged nor carried out; no secret is told."""
    send = cause.prepare(act)
    caplog.set_level(logging.DEBUG)
    before = charges(act), len(act.handler.seen), len(act.observed)
    reply = send()
    assert reply.status_code == cause.status, reply.text
    granted = int(cause.code == GRANTED)
    assert (charges(act), len(act.handler.seen)) == (before[0] + granted, before[1] + granted)
    (observation,) = act.observed[before[2] :]
    assert (observation.decision, observation.status) == (cause.code, None if granted else cause.status)
    if not granted:
        check_problem(reply, cause.code)
    check_quota_headers(reply, cause)
    check_challenge(reply)
    check_exposure(reply)
    check_silence(reply, caplog.text, act)


def charges(act: Scene) -> int:
    """Return how many charges there are."""
    with database_of(act.where).owner() as connection:
        row = connection.execute("select count(*) as n from tick.charge").fetchone()
    assert row is not None
    return int(row["n"])


def check_problem(reply: httpx.Response, code: str) -> None:
    """Check the document (RFC 9457 section 3) and that nobody keeps it."""
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.headers["Cache-Control"] == "no-store"
    document = reply.json()
    jsonschema.validate(document, SCHEMA)
    assert document["code"] == code
    assert document["status"] == reply.status_code
    assert reply.headers["Content-Length"] == str(len(reply.content))


def check_quota_headers(reply: httpx.Response, cause: Cause) -> None:
    """Check RateLimit, RateLimit-Policy and Retry-After: which are there, and that they are well-formed and agree."""
    of_quota = cause.code in {"quota_exhausted", "cost_exceeds_limit"}
    telling = of_quota or (cause.code == GRANTED and cause.name != "unlimited")
    assert ("RateLimit" in reply.headers, "RateLimit-Policy" in reply.headers) == (telling, telling)
    waiting = (
        cause.status == 503 or cause.code in {"quota_exhausted", "too_many_at_once"} or cause.of is Decision.UNDER_WAY
    )
    assert ("Retry-After" in reply.headers) is waiting
    if waiting:
        assert re.fullmatch(r"[1-9][0-9]*", reply.headers["Retry-After"])
    if not telling:
        return
    ((policy, quota),) = http_sf.parse(reply.headers["RateLimit-Policy"].encode(), tltype="list")
    ((name, left),) = http_sf.parse(reply.headers["RateLimit"].encode(), tltype="list")
    assert policy == name == "daily-ticks"
    assert set(quota) == {"q", "w"}
    assert set(left) == {"r", "t"}
    assert all(type(value) is int and value >= 0 for value in (*quota.values(), *left.values()))
    assert left["r"] <= quota["q"]
    assert 0 < left["t"] <= 90_000
    if cause.status == 429:
        assert reply.json()["violated-policies"] == [name]
    if waiting:
        assert int(reply.headers["Retry-After"]) >= left["t"]


def check_challenge(reply: httpx.Response) -> None:
    """Check WWW-Authenticate: with 401 always, with 400 for credentials, never else (RFC 6750 section 3)."""
    challenge = reply.headers.get_list("WWW-Authenticate")
    if not challenge:
        assert reply.status_code != 401
        return
    (value,) = challenge
    assert reply.status_code in {400, 401}
    assert _CHALLENGE.fullmatch(value), value
    parameters = dict(re.findall(_PARAMETER, value))
    match reply.json()["code"]:
        case "no_credentials":
            assert not parameters
        case "several_credentials":
            assert parameters["error"] == "invalid_request"
        case _:
            assert parameters["error"] == "invalid_token"


def check_exposure(reply: httpx.Response) -> None:
    """Check that the script of a page may read the headers that tell it when to come back."""
    assert reply.request.headers["Origin"] == PAGE
    exposed = {name.strip() for name in reply.headers.get("Access-Control-Expose-Headers", "").split(",")}
    assert exposed >= set(EXPOSED_HEADERS)
    assert exposed >= {"RateLimit", "RateLimit-Policy", "Retry-After"}


def check_silence(reply: httpx.Response, log: str, act: Scene) -> None:
    """Check that neither the answer nor a log at its most talkative repeats what is nobody's business."""
    told = "\n".join([reply.text, *map(":".join, reply.headers.items()), log])
    credentials = " ".join(reply.request.headers.get_list("Authorization"))
    # A word of a token, or a part of one that proves something: the payload alone is not secret, but personal.
    secrets = {part for part in re.split(r"[\s,.]+", credentials) if len(part) > 12}
    secrets |= {SECRET} if isinstance(act.where, Database) else {act.where.jwt_secret, act.where.anon_key}
    assert not [secret for secret in secrets if secret in told]
    assert INTERNAL not in reply.text


def test_without_a_page_nothing_is_exposed(usual: Scene) -> None:
    """Whoever isn't a page's script needs no permission, and caches needn't vary."""
    del usual.client.headers["Origin"]
    try:
        user = usual.database.add_user(limit=1)
        replies = [usual.post(user), usual.post(user), usual.post(None)]
    finally:
        usual.client.headers["Origin"] = PAGE
    assert [reply.status_code for reply in replies] == [202, 429, 401]
    assert not any("Access-Control-Expose-Headers" in reply.headers for reply in replies)


def test_the_table_has_a_row_for_every_reason_and_decision() -> None:
    """Those that a request can meet; and the maps of the gateway know all of them."""
    met = {cause.of for cause in CAUSES}
    assert met >= set(Decision)
    assert met >= set(Reason) - _ONLINE
    assert set(VERDICTS) == set(Reason)
    assert set(DECISIONS) == set(Decision)


def test_the_table_has_a_row_for_every_code_with_its_status() -> None:
    """Every code that the sources name, and none besides."""
    told = {(cause.status, cause.code) for cause in CAUSES if cause.code != GRANTED}
    codes = {code for _, code in told}
    assert len(codes) == len(told), "a code has one status"
    assert codes == codes_in_the_sources() | {reason.value for reason, status in VERDICTS.items() if status is not None}


def codes_in_the_sources() -> set[str]:
    """Return the codes that are written down in the package: arguments of problems, and the table of decisions."""
    found = {row[1] for row in DECISIONS.values() if row is not None}
    places = {"Problem": 1, "invalid_token": 0, "cannot_tell": 1}
    for path in sorted(Path(tickctl.gateway.__file__).parent.glob("*.py")):
        for node in ast.walk(tree_of(path)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in places):
                continue
            place = places[node.func.id]
            value: Any = node.args[place] if len(node.args) > place else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found.add(value.value)
    return found
