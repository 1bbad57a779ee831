"""Users who exist for the length of the check, so that whatever is tried concerns nobody else."""

import json
from dataclasses import dataclass, field, fields, replace
from typing import Final, LiteralString, TypeAlias

from psycopg import sql

from tickctl.adapters.schema_check.trial import Statement, Trial, become
from tickctl.core.json import Json, JsonObject

_Columns: TypeAlias = dict[str, str | bool | None]

_ADD_USER: Final = """
insert into auth.users (
    id, aud, role, email, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at,
    is_anonymous, banned_until, deleted_at
) values (
    {id}, 'authenticated', 'authenticated', {email}, {confirmed_at}::timestamptz, '{{}}', {metadata}, now(), now(),
    {anonymous}, {banned_until}::timestamptz, {deleted_at}::timestamptz
)
"""
_ADD_SESSION: Final = (
    "insert into auth.sessions (id, user_id, created_at, updated_at, not_after)"
    " values ({session_id}, {id}, now(), now(), {not_after}::timestamptz)"
)
# Two users of the project who haven't been there for longest, as far as anybody can tell.
_EXISTING: Final = """
select u.id::text
from auth.users as u
where u.email_confirmed_at is not null and u.deleted_at is null and u.banned_until is null and not u.is_anonymous
order by u.last_sign_in_at nulls first, u.id
limit 2
"""
_BECOME_KIND: Final = (
    "update auth.users set email_confirmed_at = {confirmed_at}::timestamptz, is_anonymous = {anonymous},"
    " banned_until = {banned_until}::timestamptz, deleted_at = {deleted_at}::timestamptz where id = {id}"
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


_COLUMNS: Final = """
select a.attname::text from pg_catalog.pg_attribute as a
where a.attrelid = pg_catalog.to_regclass('public.profiles') and a.attnum > 0 and not a.attisdropped
    and a.attgenerated = ''
"""
_INSTALLED: Final = """
select tick.profile_key()::text, exists (
    select from tick.migration as m where m.name = 'public.profiles' and m.digest = 'adopted'
), exists (select from tick.settings as s where s.default_limit = 0)
"""


@dataclass(frozen=True, slots=True)
class Person:
    """A throw-away user with a session."""

    id: str
    session_id: str
    columns: _Columns = field(default_factory=dict)

    prepared: tuple[Statement, ...] = ()

    def claims(self, **other: Json) -> JsonObject:
        """Return the claims of this user's token as far as the database looks at them, some of them replaced."""
        own = {"role": "authenticated", "aud": "authenticated", "sub": self.id, "session_id": self.session_id}
        return own | other

    def acts(self, **other: Json) -> Statement:
        """Return the statements that make what follows this user's request."""
        return sql.SQL("; ").join((*self.prepared, become("authenticated", self.claims(**other))))

    @property
    def values(self) -> dict[str, sql.Literal]:
        """What the statements that make the user want, by name."""
        values: _Columns = {
            "id": self.id,
            "session_id": self.session_id,
            "email": None if "anonymous" in self.columns else f"tickctl-check-{self.id}@example.invalid",
            "metadata": metadata(self.id),
            "anonymous": False,
            **dict.fromkeys(("confirmed_at", "banned_until", "deleted_at", "not_after")),
            **self.columns,
        }
        return {name: sql.Literal(value) for name, value in values.items()}


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
            statements += [sql.SQL(_ADD_USER).format(**person.values), sql.SQL(_ADD_SESSION).format(**person.values)]
        return statements

    def in_place_of(self, existing: list[str]) -> "tuple[People, list[Statement]]":
        """Return people who are existing users for the moment, and the statements that give them sessions.

        The second of them becomes whatever kind of user an attempt is about, for as long as it lasts.
        """
        user, stranger = (replace(old, id=new) for old, new in zip((self.user, self.other), existing, strict=True))
        replacements = {}
        for name in ("unconfirmed", "anonymous", "banned", "deleted", "ended"):
            person = replace(getattr(self, name), id=existing[1])
            kind = sql.SQL(_BECOME_KIND).format(**person.values)
            replacements[name] = person if name == "ended" else replace(person, prepared=(become("none"), kind))
        people = People(user, stranger, **replacements)
        sessions = (getattr(people, each.name) for each in fields(people))
        return people, [sql.SQL(_ADD_SESSION).format(**person.values) for person in sessions]


def metadata(user_id: str) -> str:
    """Return what sign-up triggers usually want to know of a user, as JSON."""
    name = f"tickctl_check_{user_id[:8]}"
    names = (
        "username",
        "user_name",
        "preferred_username",
        "name",
        "full_name",
        "display_name",
        "first_name",
        "last_name",
    )
    return json.dumps(dict.fromkeys(names, name))


def existing_users(trial: Trial) -> list[str]:
    """Return the ids of two users of the project whom nobody will miss for a moment; fewer where there are no more."""
    return [str(row[0]) for row in trial.attempt(sql.SQL(_EXISTING)).rows]


@dataclass(frozen=True, slots=True)
class Tables:
    """The names by which rows of the tables are found, which hand-made tables may have otherwise.

    Attributes:
        profile_owner: the column of public.profiles that names the user.
        usage_owner: likewise of public.user_daily_usage.
        has_grants: whether days have granted ticks.
        is_adopted: whether public.profiles was there before tickctl, with grants and policies of the project's own.
        is_blocked: whether users without a profile are blocked.
        columns: of public.profiles, those that a row can be copied by.
    """

    profile_owner: str
    usage_owner: str
    has_grants: bool
    is_adopted: bool
    is_blocked: bool
    columns: tuple[str, ...]


def find_tables(trial: Trial) -> Tables | None:
    """Return how rows of the two public tables are found; None where a table or its user is missing."""
    profiles, usage = sql.Literal("public.profiles"), sql.Literal("public.user_daily_usage")
    owners = [trial.ask(sql.SQL(_OWNER_COLUMN).format(table=table)) for table in (profiles, usage)]
    is_adopted: object = True
    is_blocked: object = False
    if trial.ask(sql.SQL("select where pg_catalog.to_regprocedure('tick.profile_key()') is not null")):
        [(key, is_adopted, is_blocked)] = trial.ask(sql.SQL(_INSTALLED))
        owners[0] = [(key,)] if key else []
    if not all(owners):
        return None
    granted = trial.ask(sql.SQL(_HAS_COLUMN).format(table=usage, column=sql.Literal("ticks_granted")))
    columns = tuple(str(row[0]) for row in trial.ask(sql.SQL(_COLUMNS)))
    return Tables(
        str(owners[0][0][0]), str(owners[1][0][0]), bool(granted), bool(is_adopted), bool(is_blocked), columns
    )


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
            self.sql("update public.profiles set daily_tick_limit = 3 where {profile_owner} in ({user}, {other})"),
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
