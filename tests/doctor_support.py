"""One table for all checks of `tickctl doctor`: for each the facts that pass, that fail, and that leave it open."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tickctl.core.doctor import Check
from tickctl.core.doctor.facts import (
    AuthAnswer,
    AwsIdentity,
    Configuration,
    Database,
    Embedded,
    EnvFiles,
    Facts,
    Found,
    Keys,
    Problem,
    Schema,
    StoredSecret,
    Unread,
)
from tickctl.core.findings import Result
from tickctl.core.secret import Secret
from tickctl.core.secrets.checks import Check as FileCheck
from tickctl.core.secrets.checks import Finding as FileFinding
from tickctl.core.secrets.checks import Purpose
from tickctl.core.secrets.checks import Result as FileResult
from tickctl.core.secrets.env_files import Entry

URL: Final = "https://abcdefghijklmnopqrst.supabase.co"
GOOD_SECRET: Final = "q8$Wm2!vT5#zR7nB4xK9pL3sD6fG1hJ0"
VALUES: Final = {
    "SUPABASE_URL": URL,
    "SUPABASE_ANON_KEY": "sb_publishable_mN3vXq81tQw0Lr5KcYpZ",
    "SUPABASE_JWT_SECRET": GOOD_SECRET,
    "SUPABASE_CONFIRMED_CLAIM": "email_confirmed_at",
    "RABBITMQ_URL": "amqps://gateway:password@rabbitmq.internal/",
}
AUTH_SETTINGS: Final = {"mailer_autoconfirm": False, "external": {"anonymous_users": False}}
UNREAD: Final = Unread("nobody answered", "try again")
FILE: Final = "services/keys.env"

Change = Callable[[Facts], Facts]


def configured(values: Mapping[str, str] = VALUES, **more: Any) -> Configuration:
    """Return a configuration from one file."""
    entries = {name: Entry(name, Secret(value), FILE, line) for line, (name, value) in enumerate(values.items(), 1)}
    given: dict[str, Any] = {"has_project": bool(values), "url": values.get("SUPABASE_URL")}
    found = tuple(Found(name, FILE) for name in sorted(values))
    return Configuration(found=found, entries=entries, **(given | more))


def healthy(purpose: Purpose = Purpose.PRODUCTION) -> Facts:
    """Return the facts of a set-up in which every check passes, but for a rotation, which isn't there to be judged."""
    return Facts(
        purpose,
        configured(),
        env_files=EnvFiles((FILE,)),
        configured_keys=None,
        published_keys=Keys(2),
        auth=AuthAnswer(accepted=True, settings=AUTH_SETTINGS, seconds_apart=0.0),
        api=(),
        database=Database("the database of SUPABASE_DB_URL as postgres", Schema(), hook=True),
        embedded=Embedded("/home/somebody/.local/share/tickctl", True, "18", "18"),
        aws=AwsIdentity("123456789012", "eu-west-1", "123456789012"),
        secret=StoredSecret("gateway/production", ()),
    )


def given(**values: str | None) -> Change:
    """Return the change that sets variables, or takes them away."""

    def change(facts: Facts) -> Facts:
        kept = {name: value for name, value in (VALUES | values).items() if value is not None}
        return replace(facts, settings=configured(kept))

    return change


def but(**changes: Any) -> Change:
    """Return the change that replaces what was looked up."""
    return lambda facts: replace(facts, **changes)


def in_database(**changes: Any) -> Change:
    """Return the change that replaces something of the database."""

    def change(facts: Facts) -> Facts:
        assert isinstance(facts.database, Database)
        return replace(facts, database=replace(facts.database, **changes))

    return change


def in_file(check: FileCheck, result: FileResult = FileResult.FAIL) -> Change:
    """Return the change that lets a check of env files say something."""
    return but(env_files=EnvFiles((FILE,), (FileFinding(check, result, "something is the matter", None, FILE),)))


def answered(**changes: Any) -> Change:
    """Return the change that replaces something of Auth's answer."""

    def change(facts: Facts) -> Facts:
        assert isinstance(facts.auth, AuthAnswer)
        return replace(facts, auth=replace(facts.auth, **changes))

    return change


