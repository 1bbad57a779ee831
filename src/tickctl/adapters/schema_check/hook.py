"""The optional access-token hook: whether it is there, for whom, and what it says."""

import json
from collections.abc import Iterator
from typing import Final

from psycopg import sql

from tickctl.adapters.schema_check.finding import Finding, Part, Result
from tickctl.adapters.schema_check.outcomes import answers, concluded
from tickctl.adapters.schema_check.principals import People
from tickctl.adapters.schema_check.trial import Statement, Trial

_INSTALLED: Final = """
select from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
where n.nspname = 'tick' and p.proname = 'access_token_hook'
"""
_ASKED: Final = """
select claims ->> 'email_confirmed_at', claims ? 'email_confirmed_at', claims ->> 'sub'
from (select tick.access_token_hook({event}::jsonb) -> 'claims' as claims) as answer
"""
_INSTALL: Final = "tickctl schema apply --with-hook"


def look(trial: Trial, people: People | None) -> Iterator[Finding]:
    """Check the hook.

    Args:
        trial: on the database.
        people: throw-away users to ask about; None where there are none.

    Raises:
        psycopg.Error: the connection is lost.
    """
    title = "the access-token hook"
    if not trial.ask(sql.SQL(_INSTALLED)):
        detail = "not installed; tokens then do not say offline whether the e-mail is confirmed"
        yield Finding("hook-installed", Part.HOOK, title, Result.NOTE, detail, _INSTALL)
        return
    # Auth keeps its configuration to itself, so this is as much as a database can tell.
    detail = "installed; whether Supabase Auth calls it, only the project's Auth settings tell (Hooks)"
    yield Finding("hook-installed", Part.HOOK, title, Result.NOTE, detail)
    if people is not None:
        yield _claims(trial, people)


def _claims(trial: Trial, people: People) -> Finding:
    lie = {"email_confirmed_at": "1999-01-01T00:00:00Z"}
    verdicts = []
    for tried, person, expected in (
        ("asking about a confirmed user", people.user, "2020-01-01T00:00:00.000000Z"),
        ("asking about an unconfirmed user", people.unconfirmed, None),
    ):
        event = {"user_id": person.id, "claims": {**person.claims(), **lie}, "authentication_method": "password"}
        statement: Statement = sql.SQL(_ASKED).format(event=sql.Literal(json.dumps(event)))
        verdicts.append((tried, answers((expected, True, person.id))(trial.attempt(statement))))
    title = "the hook says when the e-mail was confirmed, whatever the claims say"
    return concluded("hook-claims", title, verdicts, part=Part.HOOK, mend=_INSTALL)
