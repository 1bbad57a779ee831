"""Users who exist for the length of the check, so that whatever is tried concerns nobody else."""

from dataclasses import dataclass, field, fields
from typing import Final, LiteralString, TypeAlias

from psycopg import sql

from tickctl.adapters.schema_check.trial import Statement, Trial, become
from tickctl.core.json import JsonObject

_Columns: TypeAlias = dict[str, str | bool | None]

_ADD_USER: Final = """
insert into auth.users (
    id, aud, role, email, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at,
    is_anonymous, banned_until, deleted_at
) values (
    {id}, 'authenticated', 'authenticated', {email}, {confirmed_at}::timestamptz, '{{}}', '{{}}', now(), now(),
    {anonymous}, {banned_until}::timestamptz, {deleted_at}::timestamptz
)
"""
_ADD_SESSION: Final = (
    "insert into auth.sessions (id, user_id, created_at, updated_at, not_after)"
    " values ({session_id}, {id}, now(), now(), {not_after}::timestamptz)"
)
# The column that names a row's user: ours, or in a hand-made table the key itself.
_OWNER_COLUMN: Final = """
select a.attname::text
from pg_catalog.pg_attribute as a
where a.attrelid = pg_catalog.to_regclass({table}) and a.attnum > 0 and not a.attisdropped
    and (a.attname = 'user_id' or a.attname = 'id' and a.atttypid = 'uuid'::pg_catalog.regtype)
order by a.attname = 'user_id' desc
limit 1
"""
_HAS_COLUMN: Final = """
select from pg_catalog.pg_attribute as a
where a.attrelid = pg_catalog.to_regclass({table}) and a.attname = {column} and not a.attisdropped
"""


@dataclass(frozen=True, slots=True)
class Person:
    """A throw-away user with a session."""

    id: str
    session_id: str
    columns: _Columns = field(default_factory=dict)

    def claims(self, **other: str | JsonObject) -> JsonObject:
        """Return the claims of this user's token as far as the database looks at them, some of them replaced."""
        return {"role": "authenticated", "sub": self.id, "session_id": self.session_id} | other

    def acts(self, **other: str | JsonObject) -> Statement:
        """Return the statement that makes what follows this user's request."""
        return become("authenticated", self.claims(**other))


@dataclass(frozen=True, slots=True)
class People:
    """The throw-away users, by what there is to know of each.

    Attributes:
        user: in good standing.
        other: likewise.
        unconfirmed: never followed the link in the e-mail.
        anonymous: signed in without an e-mail.
        banned: and `deleted`: as the names say, with sessions that are still there.
        ended: in good standing, but the session is over.
    """

    user: Person
    other: Person
    unconfirmed: Person
    anonymous: Person
    banned: Person
    deleted: Person
    ended: Person

    @classmethod
    def of(cls, ids: list[str]) -> "People":
        """Make up people of two ids each."""
        confirmed: _Columns = {"confirmed_at": "2020-01-01Z"}
        kinds: tuple[_Columns, ...] = (
            confirmed,
            confirmed,
            {},
            {"anonymous": True},
            confirmed | {"banned_until": "infinity"},
            confirmed | {"deleted_at": "2020-01-02Z"},
            confirmed | {"not_after": "2020-01-02Z"},
        )
        return cls(*(Person(ids[2 * n], ids[2 * n + 1], kind) for n, kind in enumerate(kinds)))

    def additions(self) -> list[Statement]:
        """Return the statements that add them, as Supabase Auth would."""
        statements: list[Statement] = []
        for person in (getattr(self, each.name) for each in fields(self)):
            values = {
                "id": person.id,
                "session_id": person.session_id,
                "email": None if "anonymous" in person.columns else f"tickctl-check-{person.id}@example.invalid",
                "anonymous": False,
                **dict.fromkeys(("confirmed_at", "banned_until", "deleted_at", "not_after")),
                **person.columns,
            }
            literals = {name: sql.Literal(value) for name, value in values.items()}
            statements += [sql.SQL(_ADD_USER).format(**literals), sql.SQL(_ADD_SESSION).format(**literals)]
        return statements


@dataclass(frozen=True, slots=True)
class Tables:
    """The names by which rows of the tables are found, which hand-made tables may have otherwise.

    Attributes:
        profile_owner: the column of public.profiles that names the user.
        usage_owner: likewise of public.user_daily_usage.
        has_email, has_grants: whether profiles have an e-mail, and days granted ticks.
    """

    profile_owner: str
    usage_owner: str
    has_email: bool
    has_grants: bool


def find_tables(trial: Trial) -> Tables | None:
    """Return how rows of the two public tables are found; None where a table or its user is missing."""
    profiles, usage = sql.Literal("public.profiles"), sql.Literal("public.user_daily_usage")
    owners = [trial.ask(sql.SQL(_OWNER_COLUMN).format(table=table)) for table in (profiles, usage)]
    if not all(owners):
        return None
    email = trial.ask(sql.SQL(_HAS_COLUMN).format(table=profiles, column=sql.Literal("email")))
    granted = trial.ask(sql.SQL(_HAS_COLUMN).format(table=usage, column=sql.Literal("ticks_granted")))
    return Tables(str(owners[0][0][0]), str(owners[1][0][0]), bool(email), bool(granted))


@dataclass(frozen=True, slots=True)
class World:
    """People and tables; `sql` writes statements that name them."""

    people: People
    tables: Tables

    def sql(self, text: LiteralString) -> Statement:
        """Return a statement: `{user}` and so on become ids, `{profile_owner}` and `{usage_owner}` columns."""
        ids = {each.name: sql.Literal(getattr(self.people, each.name).id) for each in fields(self.people)}
        columns = {name: sql.Identifier(getattr(self.tables, name)) for name in ("profile_owner", "usage_owner")}
        return sql.SQL(text).format(**ids, **columns)

    def fresh(self) -> tuple[Statement, ...]:
        """Return the statements after which `user` and `other` have a limit of 3 and have used nothing."""
        return (
            self.sql("delete from public.user_daily_usage where user_id in ({user}, {other})"),
            self.sql("update public.profiles set daily_tick_limit = 3 where user_id in ({user}, {other})"),
        )

    def rows(self) -> list[Statement]:
        """Return the statements after which `user` and `other` have a limit of 10 and have used 7 ticks today."""
        return [
            # A trigger of somebody's may have made some; and whoever can't delete can't try what follows.
            self.sql("delete from public.user_daily_usage where {usage_owner} in ({user}, {other})"),
            self.sql(
                "insert into public.profiles ({profile_owner})"
                " select u.id from auth.users as u where u.id in ({user}, {other}) and not exists"
                " (select from public.profiles as p where p.{profile_owner} = u.id)"
            ),
            self.sql("update public.profiles set daily_tick_limit = 10 where {profile_owner} in ({user}, {other})"),
            self.sql(
                "insert into public.user_daily_usage ({usage_owner}, usage_date, ticks_used)"
                " select u.id, current_date, 7 from auth.users as u where u.id in ({user}, {other})"
            ),
        ]
