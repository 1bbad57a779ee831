"""Settlements over both stores with a real database behind them: each charge is settled once, whatever breaks."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql

from async_support import run, until
from gateway_support import store_over, token_of
from quota_support import Database, User
from standin import Fault, StandIn
from tickctl.core.quota import AsyncSqlFunctions, SignedInUser, refund_digest
from tickctl.core.quota.asynchronous import consume
from tickctl.core.secret import Secret
from tickctl.gateway import Charge, Settler

REFUND = Secret("what only the gateway knows")
RPC = "/rest/v1/rpc/settle_ticks"


@dataclass
class Place:
    """A store with a user."""

    where: Database | StandIn
    database: Database
    user: User

    def caller(self) -> SignedInUser:
        """Return the user as the store wants callers."""
        if isinstance(self.where, Database):
            return self.user.caller
        claims = self.user.claims
        return SignedInUser(claims, Secret(token_of(self.where, self.user)))

    @asynccontextmanager
    async def settling(self, **options: Any) -> AsyncIterator[tuple[AsyncSqlFunctions, Settler]]:
        """Open the store and a settler over it."""
        store = store_over(self.where, timeout=options.pop("store_timeout", 10.0))
        settler = Settler(store, **({"timeout": 10.0, "sleep": shortly} | options))
        try:
            yield store, settler
        finally:
            await settler.aclose()
            await store.aclose()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Let nobody reach the database."""
        if isinstance(self.where, Database):
            with unavailable(self.where):
                yield
        else:
            with self.where.faults.troubled(Fault(hang_up=True), "/rest"):
                yield

    def used(self) -> tuple[int, int]:
        """Return what is counted as used, and what the charges add up to."""
        [day] = self.database.ledger(self.user).values()
        return day


async def shortly(_seconds: float) -> None:
    """Pause as little as lets others go on."""
    await asyncio.sleep(0.001)


@contextmanager
def unavailable(database: Database) -> Iterator[None]:
    """Refuse connections to a database, and end those that there are."""
    name = sql.Identifier(database.name)
    elsewhere = psycopg.conninfo.make_conninfo(database.superuser_url, dbname="template1")
    with psycopg.connect(elsewhere, autocommit=True) as connection:
        connection.execute(sql.SQL("alter database {} with allow_connections false").format(name))
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [database.name])
        try:
            yield
        finally:
            connection.execute(sql.SQL("alter database {} with allow_connections true").format(name))


@pytest.fixture(params=["pool", "API"])
def place(request: pytest.FixtureRequest) -> Place:
    """Either store, over a database of the test's own."""
    if request.param == "pool":
        database: Database = request.getfixturevalue("database")
        return Place(database, database, database.add_user())
    standin: StandIn = request.getfixturevalue("standin")
    return Place(standin, standin.database, standin.database.add_user())


async def charged(place: Place, store: AsyncSqlFunctions, ticks: int) -> Charge:
    """Take ticks of the user."""
    charge_id = str(uuid.uuid4())
    await consume(store, place.caller(), ticks, charge_id=charge_id, refund=refund_digest(REFUND))
    return Charge(charge_id, ticks, REFUND, Settler(store))


def test_charges_are_settled_by_hand_and_in_the_background(place: Place) -> None:
    """What was not used comes back into the day, once."""

    async def scene() -> None:
        async with place.settling() as (store, settler):
            charges = [await charged(place, store, 4) for _ in range(8)]
            assert place.used() == (32, 32)
            await settler.settle(charges[0].id, 1, REFUND)
            assert place.used() == (29, 29)
            for charge in charges[1:]:
                settler.submit(charge.id, 0, REFUND)
            assert await settler.aclose() == ()
            assert (settler.settled, settler.lost) == (8, 0)

    run(scene)
    assert place.used() == (1, 1)


def test_an_outage_is_sat_out(place: Place) -> None:
    """Settlements wait, by hand or not, and go through when the database is back, without a restart."""

    async def scene() -> None:
        async with place.settling() as (store, settler):
            charges = [await charged(place, store, 8) for _ in range(3)]
            with place.down():
                settler.submit(charges[0].id, 0, REFUND)
                await settler.settle(charges[1].id, 5, REFUND)
                await until(lambda: settler.retried > 5)
                assert (settler.waiting, settler.settled) == (2, 0)
            settler.submit(charges[2].id, 7, REFUND)
            await until(lambda: settler.waiting == 0)
            assert (settler.settled, settler.lost) == (3, 0)

    run(scene)
    assert place.used() == (12, 12)


