"""Checks of what tokens are verified with: secrets, keys, the issuer and the clock."""

from collections.abc import Iterator
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from tickctl.core.doctor.catalogue import Check
from tickctl.core.doctor.facts import AuthAnswer, Configuration, Facts, Keys
from tickctl.core.doctor.verdicts import failed, followed, looked, nothing, passed, untold, warned
from tickctl.core.findings import Finding
from tickctl.core.secret import Secret
from tickctl.core.secrets.checks import Check as FileCheck
from tickctl.core.secrets.checks import Purpose, Result
from tickctl.core.secrets.checks.credentials import judged
from tickctl.core.tokens.algorithms import Algorithm, Key
from tickctl.core.tokens.hmac_secret import hmac_secret
from tickctl.core.tokens.jws import parse_compact
from tickctl.core.tokens.policy import DEFAULT_LEEWAY
from tickctl.core.tokens.verdict import Refusal
from tickctl.errors import ConfigurationError

_CURRENT: Final = "SUPABASE_JWT_SECRET"
_PREVIOUS: Final = "SUPABASE_JWT_SECRET_PREVIOUS"
_LEGACY_KEYS: Final = ("SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_SECRET_KEY")
_ISSUER: Final = "SUPABASE_JWT_ISSUER"
_AUTH: Final = "Auth server"
_PATH: Final = "/auth/v1"
_HOSTED: Final = ".supabase.co"


def secrets(settings: Configuration) -> Iterator[Finding]:
    """Judge the secret that signs tokens, and the one before it."""
    if settings.value(_CURRENT) is None:
        yield nothing(Check.JWT_SECRET, _CURRENT, "it isn't set, so that only tokens signed with public keys are valid")
    else:
        yield from list(_weak(settings, _CURRENT, Check.JWT_SECRET)) or [_fitting(settings)]
    if settings.value(_PREVIOUS) is None:
        yield nothing(Check.PREVIOUS_SECRET, _PREVIOUS, "no rotation is under way")
        return
    lingering = [
        variable
        for variable in judged(settings.entries, Purpose.PRODUCTION)
        if variable.check in {FileCheck.PREVIOUS_SECRET, FileCheck.PREVIOUS_SECRET_SAME}
    ]
    for variable in lingering:
        make = failed if variable.result is Result.FAIL else warned
        yield make(Check.PREVIOUS_SECRET, _PREVIOUS, variable.message, variable.mend)
    yield from _weak(settings, _PREVIOUS, Check.PREVIOUS_SECRET)


def _weak(settings: Configuration, name: str, check: Check) -> Iterator[Finding]:
    """Find a secret that verification refuses, or that can be guessed."""
    entry = settings.entries[name]
    try:
        hmac_secret(entry.value or Secret(""), loopback=settings.on_loopback)
    except ConfigurationError as error:
        yield failed(check, name, error.message.replace("the JWT secret is", "it is"), error.hint)
        return
    for finding in judged({name: entry}, Purpose.LOCAL if settings.on_loopback else Purpose.PRODUCTION):
        if finding.check in {FileCheck.WEAK_SECRET, FileCheck.DEMO_SECRET} and finding.result is Result.FAIL:
            yield failed(check, name, finding.message, finding.mend)


def _fitting(settings: Configuration) -> Finding:
    """Compare the secret with the project's legacy API keys, which are tokens that it has signed."""
    signed = {name: _signed_by_ours(settings, name) for name in _LEGACY_KEYS}
    for name, ours in signed.items():
        if ours is False:
            message = f"it hasn't signed the key in {name}, so that one of the two is of another project, or of before"
            return failed(Check.JWT_SECRET, _CURRENT, message, "copy both again from the project's settings")
    if True in signed.values():
        return passed(Check.JWT_SECRET, _CURRENT, "it is long enough, and has signed the project's legacy API keys")
    message = "it is long enough, and not the public one; whether it is this project's, a token tells: tickctl explain"
    return passed(Check.JWT_SECRET, _CURRENT, message)


