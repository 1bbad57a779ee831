"""Asks a Supabase project what everybody may know of it; at most the publishable key goes there."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from tickctl.adapters import project
from tickctl.adapters.api.address import host_of, rest_url
from tickctl.adapters.api.keys import ApiKey
from tickctl.adapters.http import Answer, guarded_get
from tickctl.core.doctor.facts import AuthAnswer, Keys, Problem
from tickctl.core.json import JsonObject
from tickctl.core.quota import PARAMETERS, Anonymous
from tickctl.core.tokens import MAX_JWKS_BYTES, Algorithm, Header, KeySet
from tickctl.core.tokens.encoding import EncodingError, parse_object
from tickctl.errors import ConfigurationError, UnreachableError
from tickctl.settings import Settings

_REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_NOT_ITS_FAULT: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_SERVER_ERRORS: Final = 500
# Of a set that never changes; whatever is asked, it is the same.
_ANY: Final = Header(Algorithm.ES256, None)
_NO_SUCH_FUNCTION: Final = "PGRST202"
_MALFORMED: Final = "22P02"
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
_AT_ONCE: Final = 4
_INSUFFICIENT_PRIVILEGE: Final = "42501"


def address(settings: Settings) -> Problem | None:
    """Return what is wrong with the project's address by its looks."""
    try:
        rest_url(settings.supabase_url or "")
    except ConfigurationError as error:
        return Problem(error.message, error.hint)
    return None


def user_headers(settings: Settings) -> dict[str, str] | Problem | None:
    """Return the headers of a caller with the publishable key; None without one; a secret key is never sent."""
    if settings.anon_key is None:
        return None
    try:
        return ApiKey.of(settings.anon_key, host_of(settings.supabase_url or "")).headers(Anonymous())
    except ConfigurationError as error:
        return Problem(error.message, error.hint)


def ask_auth(url: str, headers: dict[str, str] | None, *, now: Callable[[], float] = time.time) -> AuthAnswer:
    """Ask Auth for its public settings, or without a key only whether it is there.

    Raises:
        ConfigurationError: there is no Auth server.
        UnreachableError: no answer of one.
    """
    before = now()
    response = guarded_get(f"{url}/auth/v1/{'settings' if headers else 'health'}", headers)
    after = now()
    apart = _seconds_apart(response.date, before, after)
    if response.status in _REFUSED:  # what stands before Auth wants a key, or another one
        return AuthAnswer(False if headers else None, None, apart)
    _require_ok(response, "the Auth server", url)
    return AuthAnswer(True if headers else None, _object(response, "the Auth server") if headers else None, apart)


def fetch_keys(url: str) -> Keys:
    """Fetch the published keys; no copy is kept.

    Raises:
        ConfigurationError: there are none at this address, or what is there is no key set.
        UnreachableError: no answer of a key server.
    """
    response = guarded_get(url, limit=MAX_JWKS_BYTES)
    _require_ok(response, "the key server", url)
    keys = KeySet.from_jwks(response.body, allow_symmetric=False)
    return Keys(len(keys.keys), keys.notes)


def configured_keys(settings: Settings) -> Keys:
    """Read the key set of SUPABASE_JWKS alone.

    Raises:
        ConfigurationError: it isn't one.
    """
    alone = replace(settings, supabase_url=None, jwks_url=None, jwt_secret=None, jwt_secret_previous=None)
    keys = project.keys(alone, cache_folder=None, fetch=False).current(_ANY)
    return Keys(len(keys.keys), keys.notes)


def missing_functions(url: str, headers: dict[str, str]) -> tuple[str, ...]:
    """Return which of tickctl's functions the API doesn't know, or knows with other parameters.

    Each is asked for as nobody in particular, which is refused where the function is there; a GET is a transaction
    that only reads. An API that hasn't read the schema again after `schema apply` knows some of them.

    Raises:
        ConfigurationError: no API is there, or it refuses the key.
        UnreachableError: no answer of an API.
    """
    first, *functions = PARAMETERS
    offered = {first: _offers(url, headers, first)}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        offered |= zip(functions, pool.map(lambda name: _offers(url, headers, name), functions), strict=True)
    return tuple(name for name, is_offered in offered.items() if not is_offered)


def _offers(url: str, headers: dict[str, str], name: str) -> bool:
    query = urlencode(dict.fromkeys(PARAMETERS[name], _NOBODY))
    response = guarded_get(f"{rest_url(url)}/rpc/{name}{'?' if query else ''}{query}", headers)
    if response.status < HTTPStatus.INTERNAL_SERVER_ERROR and response.status not in _NOT_ITS_FAULT:
        try:
            code = parse_object(response.body).get("code")
        except EncodingError:
            code = None
        if code == _NO_SUCH_FUNCTION:
            return False
        # The nil UUID is no number: whoever reads the arguments has found the function.
        if code in {_INSUFFICIENT_PRIVILEGE, _MALFORMED}:
            return True
        if response.status in _REFUSED:
            raise ConfigurationError("the API refuses the publishable key", hint="copy it again from the project")
    _require_ok(response, "the API", url)
    raise UnreachableError(f"the answer of the API makes no sense: it let nobody in particular call {name}")


def _require_ok(answer: Answer, who: str, url: str) -> None:
    if answer.status == HTTPStatus.OK:
        return
    message = f"{who} answered with status {answer.status}"
    if answer.status in _NOT_ITS_FAULT or not HTTPStatus.BAD_REQUEST <= answer.status < _SERVER_ERRORS:
        raise UnreachableError(message, hint="try again in a while")
    raise ConfigurationError(message, hint=f"nothing of Supabase is at {url}: check the address")


def _object(answer: Answer, who: str) -> JsonObject:
    try:
        return parse_object(answer.body)
    except EncodingError:
        raise UnreachableError(f"the answer of {who} is no JSON object", hint="check SUPABASE_URL") from None


def _seconds_apart(date: str, before: float, after: float) -> float | None:
    """Return the least by which the server's clock differs from ours; its Date is cut to whole seconds."""
    try:
        server_time = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    if server_time > after:
        return server_time - after
    return min(0.0, server_time + 1 - before)
