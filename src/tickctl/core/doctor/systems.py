"""Checks of databases and of AWS."""

from collections.abc import Iterator
from typing import Final

from tickctl.core.doctor.catalogue import Check
from tickctl.core.doctor.facts import (
    AwsIdentity,
    Configuration,
    Database,
    Embedded,
    Facts,
    Schema,
    StoredSecret,
    Unread,
)
from tickctl.core.doctor.verdicts import failed, followed, looked, nothing, passed, untold, warned
from tickctl.core.findings import Finding
from tickctl.core.secrets.checks import Purpose

_DATABASE: Final = "database"
_WITHOUT: Final = "without SUPABASE_DB_URL it isn't looked at"
_CLAIM: Final = "SUPABASE_CONFIRMED_CLAIM"
OWN_CLAIM: Final = "email_confirmed_at"
"""What the hook writes that comes with the schema."""
_SHOWN: Final = 3


def database(facts: Facts) -> Iterator[Finding]:
    """Say whether the database answered."""
    yield from looked(
        Check.DATABASE,
        _DATABASE,
        facts.database,
        _WITHOUT,
        lambda found: [passed(Check.DATABASE, _DATABASE, f"{found.place} answers")],
    )


def schema(facts: Facts) -> Iterator[Finding]:
    """Judge whether the schema is current."""
    database = facts.database
    look = database.schema if isinstance(database, Database) else database
    make = looked if isinstance(database, Database) else followed
    yield from make(Check.SCHEMA, _DATABASE, look, _WITHOUT, _schema)


def _schema(found: Schema) -> Iterator[Finding]:
    if found.blockers:
        message = f"it can't be brought up to date before this is cleared away: {_listed(found.blockers)}"
        yield failed(Check.SCHEMA, _DATABASE, message)
    elif found.steps:
        yield failed(Check.SCHEMA, _DATABASE, f"it isn't up to date: {_listed(found.steps)}")
    else:
        yield passed(Check.SCHEMA, _DATABASE, "it is up to date")


def hook(facts: Facts, settings: Configuration) -> Iterator[Finding]:
    """Judge whether something writes the claim that verification looks for."""
    claim = settings.value(_CLAIM)
    if claim is None:
        yield nothing(Check.HOOK, _CLAIM, "it isn't set, so that no hook is needed")
    elif claim != OWN_CLAIM:
        yield nothing(Check.HOOK, _CLAIM, f"another hook than tickctl's writes {claim}; tickctl's writes {OWN_CLAIM}")
    elif not isinstance(facts.database, Database):
        reason = "the database could not be asked" if facts.database else f"{_WITHOUT}, and nothing else knows"
        yield untold(
            Check.HOOK, _CLAIM, reason, "set SUPABASE_DB_URL, or look at a token: tickctl verify-token --explain"
        )
    elif isinstance(facts.database.hook, Unread):
        yield untold(Check.HOOK, _CLAIM, facts.database.hook.reason, facts.database.hook.mend)
    elif facts.database.hook:
        message = "the hook is installed; whether it is switched on, only the project's Auth settings know"
        yield passed(Check.HOOK, _CLAIM, message)
    else:
        yield failed(Check.HOOK, _CLAIM, "the hook that writes this claim isn't installed")


def embedded(facts: Facts) -> Iterator[Finding]:
    """Judge the embedded database without starting it."""
    absent = "there is none yet; 'tickctl demo' and 'tickctl local start' make one"
    yield from looked(Check.EMBEDDED_DATABASE, "embedded database", facts.embedded, absent, _embedded)


def _embedded(found: Embedded) -> Iterator[Finding]:
    check, subject = Check.EMBEDDED_DATABASE, "embedded database"
    if found.version not in {None, found.wanted_version}:
        message = f"{found.home} holds data of PostgreSQL {found.version}, and this tickctl has {found.wanted_version}"
        yield failed(
            check, subject, message, "use the tickctl that made it, or 'tickctl local reset', which removes it"
        )
    elif found.running:
        yield passed(check, subject, f"PostgreSQL {found.version} is running in {found.home}")
    else:
        yield passed(check, subject, f"{found.home} is in order; not running, the next command that needs it starts it")


def aws(facts: Facts) -> Iterator[Finding]:
    """Judge where the AWS credentials lead."""
    yield from looked(Check.AWS_IDENTITY, "AWS", facts.aws, "nothing of AWS is configured", _identity)


def _identity(found: AwsIdentity) -> Iterator[Finding]:
    if found.wanted and found.account != found.wanted:
        message = f"the credentials lead to account {found.account}, and the profile wants {found.wanted}"
        yield failed(Check.AWS_IDENTITY, "AWS", message)
    else:
        yield passed(Check.AWS_IDENTITY, "AWS", f"account {found.account}, {found.region}")


def secret(facts: Facts) -> Iterator[Finding]:
    """Judge whether the secret holds what the env files hold."""

    def judge(found: StoredSecret) -> Iterator[Finding]:
        subject = f"secret {found.name}"
        if found.differing is None:
            yield passed(Check.AWS_SECRET, subject, "it is there; there are no env files here to compare it with")
        elif found.differing:
            make = failed if facts.purpose is Purpose.PRODUCTION else warned
            yield make(Check.AWS_SECRET, subject, f"it and the env files differ in {_listed(found.differing)}")
        else:
            yield passed(Check.AWS_SECRET, subject, "it holds what the env files hold")

    yield from looked(Check.AWS_SECRET, "secret", facts.secret, "none is named", judge)


def _listed(items: tuple[str, ...]) -> str:
    more = f", and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more
