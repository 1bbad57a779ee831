"""Checks of what the values are: keys that anybody has, that anybody can guess, or that the gateway must not have."""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import parse_qs, urlsplit

from tickctl.core.secret import Secret
from tickctl.core.secrets.checks.catalogue import Check
from tickctl.core.secrets.checks.finding import Finding, Purpose, Result, about
from tickctl.core.secrets.env_files import Entry
from tickctl.core.secrets.public_keys import is_demo, unverified_claims
from tickctl.core.secrets.shapes import secret_shape
from tickctl.core.variables import VARIABLES
from tickctl.errors import ConfigurationError

_SWITCH: Final = "SUPABASE_ALLOW_UNCONFIRMED"
_CURRENT: Final = "SUPABASE_JWT_SECRET"
_PREVIOUS: Final = "SUPABASE_JWT_SECRET_PREVIOUS"
# Fewer different characters than these are a repetition, not a secret; 32 random hexadecimal digits have about 14.
_LEAST_CHARACTERS: Final = 6
_DATABASE: Final = "SUPABASE_DB_URL"
_ADMIN_ROLES: Final = frozenset({"service_role", "supabase_admin"})
_AWS_NAMES: Final = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})


def judged(effective: Mapping[str, Entry], purpose: Purpose) -> Iterator[Finding]:
    """Find values that must not go where these files go."""
    for name, entry in effective.items():
        if not entry.value:
            continue
        if name == _SWITCH:
            yield from _switch(entry, entry.value, purpose)
        if name in {_CURRENT, _PREVIOUS}:
            yield from _jwt_secret(entry, entry.value, purpose)
        else:
            yield from _demo_key(entry, entry.value, purpose)
        yield from _administrative(entry, entry.value)
    yield from _rotation(effective)


def _switch(entry: Entry, value: Secret, purpose: Purpose) -> Iterator[Finding]:
    if value.reveal().strip().lower() == "false":
        return
    message = f"{entry.name} lets people in whose e-mail address nobody has confirmed"
    yield about(entry, Check.ALLOW_UNCONFIRMED, _unless_local(purpose), message, "remove the line")


def _jwt_secret(entry: Entry, value: Secret, purpose: Purpose) -> Iterator[Finding]:
    from tickctl.core.tokens.hmac_secret import hmac_secret  # noqa: PLC0415 - loads cryptography, which --help can spare

    if is_demo(value):
        message = f"{entry.name} is the public demo secret of local set-ups: anybody can sign tokens with it"
        mend = "put the project's own JWT secret there"
        yield about(entry, Check.DEMO_SECRET, _unless_local(purpose), message, mend)
        return
    try:
        key = hmac_secret(value)
    except ConfigurationError as error:
        problem = error.message.removeprefix("the JWT secret is ")
        yield about(entry, Check.WEAK_SECRET, Result.FAIL, f"{entry.name} is {problem}", error.hint)
        return
    if len(set(key)) < _LEAST_CHARACTERS:
        message = f"{entry.name} repeats a few characters, so that it can be guessed"
        yield about(entry, Check.WEAK_SECRET, Result.FAIL, message, "put a random secret there, and into Supabase")


def _demo_key(entry: Entry, value: Secret, purpose: Purpose) -> Iterator[Finding]:
    if is_demo(value):
        message = f"{entry.name} is a public demo key of local set-ups"
        yield about(entry, Check.DEMO_SECRET, _unless_local(purpose), message, "put the project's own key there")


def _administrative(entry: Entry, value: Secret) -> Iterator[Finding]:
    name = entry.name
    shape = secret_shape(value.reveal())
    role = unverified_claims(value).get("role")
    if name in _AWS_NAMES or shape == "an AWS access key":
        message = f"{name} is an AWS access key; tasks get theirs from their role, which changes them by the hour"
        yield about(entry, Check.AWS_CREDENTIAL, Result.FAIL, message, "remove it, and give the task role the right")
    elif (
        (name in VARIABLES and VARIABLES[name].is_administrative)
        or (name == _DATABASE and not _as_the_api(value))
        or shape == "a Supabase secret key"
        or role in _ADMIN_ROLES
    ):
        message = f"{name} may do everything in the project, and the gateway has no use for it"
        mend = "keep it in an env file of your own, which is not pushed"
        yield about(entry, Check.ADMIN_CREDENTIAL, Result.FAIL, message, mend)


def _as_the_api(value: Secret) -> bool:
    """Whether a connection string is for the role that PostgREST itself signs in with, which may do no more.

    A pooler wants the project's reference behind the role's name: `authenticator.abcdefghijklmnopqrst`.
    """
    try:
        parts = urlsplit(value.reveal())
        user = parts.username or ""
    except ValueError:
        return False
    return user.partition(".")[0] == "authenticator" and "user" not in parse_qs(parts.query)


def _rotation(effective: Mapping[str, Entry]) -> Iterator[Finding]:
    current, previous = effective.get(_CURRENT), effective.get(_PREVIOUS)
    if previous is None or not previous.value:
        return
    if current is not None and current.value == previous.value:
        message = f"{_PREVIOUS} is the same as {_CURRENT}, so that nothing was rotated"
        mend = f"put the new secret into {_CURRENT}, or remove {_PREVIOUS}"
        yield about(previous, Check.PREVIOUS_SECRET_SAME, Result.FAIL, message, mend)
    else:
        message = f"{_PREVIOUS} is still accepted"
        mend = "remove it when the last token that it signed has expired"
        yield about(previous, Check.PREVIOUS_SECRET, Result.NOTE, message, mend)


def _unless_local(purpose: Purpose) -> Result:
    return Result.NOTE if purpose is Purpose.LOCAL else Result.FAIL
