"""The gateway's own user: signed in at a real Auth server's stand-in, and believed by the database."""

import asyncio
import logging
import threading

import pytest

from async_support import run, until
from standin import PASSWORD, Fault, StandIn, json_answer
from standin.auth import AuthConfig
from tickctl.adapters.api import AsyncApiFunctions
from tickctl.adapters.auth_api import AuthApi
from tickctl.adapters.gateway_identity import GatewayUser
from tickctl.core.quota import SettleOutcome, SignedInUser
from tickctl.core.quota.asynchronous import consume, settle
from tickctl.core.secrets import Secret
from tickctl.errors import ConfigurationError, CredentialsRefusedError, TickctlError, UnreachableError
from tickctl.gateway.settling import Settler
from tickctl.settings import load

EMAIL = "gateway@example.com"
TOKEN = "/auth/v1/token"


@pytest.fixture(autouse=True)
def gateway_user(standin: StandIn) -> str:
    """The gateway's user, as the guide has it made; returns the id."""
    user_id = standin.add_user(EMAIL)
    standin.change_user(user_id, app_metadata={"role": "tick_gateway"})
    return user_id


def identity(standin: StandIn, password: str = PASSWORD, timeout: float = 5.0) -> GatewayUser:
    """Return the gateway's user by the stand-in's clock."""
    auth = AuthApi(standin.url, Secret(standin.anon_key), timeout=timeout, clock=standin.clock)
    return GatewayUser(auth, EMAIL, Secret(password), clock=standin.clock)


def sign_ins(standin: StandIn) -> list[str]:
    """Return how sessions were asked for."""
    grants = ("password", "refresh_token")
    paths = [request.target for request in standin.faults.requests if request.path.startswith(TOKEN)]
    return [grant for path in paths for grant in grants if path.endswith(f"grant_type={grant}")]


async def charged(standin: StandIn, store: AsyncApiFunctions, ticks: int = 10) -> str:
    """Return a charge of some user."""
    user = SignedInUser({}, Secret(standin.token(standin.new_user())))
    charge_id = (await consume(store, user, ticks)).charge_id
    assert charge_id is not None
    return charge_id


