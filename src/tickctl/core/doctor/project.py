"""Checks of the Supabase project: its address, its Auth settings, its API."""

from collections.abc import Callable, Iterator
from typing import Final

from tickctl.core.doctor.catalogue import Check
from tickctl.core.doctor.facts import AuthAnswer, Configuration, Facts
from tickctl.core.doctor.verdicts import failed, followed, looked, nothing, passed, untold, warned
from tickctl.core.findings import Finding
from tickctl.core.json import JsonObject
from tickctl.core.secrets.checks import Purpose

_AUTH: Final = "Auth server"
_KEY: Final = "SUPABASE_ANON_KEY"
_ABSENT: Final = "no project is configured"
_CLOSED: Final = "without a publishable key that it accepts, the project doesn't tell its settings"


def address(facts: Facts, settings: Configuration) -> Iterator[Finding]:
    """Judge the project's address by its looks."""
    if settings.url is None:
        yield nothing(Check.PROJECT_URL, "SUPABASE_URL", _ABSENT)
    elif facts.project_url:
        yield failed(Check.PROJECT_URL, "SUPABASE_URL", facts.project_url.message, facts.project_url.mend)
    else:
        yield passed(Check.PROJECT_URL, "SUPABASE_URL", settings.url)


def auth(facts: Facts) -> Iterator[Finding]:
    """Say whether Auth answered."""
    yield from looked(Check.AUTH, _AUTH, facts.auth, _ABSENT, lambda _answer: [passed(Check.AUTH, _AUTH, "it answers")])


def publishable_key(facts: Facts, settings: Configuration) -> Iterator[Finding]:
    """Judge the publishable key, by its looks and by what the project says of it."""
    if settings.value(_KEY) is None:
        yield nothing(Check.PUBLISHABLE_KEY, _KEY, "it isn't set")
    elif facts.user_key:
        yield failed(Check.PUBLISHABLE_KEY, _KEY, facts.user_key.message, facts.user_key.mend)
    elif isinstance(facts.auth, AuthAnswer):
        yield from _accepted(facts.auth)
    elif facts.auth is None:
        yield nothing(Check.PUBLISHABLE_KEY, _KEY, "no project is configured that could accept it")
    else:
        yield untold(Check.PUBLISHABLE_KEY, _KEY, "the Auth server could not be asked whether it accepts it")


def _accepted(answer: AuthAnswer) -> Iterator[Finding]:
    if answer.accepted is None:
        yield untold(Check.PUBLISHABLE_KEY, _KEY, "the Auth server didn't say whether it accepts it")
    elif answer.accepted:
        yield passed(Check.PUBLISHABLE_KEY, _KEY, "the project accepts it")
    else:
        yield failed(Check.PUBLISHABLE_KEY, _KEY, "the project refuses it")


def email_confirmation(facts: Facts) -> Iterator[Finding]:
    """Judge whether addresses have to be confirmed."""
    check = Check.EMAIL_CONFIRMATION

    def judge(settings: JsonObject) -> Finding:
        match settings.get("mailer_autoconfirm"):
            case False:
                return passed(check, _AUTH, "new e-mail addresses have to be confirmed")
            case True:
                message = "new users count as confirmed at once, whatever address they give"
                make = failed if facts.purpose is Purpose.PRODUCTION else warned
                return make(check, _AUTH, message)
            case _:
                return untold(check, _AUTH, "its settings don't say whether e-mail addresses have to be confirmed")

    yield from _by_settings(check, facts, judge)


def anonymous_sign_ins(facts: Facts) -> Iterator[Finding]:
    """Judge whether users without any address are possible."""
    check = Check.ANONYMOUS_SIGN_INS

    def judge(settings: JsonObject) -> Finding:
        match settings:
            case {"external": {"anonymous_users": False}}:
                return passed(check, _AUTH, "anonymous sign-ins are off")
            case {"external": {"anonymous_users": True}}:
                return warned(check, _AUTH, "anybody can sign in without an address")
            case _:
                return untold(check, _AUTH, "its settings don't say whether anonymous sign-ins are off")

    yield from _by_settings(check, facts, judge)


def _by_settings(check: Check, facts: Facts, judge: Callable[[JsonObject], Finding]) -> Iterator[Finding]:
    def answered(answer: AuthAnswer) -> Iterator[Finding]:
        yield untold(check, _AUTH, _CLOSED) if answer.settings is None else judge(answer.settings)

    yield from followed(check, _AUTH, facts.auth, _ABSENT, answered)


def api(facts: Facts) -> Iterator[Finding]:
    """Judge whether users' calls would find the functions."""

    def judge(missing: tuple[str, ...]) -> Iterator[Finding]:
        if not missing:
            yield passed(Check.API, "API", "it offers tickctl's functions")
        else:
            yield failed(
                Check.API, "API", f"it doesn't know {len(missing)} of tickctl's functions: {', '.join(missing)}"
            )

    absent = "it needs SUPABASE_URL and a publishable key"
    yield from looked(Check.API, "API", facts.api, absent, judge)