def test_what_an_outage_leaves_at_the_end_is_named(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """And the statement in the log does it by hand."""
    kept: list[str] = []

    async def scene() -> None:
        async with place.settling(drain_seconds=0.05) as (store, settler):
            charge = await charged(place, store, 8)
            kept.append(charge.id)
            with place.down():
                settler.submit(charge.id, 2, REFUND)
                assert await settler.aclose() == (charge.id,)

    run(scene)
    assert place.used() == (8, 8)
    [line] = [record.getMessage() for record in caplog.records if record.getMessage().startswith("charge ")]
    assert kept[0] in line
    place.database.run(line.rpartition("by hand: ")[2])
    assert place.used() == (2, 2)


def test_a_lost_answer_settles_no_charge_twice(standin: StandIn) -> None:
    """The database did it, and nobody heard of it."""
    place = Place(standin, standin.database, standin.database.add_user())

    async def scene() -> None:
        async with place.settling() as (store, settler):
            charge = await charged(place, store, 8)
            with standin.faults.troubled(Fault(hang_up=True, after=True), RPC):
                settler.submit(charge.id, 3, REFUND)
                await until(lambda: settler.retried > 2)
            await until(lambda: settler.waiting == 0)
            assert settler.settled == 1

    run(scene)
    assert place.used() == (3, 3)


def test_a_store_that_hangs_keeps_nobody(standin: StandIn) -> None:
    """Neither who settles by hand for longer than an attempt takes, nor the end."""
    place = Place(standin, standin.database, standin.database.add_user())

    async def scene() -> None:
        async with place.settling(timeout=0.1, drain_seconds=0.1) as (store, settler):
            charge = await charged(place, store, 8)
            with standin.faults.troubled(Fault(silent=True), RPC):
                await settler.settle(charge.id, 3, REFUND)
                assert settler.waiting == 1
                assert await settler.aclose() == (charge.id,)

    run(scene)


def test_a_charge_that_never_was_is_said_and_dropped(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """As when the user was deleted in between; nobody has to do anything."""

    async def scene() -> None:
        async with place.settling() as (_, settler):
            missing = str(uuid.uuid4())
            await settler.settle(missing, 0, REFUND)
            assert (settler.settled, settler.lost, settler.waiting) == (0, 1, 0)
            assert missing in caplog.text

    run(scene)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_more_than_was_charged_is_dropped(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """The database says no to it each time."""

    async def scene() -> None:
        async with place.settling() as (store, settler):
            charge = await charged(place, store, 8)
            settler.submit(charge.id, 9, REFUND)
            await until(lambda: settler.waiting == 0)
            assert (settler.settled, settler.lost, settler.retried) == (0, 1, 0)

    run(scene)
    assert "ticks_actual must be from 0 to the ticks charged" in caplog.text
    assert place.used() == (8, 8)


@pytest.mark.parametrize("secret", ["another", "", REFUND.reveal().upper()])
def test_a_wrong_secret_gives_nothing_back(place: Place, secret: str) -> None:
    """Whoever brings it, and as if there were no such charge."""

    async def scene() -> None:
        async with place.settling() as (store, settler):
            charge = await charged(place, store, 8)
            await settler.settle(charge.id, 0, Secret(secret))
            assert (settler.settled, settler.lost) == (0, 1)
            assert place.used() == (8, 8)
            await settler.settle(charge.id, 0, REFUND)

    run(scene)
    assert place.used() == (0, 0)


def test_refunds_of_a_day_are_bounded(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """A user who makes requests fail on purpose comes to an end; operators may go on."""
    place.database.run("update tick.settings set most_refunds = 2")
    charges: list[Charge] = []

    async def scene() -> None:
        async with place.settling() as (store, settler):
            charges.extend([await charged(place, store, 2) for _ in range(3)])
            for charge in charges:
                await settler.settle(charge.id, 0, REFUND)
            assert (settler.settled, settler.lost) == (2, 1)

    run(scene)
    assert place.used() == (2, 2)
    assert "most_refunds" in caplog.text
    place.database.run(f"select public.settle_ticks('{charges[2].id}', 0)")
    assert place.used() == (0, 0)


def test_settlements_and_requests_do_not_get_into_each_others_way(place: Place) -> None:
    """Many at once, on one user's day: no deadlock, and the sum is right."""

    async def scene() -> None:
        async with place.settling() as (store, settler):

            async def one(number: int) -> None:
                charge = await charged(place, store, 2)
                if number % 2:
                    await settler.settle(charge.id, 1, REFUND)
                else:
                    settler.submit(charge.id, 0, REFUND)

            await asyncio.gather(*(one(number) for number in range(16)))
            assert await settler.aclose() == ()

    run(scene)
    assert place.used() == (8, 8)
