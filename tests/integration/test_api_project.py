"""The adapter against a whole project: gateway, PostgREST and database; the same answers as over a connection."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest

from quota_support import Database
from standin import Fault, Project, ProjectKeys, StandIn, standing_in
from tickctl.adapters.api import ApiFunctions, AsyncApiFunctions
from tickctl.adapters.postgres import PostgresFunctions
from tickctl.core.quota import (
    Anonymous,
    Consumption,
    Decision,
    QuotaAdmin,
    ServiceRole,
    SettleOutcome,
    SignedInUser,
    consume,
    my_ticks,
    settle,
)
from tickctl.core.quota.rows import read
from tickctl.core.secret import Secret
from tickctl.errors import (
    ConfigurationError,
    ConflictError,
    CredentialsRefusedError,
    InvalidInputError,
    NotFoundError,
    UnreachableError,
)


@pytest.fixture(scope="module", params=[12, 14])
def served(request: pytest.FixtureRequest, shared_database: Database) -> Iterator[StandIn]:
    """A stand-in of each version, for tests that leave nothing behind but users."""
    with standing_in(shared_database, version=request.param) as project:
        yield project


@pytest.fixture
def functions(project: Project) -> Iterator[ApiFunctions]:
    """The functions for users."""
    with ApiFunctions(project.url, Secret(project.anon_key)) as opened:
        yield opened


@pytest.fixture
def admin(project: Project) -> Iterator[QuotaAdmin]:
    """The administration with the secret key."""
    with ApiFunctions(project.url, Secret(project.secret_key)) as opened:
        yield QuotaAdmin(opened, "tester@host")


def signed_in(project: Project, email: str) -> SignedInUser:
    """Return a user as caller, with a fresh token."""
    return SignedInUser(claims={}, token=Secret(project.token(email)))


def test_a_user_consumes_with_the_own_token(project: Project, functions: ApiFunctions) -> None:
    """And sees what is left."""
    caller = signed_in(project, project.new_user())
    answer = consume(functions, caller, 5, "key", "digest")
    assert (answer.decision, answer.ticks_used, answer.ticks_remaining) == (Decision.GRANTED, 5, 27)
    assert consume(functions, caller, 5, "key", "digest").decision is Decision.UNDER_WAY
    assert consume(functions, caller, 6, "key", "digest").decision is Decision.KEY_CONFLICT
    assert consume(functions, caller, 33).decision is Decision.COST_EXCEEDS_LIMIT
    assert my_ticks(functions, caller).ticks_used == 5


def test_an_unconfirmed_user_consumes_nothing(standin: StandIn) -> None:
    """The database knows what no token says."""
    email = standin.new_user()
    caller = signed_in(standin, email)
    with standin.database.superuser() as connection:
        connection.execute("update auth.users set email_confirmed_at = null where email = %s", [email])
    with ApiFunctions(standin.url, Secret(standin.anon_key)) as functions:
        assert consume(functions, caller, 1).decision is Decision.EMAIL_NOT_CONFIRMED


def test_simultaneous_calls_are_counted_exactly(project: Project) -> None:
    """As many as the limit allows, whoever comes first."""
    caller = signed_in(project, project.new_user())

    async def use() -> list[Consumption]:
        async with AsyncApiFunctions(project.url, Secret(project.anon_key)) as functions:
            calls = (
                functions.call("consume_ticks", {"ticks": 4, "charge_id": str(uuid.uuid4())}, caller=caller)
                for _ in range(20)
            )
            return [read(Consumption, rows[0]) for rows in await asyncio.gather(*calls)]

    decisions = [answer.decision for answer in asyncio.run(use())]
    assert decisions.count(Decision.GRANTED) == 8
    assert decisions.count(Decision.QUOTA_EXHAUSTED) == 12


def test_many_users_at_once_get_each_their_own(project: Project) -> None:
    """On one event loop, over shared connections."""
    emails = [project.new_user() for _ in range(4)]
    callers = {project.id_of(email): signed_in(project, email) for email in emails}

    async def use() -> None:
        async with AsyncApiFunctions(project.url, Secret(project.anon_key)) as functions:

            async def ask(user_id: str) -> None:
                (row,) = await functions.call("my_ticks", {}, caller=callers[user_id])
                assert row["user_id"] == user_id

            await asyncio.gather(*(ask(user_id) for user_id in list(callers) * 5))

    asyncio.run(use())


def test_operators_work_with_either_kind_of_secret_key(served: StandIn) -> None:
    """The new one, which the gateway translates, and the legacy one, which PostgREST reads."""
    email = served.new_user()
    for key in (served.secret_key, served.service_role_key):
        with ApiFunctions(served.url, Secret(key)) as functions:
            quotas = QuotaAdmin(functions, "tester@host")
            assert quotas.show(email).email == email
            assert quotas.set_limit(email, 7).state.daily_tick_limit == 7
            entry = quotas.audit_log(email).items[0]
            assert (entry.actor, entry.operator) == ("service_role", "tester@host")


def test_answers_are_those_of_a_direct_connection(project: Project, admin: QuotaAdmin) -> None:
    """Field by field, whatever is asked."""
    email = project.new_user()
    admin.grant(email, 3, reason="ü'\"\\\n😀")
    with PostgresFunctions(Secret(project.database_url)) as direct:
        for name, arguments in [
            ("tick_admin_show", {"user_ref": email}),
            ("tick_admin_overview", {"user_ref": email}),
            ("tick_admin_user", {"user_ref": email}),
            ("tick_admin_list", {"search": email}),
            ("tick_admin_history", {"user_ref": email, "days": 3}),
            ("tick_admin_audit", {"user_ref": email}),
            ("tick_admin_resolve", {"user_refs": [email, "nobody@example.com"]}),
        ]:
            over_api = admin._functions.call(name, arguments, caller=ServiceRole())
            assert over_api == direct.call(name, arguments, caller=ServiceRole())
            assert over_api


def test_users_may_not_what_operators_may(served: StandIn) -> None:
    """Neither as themselves nor as nobody, nor by settling."""
    caller = signed_in(served, served.new_user())
    with ApiFunctions(served.url, Secret(served.anon_key)) as functions:
        with pytest.raises(CredentialsRefusedError, match="administrator") as caught:
            QuotaAdmin(functions, "o", caller=caller).show("ada@example.com")
        assert "admin add" in str(caught.value.hint)
        with pytest.raises(CredentialsRefusedError) as caught:
            QuotaAdmin(functions, "o", caller=Anonymous()).show("ada@example.com")
        assert "login" in str(caught.value.hint)
        charge = consume(functions, caller, 1).charge_id
        assert charge is not None
        assert settle(functions, caller, charge, 0).outcome is SettleOutcome.NOT_FOUND


def test_a_signed_in_administrator_works_as_themself(project: Project) -> None:
    """With the publishable key and the own token; the log knows who it was."""
    email = project.new_user()
    user_id = project.add_admin(name := f"admin-of-{email}")
    with ApiFunctions(project.url, Secret(project.anon_key)) as functions:
        quotas = QuotaAdmin(functions, "o", caller=signed_in(project, name))
        quotas.set_limit(email, 5)
        assert quotas.audit_log(email).items[0].actor == user_id


def test_refusals_are_told_as_over_a_connection(project: Project, admin: QuotaAdmin) -> None:
    """Unknown users with near matches, conflicts and values out of range."""
    email = project.new_user()
    with pytest.raises(NotFoundError) as caught:
        admin.show(email.replace("user-", "uesr-"))
    assert email in caught.value.suggestions
    assert not admin.set_limit(email, 5, check_expected=True, expected_limit=77).changed
    with pytest.raises(InvalidInputError):
        admin.set_limit(email, -1)
    with pytest.raises(InvalidInputError):
        admin.show("a\0b")


def test_an_ambiguous_address_is_a_conflict(served: StandIn) -> None:
    """Two accounts with one address: Auth allows it for single sign-on."""
    email = served.new_user()
    served.database.add_user(email.upper(), is_sso_user=True)
    with (
        ApiFunctions(served.url, Secret(served.secret_key)) as functions,
        pytest.raises(ConflictError),
    ):
        QuotaAdmin(functions, "o").show(email)


@pytest.mark.parametrize("key", ["sb_publishable_of-another-project", "sb_publishable_"])
def test_a_foreign_key_is_refused(project: Project, key: str) -> None:
    """By the gateway, before PostgREST sees it."""
    caller = signed_in(project, project.new_user())
    with ApiFunctions(project.url, Secret(key)) as functions, pytest.raises(CredentialsRefusedError) as caught:
        my_ticks(functions, caller)
    assert key not in f"{caught.value} {caught.value.hint}"


def test_a_foreign_or_expired_token_is_refused(served: StandIn) -> None:
    """By PostgREST; 12 and 14 say it differently."""
    caller = signed_in(served, served.new_user())
    head, payload, _ = caller.token.reveal().split(".")
    foreign = SignedInUser(claims={}, token=Secret(f"{head}.{payload}.c2lnbmF0dXJlIG9mIHNvbWVib2R5IGVsc2U"))
    with ApiFunctions(served.url, Secret(served.anon_key)) as functions:
        with pytest.raises(CredentialsRefusedError):
            my_ticks(functions, foreign)
        served.clock.advance(2 * 3600)
        try:
            with pytest.raises(CredentialsRefusedError, match="expired"):
                my_ticks(functions, caller)
        finally:
            served.clock.advance(-2 * 3600)


def test_a_token_signed_by_another_project_is_refused(
    project: Project, make_standin: Callable[..., AbstractContextManager[StandIn]]
) -> None:
    """Even with this project's key."""
    with make_standin(keys=ProjectKeys()) as other:
        caller = signed_in(other, other.new_user())
    with ApiFunctions(project.url, Secret(project.anon_key)) as functions, pytest.raises(CredentialsRefusedError):
        my_ticks(functions, caller)


