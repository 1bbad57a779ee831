"""Signing up and in, as Supabase Auth does it under its own role, with the project's triggers and tickctl's."""

from collections.abc import Iterator
from typing import Final

from psycopg import sql

from tickctl.adapters.schema_check.finding import Finding, Part, Result
from tickctl.adapters.schema_check.principals import metadata
from tickctl.adapters.schema_check.trial import AUTH_ROLE, Outcome, Trial, become

_SIGN_UP: Final = """
insert into auth.users (
    id, aud, role, email, raw_app_meta_data, raw_user_meta_data, created_at, updated_at, is_anonymous
) values (
    {id}, 'authenticated', 'authenticated', {email}, '{{"provider": "email"}}', {metadata}, now(), now(), false
)
"""
_SIGN_IN: Final = "update auth.users set last_sign_in_at = now(), email_confirmed_at = now() where id = {id}"
_TITLE: Final = "people can sign up and in"
# Triggers of the project that run with the rights of whoever writes: as another role they prove nothing.
_DEPENDS_ON_ROLE: Final = """
select x.tgname from pg_catalog.pg_trigger as x join pg_catalog.pg_proc as p on p.oid = x.tgfoid
where x.tgrelid = 'auth.users'::pg_catalog.regclass and not x.tgisinternal and not p.prosecdef
"""
_MAY_BE: Final = "select pg_catalog.pg_has_role(r.oid, 'member') from pg_catalog.pg_roles as r where r.rolname = {role}"


def sign_up(trial: Trial, user_id: str) -> Iterator[Finding]:
    """Try it.

    Args:
        trial: on the database.
        user_id: of a user who isn't there.

    Raises:
        psycopg.Error: the connection is lost.
    """
    values = {
        "id": sql.Literal(user_id),
        "email": sql.Literal(f"tickctl-check-{user_id}@example.invalid"),
        "metadata": sql.Literal(metadata(user_id)),
    }
    steps = [sql.SQL(text).format(**values) for text in (_SIGN_UP, _SIGN_IN)]
    may_be = trial.ask(sql.SQL(_MAY_BE).format(role=sql.Literal(AUTH_ROLE)))
    is_auth = bool(may_be and may_be[0][0])
    outcome = trial.attempt(become(AUTH_ROLE if is_auth else "none"), *steps)
    if outcome.sqlstate is not None:
        yield _refused(outcome)
    elif not is_auth and trial.ask(sql.SQL(_DEPENDS_ON_ROLE)):
        detail = f"triggers of yours run with the rights of {AUTH_ROLE}, whom this role may not become"
        yield Finding("sign-up", Part.BEHAVIOUR, _TITLE, Result.UNKNOWN, detail)
    else:
        yield Finding("sign-up", Part.BEHAVIOUR, _TITLE, Result.OK)


def _refused(outcome: Outcome) -> Finding:
    """Tell a failure of tickctl's from a trigger of the project that wants more of a user than anybody can guess."""
    detail = f"{outcome.message} (SQLSTATE {outcome.sqlstate})"
    if "function tick." in outcome.context or "tick_" in outcome.context:
        return Finding("sign-up", Part.BEHAVIOUR, _TITLE, Result.BROKEN, detail, "tickctl schema remove, and report it")
    detail = f"a trigger of yours refused a throw-away user: {detail}"
    return Finding("sign-up", Part.BEHAVIOUR, _TITLE, Result.NOTE, detail)
