"""What the database says about itself, asked in the queries of `tickctl/sql/check`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import psycopg
from psycopg import sql

from tickctl.adapters.schema_check.expected import views
from tickctl.adapters.schema_check.finding import APPLY, Finding, Part, Result, joined
from tickctl.adapters.schema_check.judging import OK, Verdict, concluded, no_answer
from tickctl.adapters.schema_check.trial import Trial
from tickctl.adapters.schema_check.words import explain, mentions, query, words


@dataclass(frozen=True, slots=True)
class Assertion:
    """One requirement; the query of the same name selects a text for each thing that breaks it.

    Attributes:
        id: the name of the query and of the finding.
        title: the requirement.
        mend: what to do where it is broken.
        result: what rows mean.
        part: of the check.
    """

    id: str
    title: str
    mend: str | None = APPLY
    result: Result = Result.BROKEN
    part: Part = Part.CATALOGUE


ASSERTIONS: Final = (
    Assertion("version", "the schema is that of this version of tickctl"),
    Assertion("version-newer", "no newer version of tickctl has set it up", mend="upgrade tickctl"),
    # Tables.
    Assertion("tables", "the tables are there"),
    Assertion("columns", "columns have the names and types that are counted with"),
    Assertion("keys", "no row can be there twice"),
    Assertion("checks", "limits and counts are checked where they are stored"),
    Assertion("foreign-keys", "rows belong to a user and go with it"),
    Assertion(
        "foreign-keys-enforced",
        "foreign keys are switched on",
        mend="alter table NAME enable trigger all, as a superuser, for both tables of the key",
    ),
    Assertion("logged", "what is counted survives a crash", mend="alter table NAME set logged"),
    Assertion("indexes", "indexes are complete"),
    Assertion("triggers", "the triggers are there and switched on"),
    Assertion(
        "rules",
        "no rewrite rule changes what a statement on the tables does",
        mend="look what the rule is for, then: drop rule NAME on TABLE",
    ),
    Assertion(
        "settings-row",
        "there is one row of settings, and its time zone exists",
        mend="insert into tick.settings default values; or: update tick.settings set time_zone = 'UTC'",
    ),
    Assertion(
        "emails-in-step",
        "profiles have their users' e-mail addresses",
        mend="update public.profiles as p set email = u.email from auth.users as u"
        " where u.id = p.user_id and p.email is distinct from u.email",
    ),
    # Row-level security.
    Assertion("rls", "row-level security is on"),
    Assertion("rls-forced", "row-level security binds owners whom a request can be"),
    Assertion(
        "owners",
        "no request can be the owner of the tables",
        mend="alter table NAME owner to postgres, or take the membership away",
    ),
    Assertion("policy-own-rows", "users may read their own rows, by one policy"),
    Assertion("policy-initplan", "policies ask who calls once for each query"),
    Assertion("policy-read", "no policy shows users more than their own rows"),
    Assertion("policy-write", "no policy lets anybody write"),
    Assertion("policy-private", "no policy opens the private tables"),
    # Rights.
    Assertion("write-grants", "nobody may write to the tables through the API"),
    Assertion("write-grants-columns", "nobody may write to single columns through the API"),
    Assertion("anon-reads", "who is not signed in may read nothing"),
    Assertion("read-grants", "users and the secret key may read the tables"),
    Assertion("private-grants", "nobody may touch the private tables through the API"),
    Assertion("private-usage", "only users and the secret key may reach the private functions"),
    Assertion(
        "create-grants",
        "nobody may create objects through the API",
        mend="revoke create on schema public from public, anon, authenticated, service_role, authenticator"
        " (or on schema tick, or on the database: whatever is named)",
    ),
    Assertion(
        "default-privileges",
        "new private objects are granted to nobody",
        mend="alter default privileges revoke all on tables (sequences, functions) from WHOM,"
        " with IN SCHEMA tick where they were granted so",
    ),
    Assertion(
        "auth-grants",
        "nobody may write to accounts and sessions through the API",
        mend="revoke what is named, as supabase_auth_admin or a superuser; reading needs row-level security",
    ),
    # Functions.
    Assertion("functions-present", "the functions are there"),
    Assertion("functions-text", "the functions have the text of this version"),
    Assertion("functions-day", "no function takes the day from the session's time zone"),
    Assertion("functions-search-path", "no caller chooses where the functions look for names"),
    Assertion(
        "functions-definer",
        "no function lends requests its owner's rights over our tables",
        mend=f"{APPLY} where it is ours; else: alter function NAME security invoker, revoke execute on function NAME"
        " from public, anon, authenticated, or move it to a schema without USAGE for them",
    ),
    Assertion(
        "functions-run-sql",
        "no function runs SQL that a request gives it",
        mend="revoke execute on function NAME from public, anon, authenticated: who runs SQL can be anybody",
    ),
    Assertion("functions-public", "who is not signed in may call none of the functions"),
    Assertion("functions-grants", "each function may be called by those it is for, and by nobody else"),
    Assertion(
        "functions-overloads",
        "each function is there once",
        mend="drop function NAME(TYPES), the one that is not of this version; \\df NAME shows both",
    ),
    Assertion(
        "functions-owner",
        "all functions belong to the owner of the private schema",
        mend="alter function NAME owner to postgres, as a superuser",
    ),
    Assertion("functions-attributes", "the functions have the attributes of this version"),
    # Views and other ways out.
    Assertion(
        "views-readable",
        "no view shows our tables or auth.users with its owner's rights",
        mend=f"{APPLY}; where the view has another owner: revoke all on NAME from anon, authenticated, as that owner",
    ),
    Assertion("views-private", "private views read with their caller's rights"),
    Assertion(
        "exposed-schemas",
        "no setting in the database exposes a private schema",
        mend="take tick out of the exposed schemas: in the project's API settings, or in the role's pgrst.db_schemas",
    ),
    # Roles.
    Assertion(
        "role-attributes",
        "the API's roles have no power of their own",
        mend="alter role NAME nosuperuser nobypassrls nocreaterole nocreatedb noreplication, as a superuser",
    ),
    Assertion(
        "role-memberships",
        "no request can become a more powerful role",
        mend="revoke ROLE from anon, authenticated, service_role: whichever is named",
    ),
    # Worth knowing.
    Assertion(
        "functions-definer-other",
        "functions of yours that run with their owner's rights",
        mend=None,
        result=Result.NOTE,
    ),
    Assertion("profiles-missing", "users without a profile", mend=None, result=Result.NOTE),
    Assertion("foreign-triggers", "triggers of yours on our tables", mend=None, result=Result.NOTE),
    Assertion("pre-request", "a function of yours runs before each request", mend=None, result=Result.NOTE),
    Assertion("publications", "changes to our tables are published", mend=None, result=Result.NOTE),
    Assertion("graphql", "pg_graphql", mend=None, result=Result.NOTE),
    Assertion("exposed-schemas-elsewhere", "which schemas PostgREST serves", mend=None, result=Result.NOTE),
)


# What requirements are about, by the words of their queries. Where there is nothing of it, nothing shows that they are
# kept.
_SUBJECTS: Final = {"tables": ("our_relation", "our_table", "policy"), "functions": ("our_function",)}
_COMPARED: Final = sql.SQL(
    "select pg_catalog.pg_get_viewdef(c.oid) = pg_catalog.pg_get_viewdef('pg_temp.tickctl_view'::pg_catalog.regclass)"
    " from (select pg_catalog.to_regclass({name}) as oid) as c"
)


def look(trial: Trial) -> Iterator[Finding]:
    """Check the catalogue.

    Raises:
        psycopg.Error: the connection is lost.
    """
    explained = words()
    absent = [
        subject
        for subject, (word, *_) in _SUBJECTS.items()
        if not trial.ask(sql.SQL(explain(f"select from {word} limit 1", explained)))
    ]
    for assertion in ASSERTIONS:
        finding = assess(trial, explained, assertion)
        if finding.result is not Result.OK:
            yield finding
        elif assertion.result is Result.BROKEN:  # a note that has nothing to say is none
            missing = [subject for subject in absent if mentions(assertion.id, *_SUBJECTS[subject])]
            detail = f"there are no {' and '.join(missing)} to look at"
            yield replace(finding, result=Result.UNKNOWN, detail=detail) if missing else finding
    yield _views(trial)


def _views(trial: Trial) -> Finding:
    """Compare the views with this version's, as PostgreSQL writes both; ours are made for the moment."""
    verdicts = []
    for name, text in views().items():
        temporary = sql.SQL(f"create temporary view tickctl_view as {text}")
        outcome = trial.attempt(temporary, _COMPARED.format(name=sql.Literal(name)))
        match outcome.rows:
            case [(True,)]:
                verdicts.append((name, OK))
            case [(same,)]:
                verdicts.append((name, Verdict(Result.BROKEN, "is missing" if same is None else "has another text")))
            case _:
                verdicts.append((name, no_answer(outcome)))
    title = "the private views have the text of this version"
    return concluded("views-text", title, verdicts, part=Part.CATALOGUE, mend=APPLY)


def assess(trial: Trial, explained: Mapping[str, str], assertion: Assertion) -> Finding:
    """Ask one query, with the words that it uses explained."""
    try:
        rows = [str(row[0]) for row in trial.ask(sql.SQL(query(assertion.id, explained)))]
    except psycopg.Error as error:
        if error.sqlstate is None:
            raise
        missing = error.sqlstate in {"42P01", "42703", "3F000"}
        detail = error.diag.message_primary if missing else f"{error.diag.message_primary} (SQLSTATE {error.sqlstate})"
        return Finding(assertion.id, assertion.part, assertion.title, Result.UNKNOWN, detail or "")
    if not rows:
        return Finding(assertion.id, assertion.part, assertion.title, Result.OK)
    return Finding(assertion.id, assertion.part, assertion.title, assertion.result, joined(rows), assertion.mend)
