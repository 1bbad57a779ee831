"""A gateway and a database that don't agree, as during an upgrade: 503, the log says why, and nothing is charged."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway_support import Scene, Where, database_of, gate_over, policy_of, scene, store_over, token_of
from quota_support import Database, User
from schema_support import apply, connected
from standin import standing_in
from tickctl.core.json import JsonObject
from tickctl.core.quota import AsyncSqlFunctions, Caller

FIRST_SCHEMA = (Path(__file__).parents[1] / "data" / "first_schema.sql").read_bytes()
OLDER_ARGUMENTS = {"ticks", "request_key", "request_digest", "require_confirmed"}
NOT_IN_THE_DATABASE = (
    "the store could not decide: configuration: "
    "the database lacks tickctl's tables and functions, or has those of another version"
)
NOT_IN_THE_API = (
    "the store could not decide: unreachable: "
    "the project's API does not know this function of tickctl, or not with these arguments (PGRST202)"
)


@dataclass
class OlderStore:
    """Calls `consume_ticks` as gateways did before charges had an id of the gateway's making."""

    store: AsyncSqlFunctions

    async def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Leave out the newer arguments; a grant has whatever id the database gave it."""
        assert name == "consume_ticks"
        older = {argument: value for argument, value in arguments.items() if argument in OLDER_ARGUMENTS}
        rows = await self.store.call(name, older, caller=caller)
        return [{**row, "charge_id": arguments["charge_id"]} for row in rows]


@contextmanager
def gateway(where: Where, *, older: bool = False) -> Iterator[Scene]:
    """Serve a gate of this version or the older one, with prepared statements as `build_gate` has them."""
    store = store_over(where, **({"prepare": True} if isinstance(where, Database) else {}))
    asked = OlderStore(store) if older else store
    with scene(where, gate=gate_over(where, store=asked, close=store.aclose)) as act:
        yield act


def check_refused(act: Scene, user: User, caplog: pytest.LogCaptureFixture) -> None:
    """Send requests with and without a key: the client gets 503, the log has the reason, and the handler nothing."""
    why = NOT_IN_THE_DATABASE if isinstance(act.where, Database) else NOT_IN_THE_API
    seen, used = len(act.handler.seen), act.used(user)
    for headers in ({}, {"Idempotency-Key": '"a"'}):
        caplog.clear()
        reply = act.post(user, 3, headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (503, "unreachable")
        assert int(reply.headers["Retry-After"]) > 0
        assert [line for line in caplog.messages if line.startswith("the store could not decide")] == [why]
    assert (len(act.handler.seen), act.used(user)) == (seen, used)


@pytest.fixture(params=["pool", "API"])
def before(request: pytest.FixtureRequest, bare_database: Database) -> Iterator[Where]:
    """A database that an older version has set up, or a project over it."""
    with connected(bare_database) as connection:
        connection.execute(FIRST_SCHEMA)
    if request.param == "pool":
        yield bare_database
        return
    with standing_in(bare_database) as project:
        yield project


def test_an_older_gateway_charges_nothing_and_its_log_says_why(where: Where, caplog: pytest.LogCaptureFixture) -> None:
    """It calls a function that the database no longer has."""
    user = database_of(where).add_user()
    with gateway(where, older=True) as act:
        check_refused(act, user, caplog)
    assert database_of(where).ledger(user) == {}


def test_an_upgrade_in_its_order(before: Where, caplog: pytest.LogCaptureFixture) -> None:
    """First the schema, then the gateways: in between all is refused, and what was counted before stays."""
    database = database_of(before)
    user = database.add_user(limit=10)
    with gateway(before, older=True) as act:
        assert act.post(user, 2, headers={"Idempotency-Key": '"old"'}).status_code == 202
        apply(database)
        check_refused(act, user, caplog)
    with gateway(before) as act:
        assert act.post(user, 3, headers={"Idempotency-Key": '"a"'}).status_code == 202
        assert act.post(user, 6).status_code == 429
        assert act.post(user, 2, headers={"Idempotency-Key": '"old"'}).json()["code"] == "already_accepted"
        assert act.used(user) == 5


def test_a_gateway_that_was_upgraded_too_early_waits_for_its_schema(
    before: Where, caplog: pytest.LogCaptureFixture
) -> None:
    """It refuses everything, and goes on by itself once the schema is there."""
    database = database_of(before)
    user = database.add_user()
    with gateway(before) as act:
        check_refused(act, user, caplog)
        apply(database)
        assert act.post(user, 3, headers={"Idempotency-Key": '"a"'}).status_code == 202
        assert act.used(user) == 3


def test_a_schema_that_is_applied_again_interrupts_nobody(database: Database) -> None:
    """All functions are made anew under a gateway's prepared statements."""
    user = database.add_user()
    with gateway(database) as act:
        assert act.post(user).status_code == 202
        database.run("update tick.migration set digest = 'old' where name like 'functions/%'")
        apply(database)
        assert act.post(user).status_code == 202
        assert act.used(user) == 2


def test_another_audience_than_the_databases(standin_or_pool: Where, caplog: pytest.LogCaptureFixture) -> None:
    """What the gateway's settings allow, the database's still refuse; set there as well, it works without a restart."""
    where, user = standin_or_pool, database_of(standin_or_pool).add_user()
    token = token_of(where, user, aud="shop")
    with scene(where, policy=policy_of(where, audience="shop")) as act:
        assert act.post(token).status_code == 503
        assert "the token is for another audience" in caplog.text
        act.database.run("update tick.settings set audience = 'shop'")
        assert act.post(token).status_code == 202
        assert act.used(user) == 1


@pytest.fixture(params=["pool", "API"])
def standin_or_pool(request: pytest.FixtureRequest) -> Where:
    """Either store, over a database of the test's own."""
    where: Where = request.getfixturevalue("database" if request.param == "pool" else "standin")
    return where