def test_the_database_lets_it_settle(standin: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    """What no user may, over the same API and with the same publishable key; and there is nothing to warn of."""

    async def scene() -> None:
        async with AsyncApiFunctions(standin.url, Secret(standin.anon_key)) as store:
            charge_id = await charged(standin, store)
            gateway = identity(standin)
            settlement = await settle(store, await gateway.caller(), charge_id, 3)
            assert (settlement.outcome, settlement.ticks_settled) == (SettleOutcome.SETTLED, 3)
            assert (await gateway.caller()).claims["app_metadata"] == {
                "provider": "email",
                "providers": ["email"],
                "role": "tick_gateway",
            }

    run(scene)
    assert caplog.records == []


def test_a_session_is_begun_once_and_renewed_once(standin: StandIn) -> None:
    """However many ask at the same moment: a refresh token that is spent twice ends the session."""

    async def scene() -> None:
        gateway = identity(standin)
        first = set(await asyncio.gather(*(token_of(gateway) for _ in range(20))))
        standin.clock.advance(3600 - 61)
        assert {await token_of(gateway)} == first
        standin.clock.advance(2)
        renewed = set(await asyncio.gather(*(token_of(gateway) for _ in range(20))))
        assert len(first) == len(renewed) == 1
        assert first != renewed

    before = len(sign_ins(standin))
    run(scene)
    assert sign_ins(standin)[before:] == ["password", "refresh_token"]


def test_a_token_of_a_short_life_is_renewed_at_half_of_it(standin: StandIn) -> None:
    """A margin of a minute would ask for a new one each time."""
    standin.auth_server.config = AuthConfig(jwt_expiry=40)

    async def scene() -> None:
        gateway = identity(standin)
        for _ in range(3):
            await gateway.caller()
            standin.clock.advance(19)
            await gateway.caller()
            standin.clock.advance(2)

    run(scene)
    assert sign_ins(standin) == ["password", "refresh_token", "refresh_token"]


async def token_of(gateway: GatewayUser) -> str:
    """Return the token that it would show."""
    return (await gateway.caller()).token.reveal()


def test_a_session_that_is_over_is_begun_anew(standin: StandIn, gateway_user: str) -> None:
    """Somebody signed the user out everywhere, or it was away for too long."""

    async def scene() -> None:
        gateway = identity(standin)
        await gateway.caller()
        end_sessions(standin, gateway_user)
        standin.clock.advance(3600)
        await gateway.caller()

    run(scene)
    assert sign_ins(standin) == ["password", "refresh_token", "password"]


def end_sessions(standin: StandIn, user_id: str) -> None:
    """Sign a user out everywhere."""
    with standin.database.superuser() as connection:
        connection.execute("delete from auth.sessions where user_id = %s", [user_id])


def test_a_token_that_the_database_refuses_is_not_shown_again(standin: StandIn, gateway_user: str) -> None:
    """It would be good for an hour by its own words."""

    async def scene() -> None:
        async with AsyncApiFunctions(standin.url, Secret(standin.anon_key)) as store:
            giving_back = Settler(store, identity(standin), sleep=no_sleep)
            await giving_back.settle(await charged(standin, store), 0)
            end_sessions(standin, gateway_user)
            giving_back.submit(await charged(standin, store), 0)
            await until(lambda: not giving_back.waiting)
            assert (giving_back.settled, giving_back.retried) == (2, 1)
            await giving_back.aclose()

    run(scene)


async def no_sleep(_seconds: float) -> None:
    """Go on at once."""
    await asyncio.sleep(0)


def test_another_token_that_was_refused_is_no_reason_to_renew(standin: StandIn) -> None:
    """Several calls are refused with one token, and the second hears of it when there is a new one."""

    async def scene() -> None:
        gateway = identity(standin)
        old = await gateway.caller()
        gateway.refused(old)
        standin.clock.advance(1)  # Auth's tokens of one second are the same
        new = await gateway.caller()
        gateway.refused(old)
        assert (await gateway.caller()).token == new.token

    run(scene)
    assert sign_ins(standin) == ["password", "refresh_token"]


@pytest.mark.parametrize("change", [{"ban_duration": "24h"}, None], ids=["banned", "deleted"])
def test_a_user_out_of_good_standing_settles_nothing(
    standin: StandIn, gateway_user: str, change: dict[str, str] | None
) -> None:
    """At once, whatever the token says; and neither is the session continued."""

    async def scene() -> None:
        async with AsyncApiFunctions(standin.url, Secret(standin.anon_key)) as store:
            gateway = identity(standin)
            caller = await gateway.caller()
            charge_id = await charged(standin, store)
            if change:
                standin.change_user(gateway_user, **change)
            else:
                standin.auth("DELETE", f"/admin/users/{gateway_user}", key=standin.secret_key)
            with pytest.raises(CredentialsRefusedError):
                await settle(store, caller, charge_id, 0)
            gateway.refused(caller)
            with pytest.raises(CredentialsRefusedError, match="can't sign in"):
                await gateway.caller()
            if change:
                standin.change_user(gateway_user, ban_duration="none")
                standin.clock.advance(61)
                settlement = await settle(store, await gateway.caller(), charge_id, 0)
                assert settlement.outcome is SettleOutcome.SETTLED

    run(scene)


def test_a_wrong_password_is_tried_rarely(standin: StandIn) -> None:
    """Auth limits sign-ins by address, and every user of the gateway's address would be locked out with it."""

    async def scene() -> None:
        gateway = identity(standin, "wrong, but no less secret")
        for wait in (60, 120, 240, 480, 900, 900):
            before = len(sign_ins(standin))
            for _ in range(3):
                failures = await asyncio.gather(*(gateway.caller() for _ in range(5)), return_exceptions=True)
                assert {type(failure) for failure in failures} == {CredentialsRefusedError}
                assert len({id(failure) for failure in failures}) == len(failures)
                assert "wrong, but" not in f"{failures[0]!r} {failures[0].hint} {gateway!r} {vars(gateway)}"
                standin.clock.advance((wait - 1) / 3)
            assert len(sign_ins(standin)) == before + 1
            standin.clock.advance(1)

    run(scene)


def test_an_outage_of_auth_is_asked_about_soon(standin: StandIn) -> None:
    """A cannot-tell each time, and no flood."""

    async def scene() -> None:
        gateway = identity(standin)
        with standin.faults.troubled(Fault(answer=json_answer(502, {})), TOKEN):
            for wait in (1, 2, 4, 8, 16, 32, 60, 60):
                for _ in range(3):
                    with pytest.raises(UnreachableError):
                        await gateway.caller()
                standin.clock.advance(wait)
        await gateway.caller()

    run(scene)
    assert sign_ins(standin) == ["password"] * 9


def test_a_token_is_used_to_its_end_when_it_can_not_be_renewed(standin: StandIn) -> None:
    """Auth may be down while the database isn't."""

    async def scene() -> None:
        gateway = identity(standin)
        token = await token_of(gateway)
        with standin.faults.troubled(Fault(hang_up=True), TOKEN):
            standin.clock.advance(3600 - 30)
            assert await token_of(gateway) == token
            standin.clock.advance(31)
            with pytest.raises(UnreachableError):
                await gateway.caller()
        standin.clock.advance(61)
        assert await token_of(gateway) != token

    run(scene)


def test_a_renewal_is_not_broken_off_by_who_gave_up(standin: StandIn) -> None:
    """The refresh token is spent by then; whoever asks next gets the new session."""

    async def scene() -> None:
        gateway = identity(standin)
        await gateway.caller()
        standin.clock.advance(3600)
        with standin.faults.troubled(Fault(silent=True, after=True), TOKEN):
            seen = len(standin.faults.requests)
            impatient = asyncio.create_task(gateway.caller())
            await until(lambda: len(standin.faults.requests) > seen)
            impatient.cancel()
            with pytest.raises(asyncio.CancelledError):
                await impatient
            waiting = asyncio.create_task(gateway.caller())
            await asyncio.sleep(0)
        # The answer was lost; Auth gives the same one to whoever asks again soon.
        with pytest.raises(UnreachableError):
            await waiting
        standin.clock.advance(2)
        await gateway.caller()

    run(scene)
    assert sign_ins(standin) == ["password", "refresh_token", "refresh_token"]


def test_the_loop_goes_on_while_auth_is_asked(standin: StandIn) -> None:
    """The client waits for answers; requests must not."""

    async def scene() -> None:
        gateway = identity(standin)
        with standin.faults.troubled(Fault(silent=True), TOKEN):
            asking = asyncio.create_task(gateway.caller())
            await until(lambda: bool(sign_ins(standin)))
            for _ in range(100):
                await asyncio.sleep(0)
            assert not asking.done()
        with pytest.raises(UnreachableError):
            await asking

    run(scene)


@pytest.mark.parametrize("said", [{"role": "gateway"}, {}], ids=["another role", "no role"])
def test_a_user_without_the_role_is_told_of_once(
    standin: StandIn, gateway_user: str, caplog: pytest.LogCaptureFixture, said: dict[str, str]
) -> None:
    """At the first sign-in rather than at the first charge; and once it is mended, the next session has it."""

    async def scene() -> None:
        gateway = identity(standin)
        set_metadata(standin, gateway_user, "'{}'" if not said else """'{"role": "gateway"}'""")
        for _ in range(3):
            await gateway.caller()
            standin.clock.advance(3600)
        assert len(caplog.records) == 1
        set_metadata(standin, gateway_user, """'{"role": "tick_gateway"}'""")
        await gateway.caller()

    run(scene)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "app_metadata.role = tick_gateway" in caplog.text


def set_metadata(standin: StandIn, user_id: str, value: str) -> None:
    """Write what users can't write themselves."""
    with standin.database.superuser() as connection:
        connection.execute(f"update auth.users set raw_app_meta_data = {value} where id = '{user_id}'".encode())


def test_an_enrolled_second_factor_makes_no_difference(standin: StandIn, gateway_user: str) -> None:
    """There is nobody at a gateway who could show it, and settling gives nothing to who settles."""
    with standin.database.superuser() as connection:
        connection.execute(
            "insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)"
            " values (gen_random_uuid(), %s, 'totp', 'verified', now(), now())",
            [gateway_user],
        )

    async def scene() -> None:
        async with AsyncApiFunctions(standin.url, Secret(standin.anon_key)) as store:
            settlement = await settle(store, await identity(standin).caller(), await charged(standin, store), 0)
            assert settlement.outcome is SettleOutcome.SETTLED

    run(scene)


def test_closing_ends_the_session(standin: StandIn, gateway_user: str) -> None:
    """Restarts leave nothing behind that somebody could find and use."""

    def open_sessions() -> int:
        with standin.database.superuser() as connection:
            row = connection.execute("select count(*) from auth.sessions where user_id = %s", [gateway_user]).fetchone()
            assert row is not None
            return int(row["count"])

    async def scene() -> None:
        gateway = identity(standin)
        await gateway.aclose()
        await gateway.caller()
        assert open_sessions() == 1
        await gateway.aclose()
        await gateway.aclose()
        assert open_sessions() == 0
        await gateway.caller()
        standin.clock.advance(3600)  # a quiet night: the token has expired, and the session hasn't
        await gateway.aclose()
        assert open_sessions() == 0
        await gateway.caller()
        end_sessions(standin, gateway_user)
        standin.clock.advance(3600)
        await gateway.aclose()
        await gateway.caller()
        with standin.faults.troubled(Fault(hang_up=True)):
            await gateway.aclose()

    run(scene)
    assert sign_ins(standin) == ["password", "password", "refresh_token", "password", "refresh_token", "password"]


def test_neither_password_nor_tokens_show(standin: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    """Not at level DEBUG, not in what is printed of it, and not in its threads."""
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    secrets = [PASSWORD]

    async def scene() -> None:
        gateway = identity(standin)
        for _ in range(2):
            caller = await gateway.caller()
            secrets.append(caller.token.reveal())
            shown.append(f"{gateway!r} {vars(gateway)} {caller!r} {[thread.name for thread in threading.enumerate()]}")
            standin.clock.advance(3600)

    run(scene)
    everything = caplog.text + "".join(shown)
    assert [secret for secret in secrets if secret in everything] == []


PROJECT = {"SUPABASE_URL": "https://project.example", "SUPABASE_ANON_KEY": "sb_publishable_x"}
USER = {"TICKCTL_GATEWAY_EMAIL": EMAIL, "TICKCTL_GATEWAY_PASSWORD": PASSWORD}


@pytest.mark.parametrize("name", sorted(USER))
def test_half_of_a_user_is_refused(name: str) -> None:
    """Charges that quietly stay would be found out late."""
    half = {key: value for key, value in USER.items() if key != name}
    with pytest.raises(ConfigurationError, match=name):
        GatewayUser.from_settings(load(PROJECT | half, []))


@pytest.mark.parametrize("name", sorted(PROJECT))
def test_a_user_without_a_project_is_refused(name: str) -> None:
    """There is nowhere to sign in."""
    half = {key: value for key, value in PROJECT.items() if key != name}
    with pytest.raises(ConfigurationError, match="SUPABASE_URL and SUPABASE_ANON_KEY"):
        GatewayUser.from_settings(load(half | USER, []))


def test_a_user_is_made_of_the_settings_or_none_is_needed() -> None:
    """Without either variable charges stay."""
    assert GatewayUser.from_settings(load(PROJECT, [])) is None
    assert GatewayUser.from_settings(load(PROJECT | USER, [])) is not None


def test_a_token_that_makes_no_sense_is_no_session(standin: StandIn) -> None:
    """A stranger answered in the place of Auth."""
    rubbish = {
        "access_token": "header.payload.signature",
        "refresh_token": "x",
        "expires_in": 3600,
        "user": {"id": "6f1f1c2e-0d3b-4b57-9d3e-0a4f1c7c9a11"},
    }

    async def scene() -> TickctlError:
        with standin.faults.troubled(Fault(answer=json_answer(200, rubbish)), TOKEN):
            with pytest.raises(UnreachableError) as caught:
                await identity(standin).caller()
            return caught.value

    assert "makes no sense" in run(scene).message