def _signed_by_ours(settings: Configuration, name: str) -> bool | None:
    """Return whether one of our secrets has signed a key; None where it is none that such a secret signs."""
    key = settings.value(name)
    secrets = [entry.value for entry in map(settings.entries.get, (_CURRENT, _PREVIOUS)) if entry and entry.value]
    try:
        jws = parse_compact(key or "")
        if jws.header.algorithm is not Algorithm.HS256:
            return None
        known = (Key(Algorithm.HS256, None, secret.reveal().encode("utf-8", "surrogateescape")) for secret in secrets)
        return any(one.verifies(jws.signing_input, jws.signature) for one in known)
    except Refusal:
        return None


def keys(facts: Facts, settings: Configuration) -> Iterator[Finding]:
    """Judge the keys that are configured, and those that are published."""
    key_sets = [("SUPABASE_JWKS", facts.configured_keys), ("published keys", facts.published_keys)]
    looks = [(subject, look) for subject, look in key_sets if look is not None]
    for subject, look in looks:
        yield from looked(Check.KEY_SET, subject, look, "", partial(_key_set, settings, subject))
    if not looks:
        yield nothing(Check.KEY_SET, "public keys", "no project is configured that could publish any")


def _key_set(settings: Configuration, subject: str, found: Keys) -> Iterator[Finding]:
    for note in found.notes:
        yield warned(Check.KEY_SET, subject, note, "replace that key")
    many = "1 key can be used" if found.usable == 1 else f"{found.usable} keys can be used"
    if found.usable:
        yield passed(Check.KEY_SET, subject, many)
    elif settings.value(_CURRENT):
        yield passed(Check.KEY_SET, subject, f"there are none that can be used, and {_CURRENT} is for HS256")
    else:
        yield failed(Check.KEY_SET, subject, f"there are none that can be used, and {_CURRENT} isn't set either")


def issuer(settings: Configuration) -> Iterator[Finding]:
    """Compare the issuer that is wanted with the project's address."""
    expected, own = settings.value(_ISSUER), f"{settings.url}{_PATH}"
    if settings.url is None:
        yield nothing(Check.ISSUER, _ISSUER, "no project is configured to compare it with")
    elif expected is None:
        yield passed(Check.ISSUER, _ISSUER, f"it isn't set, so that {own} counts")
    elif expected == own:
        yield passed(Check.ISSUER, _ISSUER, f"{own} belongs to SUPABASE_URL")
    elif not _is_issuer(expected):
        yield failed(Check.ISSUER, _ISSUER, f"it doesn't end in {_PATH}, as those of Supabase's tokens do")
    else:
        yield _other_issuer(expected, settings.url)


def _other_issuer(wanted: str, url: str) -> Finding:
    ours, theirs = urlsplit(url).hostname or "", urlsplit(wanted).hostname or ""
    if ours.endswith(_HOSTED):
        message = "it is not that of the project at SUPABASE_URL, so that none of its tokens is valid"
        return failed(Check.ISSUER, _ISSUER, message)
    if theirs.endswith(_HOSTED):
        return passed(Check.ISSUER, _ISSUER, "it is that of a hosted project, and SUPABASE_URL is its own domain")
    message = "it is of another host than SUPABASE_URL; only a self-hosted project has that"
    return warned(Check.ISSUER, _ISSUER, message, "compare it with 'iss' in a token: tickctl verify-token --explain")


def _is_issuer(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.path.endswith(_PATH)


def clock(facts: Facts) -> Iterator[Finding]:
    """Compare the clocks."""
    yield from followed(Check.CLOCK, _AUTH, facts.auth, "there is none to compare the clock with", _clock)


def _clock(answer: AuthAnswer) -> Iterator[Finding]:
    apart = answer.seconds_apart
    if apart is None:
        yield untold(Check.CLOCK, _AUTH, "it didn't say what time it is")
    elif abs(apart) > DEFAULT_LEEWAY:
        direction = "behind" if apart > 0 else "ahead of"
        message = f"this machine's clock is at least {abs(apart):.0f} s {direction} its"
        yield failed(Check.CLOCK, _AUTH, f"{message}, and tokens are forgiven {DEFAULT_LEEWAY} s")
    else:
        yield passed(Check.CLOCK, _AUTH, f"its clock and this machine's agree within the {DEFAULT_LEEWAY} s of tokens")