@dataclass(frozen=True, slots=True)
class Row:
    """The facts of one check, as changes of a healthy set-up.

    Attributes:
        failing: makes the check give its worst.
        unreadable: leaves the check open.
        worst: what that is; some checks only warn.
        healthy: what the check gives in a healthy set-up; some have nothing to judge there.
    """

    failing: Change
    unreadable: Change
    worst: Result = Result.FAIL
    healthy: Result = Result.PASS


NO_SETTINGS: Final = but(settings=Unread("the file can't be read"))
ROWS: Final[Mapping[Check, Row]] = {
    Check.SETTINGS: Row(but(settings=Problem("services/.env:3: there is no quote at the end")), NO_SETTINGS),
    Check.OVERRIDDEN: Row(
        but(settings=replace(configured(), found=(Found("SUPABASE_URL", "environment", (FILE,)),))),
        NO_SETTINGS,
        worst=Result.WARNING,
    ),
    Check.HALF_CONFIGURED: Row(given(SUPABASE_ANON_KEY=None), NO_SETTINGS),
    Check.ENV_FILES: Row(in_file(FileCheck.PLACEHOLDER), but(env_files=UNREAD)),
    Check.ENV_FILE_PLACES: Row(in_file(FileCheck.TRACKED), in_file(FileCheck.GIT, FileResult.CANNOT_TELL)),
    Check.ALLOW_UNCONFIRMED: Row(given(SUPABASE_ALLOW_UNCONFIRMED="true"), NO_SETTINGS),
    Check.JWT_SECRET: Row(given(SUPABASE_JWT_SECRET="short"), NO_SETTINGS),
    Check.PREVIOUS_SECRET: Row(
        given(SUPABASE_JWT_SECRET_PREVIOUS=GOOD_SECRET), NO_SETTINGS, healthy=Result.NOT_APPLICABLE
    ),
    Check.KEY_SET: Row(but(published_keys=Problem("the JWK set has no list of keys")), but(published_keys=UNREAD)),
    Check.ISSUER: Row(given(SUPABASE_JWT_ISSUER="https://zyxwvutsrqponmlkjihg.supabase.co/auth/v1"), NO_SETTINGS),
    Check.CLOCK: Row(answered(seconds_apart=31.5), answered(seconds_apart=None)),
    Check.PROJECT_URL: Row(but(project_url=Problem("that is the dashboard")), NO_SETTINGS),
    Check.AUTH: Row(but(auth=Problem("the Auth server answered with status 404")), but(auth=UNREAD)),
    Check.PUBLISHABLE_KEY: Row(but(user_key=Problem("it is a secret one")), but(auth=UNREAD)),
    Check.EMAIL_CONFIRMATION: Row(
        answered(settings={**AUTH_SETTINGS, "mailer_autoconfirm": True}), answered(settings=None)
    ),
    Check.ANONYMOUS_SIGN_INS: Row(
        answered(settings={**AUTH_SETTINGS, "external": {"anonymous_users": True}}),
        answered(settings={"mailer_autoconfirm": False}),
        worst=Result.WARNING,
    ),
    Check.API: Row(but(api=("my_ticks",)), but(api=UNREAD)),
    Check.DATABASE: Row(but(database=Problem("the server refused the password")), but(database=UNREAD)),
    Check.SCHEMA: Row(in_database(schema=Schema(("a function changes",))), in_database(schema=UNREAD)),
    Check.HOOK: Row(in_database(hook=False), in_database(hook=UNREAD)),
    Check.EMBEDDED_DATABASE: Row(but(embedded=Embedded("/srv/tickctl", False, "17", "18")), but(embedded=UNREAD)),
    Check.AWS_IDENTITY: Row(but(aws=AwsIdentity("210987654321", "eu-west-1", "123456789012")), but(aws=UNREAD)),
    Check.AWS_SECRET: Row(but(secret=StoredSecret("gateway/production", ("A_KEY",))), but(secret=UNREAD)),
    Check.CONNECTION_URL: Row(
        given(RABBITMQ_URL="amqp://gateway:password@rabbitmq.internal/"), given(RABBITMQ_URL="rabbitmq.internal:5671")
    ),
}
"""What each check is proven with; a test keeps it complete."""