def test_a_function_that_is_not_there_leads_to_the_schema(served: StandIn) -> None:
    """It may be missing, or PostgREST may not have read it yet."""
    with ApiFunctions(served.url, Secret(served.secret_key)) as functions:
        for name, arguments in [("no_such_function", {}), ("tick_admin_show", {"no_such_argument": 1})]:
            with pytest.raises(UnreachableError, match="PGRST202") as caught:
                functions.call(name, arguments, caller=ServiceRole())
            assert "schema apply" in str(caught.value.hint)


def test_fewer_rows_than_asked_for_are_not_taken_for_all(standin: StandIn) -> None:
    """A project may allow few rows for a call; what fits into it is paged as ever."""
    for _ in range(7):
        standin.new_user()
    standin.postgrest.config = replace(standin.postgrest.config, db_max_rows=4)
    with ApiFunctions(standin.url, Secret(standin.secret_key)) as functions:
        quotas = QuotaAdmin(functions, "o")
        page, emails = quotas.list(limit=3), []
        emails += [item.quota.email for item in page.items]
        while page.next:
            page = quotas.list(limit=3, after=page.next)
            emails += [item.quota.email for item in page.items]
        assert len(emails) == len(set(emails)) == 7
        with pytest.raises(ConfigurationError, match="4 of 7 rows"):
            quotas.list(limit=7)


