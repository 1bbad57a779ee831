"""Who may consume, settle and administer: standing, sessions, claims and roles, tried out."""

import hashlib
from collections.abc import Iterator
from typing import LiteralString

from psycopg import sql

from tickctl.adapters.schema_check.outcomes import Judge, denied, serves
from tickctl.adapters.schema_check.principals import World
from tickctl.adapters.schema_check.probe import Attempt, Probe, consume
from tickctl.adapters.schema_check.trial import Statement, become


def identity_probes(world: World) -> Iterator[Probe]:
    """Yield the probes; rows of the users may be there or not."""
    people = world.people
    user = people.user

    def consuming(tried: str, acts: Statement, judge: Judge) -> Attempt:
        return Attempt(f"consuming {tried}", (*world.fresh(), acts, consume("1")), judge)

    yield Probe(
        "consume-in-good-standing",
        "only users in good standing can consume",
        (
            consuming("with a confirmed e-mail", user.acts(), serves(("granted",))),
            consuming("without a confirmed e-mail", people.unconfirmed.acts(), serves(("email_not_confirmed",))),
            consuming("as an anonymous user", people.anonymous.acts(), serves(("anonymous",))),
            consuming("as a banned user", people.banned.acts(), serves(("user_banned",))),
            consuming("as a deleted user", people.deleted.acts(), serves(("user_deleted",))),
            consuming(
                "as a user who never was",
                user.acts(sub=user.session_id),
                serves(("user_not_found",)),
            ),
            consuming("with a token of an anonymous user", user.acts(is_anonymous=True), serves(("anonymous",))),
            consuming("without signing in", become("anon"), denied),
        ),
    )
    yield Probe(
        "consume-session",
        "tokens of ended and foreign sessions consume nothing",
        (
            consuming(
                "in another user's session",
                user.acts(session_id=people.other.session_id),
                serves(("session_revoked",)),
            ),
            consuming("in an ended session", people.ended.acts(), serves(("session_revoked",))),
        ),
    )
    forged = (
        ("claims of the secret key", become("authenticated", {"role": "service_role", "sub": user.id})),
        ("no claims", become("authenticated", "")),
        ("claims without a user", become("authenticated", {"role": "authenticated"})),
        ("a user's claims", become("anon", user.claims())),
        ("a third-party application's claims", user.acts(client_id="00000000-0000-4000-8000-000000000001")),
        ("claims for another audience", user.acts(aud="elsewhere")),
    )
    yield Probe(
        "forged-claims",
        "claims give nothing that the role does not have",
        tuple(
            Attempt(f"{call} with {tried}", (acts, world.sql(text)), denied)
            for tried, acts in forged
            for call, text in (
                ("consuming", "select public.consume_ticks(1, gen_random_uuid())"),
                ("showing a user", "select public.tick_admin_show({other}::text)"),
            )
        ),
    )
    wishes: tuple[tuple[str, LiteralString], ...] = (
        ("raising the own limit", "select public.tick_admin_set_limit({user}::text, 1000000)"),
        ("granting oneself ticks", "select public.tick_admin_grant({user}::text, 1000000)"),
        ("resetting the own usage", "select public.tick_admin_reset({user}::text)"),
        ("making oneself an administrator", "select public.tick_admin_add({user}::text)"),
        ("listing users", "select public.tick_admin_list()"),
        ("showing another user", "select public.tick_admin_show({other}::text)"),
    )
    yield Probe(
        "admin-functions",
        "users are no administrators",
        tuple(
            Attempt(f"{tried} {kind}", (acts, world.sql(text)), denied)
            for kind, acts in (
                ("as a user", user.acts()),
                ("as an anonymous user", people.anonymous.acts()),
                ("with user_metadata", user.acts(user_metadata={"role": "service_role", "admin": True})),
            )
            for tried, text in wishes
        ),
    )
    settle: LiteralString = (
        "select s.outcome from public.consume_ticks(3, gen_random_uuid(),"
        " '{digest}') as c, public.settle_ticks(c.charge_id, 0, {secret}) as s"
    )
    digest = hashlib.sha256(b"secret").hexdigest()
    yield Probe(
        "settle-own-charge",
        "users can't give themselves ticks back",
        tuple(
            Attempt(
                f"settling the own charge {tried}",
                (
                    *world.fresh(),
                    user.acts(),
                    sql.SQL(settle).format(digest=sql.SQL(digest), secret=sql.Literal(secret)),
                ),
                serves(("not_found",)),
            )
            for tried, secret in (("without its secret", None), ("with another secret", "another"))
        ),
    )