def test_long_lists_come_whole_from_a_project_as_supabase_makes_it(standin: StandIn) -> None:
    """It allows 1000 rows for a call; one more than a page is asked for, to see whether more follow."""
    with standin.database.superuser() as connection:
        connection.execute(
            "insert into auth.users (id, email, email_confirmed_at)"
            " select gen_random_uuid(), 'user' || n || '@example.com', now() from generate_series(1, 1100) as n"
        )
    standin.postgrest.config = replace(standin.postgrest.config, db_max_rows=1000)
    with ApiFunctions(standin.url, Secret(standin.secret_key)) as functions:
        quotas = QuotaAdmin(functions, "o")
        page = quotas.list(limit=2000)
        assert page.next is None
        assert len({item.quota.email for item in page.items}) == 1100
        assert all(user.user_id for user in quotas.resolve([f"user{n}@example.com" for n in range(1, 1001)]))


def test_a_lost_answer_costs_no_tick_twice(standin: StandIn) -> None:
    """The call was carried out, and its answer lost: with a request key it is asked again, and counted once."""
    email = standin.new_user()
    caller = signed_in(standin, email)
    lost = Fault(hang_up=True, after=True)
    with ApiFunctions(standin.url, Secret(standin.anon_key)) as functions:
        with standin.faults.troubled(lost, "/rest/v1/rpc/consume_ticks"), pytest.raises(UnreachableError):
            consume(functions, caller, 3, "key", "digest")
        assert consume(functions, caller, 3, "key", "digest").decision is Decision.UNDER_WAY
        assert my_ticks(functions, caller).ticks_used == 3
        with standin.faults.troubled(lost, "/rest/v1/rpc/consume_ticks"), pytest.raises(UnreachableError) as caught:
            consume(functions, caller, 3)
        assert "look before" in str(caught.value.hint)
        assert my_ticks(functions, caller).ticks_used == 6
