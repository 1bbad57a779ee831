"""What an answer to a function call over PostgREST means: rows, or one of our errors.

Between tickctl and PostgREST stand Supabase's API gateway and proxies, and any of them may answer in its place. An
error of PostgREST's has its own code (https://docs.postgrest.org/en/v14/references/errors.html) or the database's
SQLSTATE. The gateway gives a message without a code, and refuses some keys without a word. Whatever else comes is a
stranger's answer, which is never a yes nor a no. Supabase's own statuses:
https://supabase.com/docs/guides/platform/http-status-codes.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tickctl.core.json import Json, JsonObject
from tickctl.core.quota.sqlstate import error_for
from tickctl.errors import ConfigurationError, CredentialsRefusedError, TickctlError, UnreachableError

_OK: Final = (200, 206)
_REFUSALS: Final = (401, 403)
_REDIRECTS: Final = range(300, 400)
_OUTAGE: Final = 500
# Statuses that the network before a project gives where it could not even hand the call over.
_NOT_DELIVERED: Final = (521, 523, 525, 526, 540)
# Codes of connections that broke while the database was at work, and of what it calls its own failures.
_BROKEN: Final = ("PGRST001", "PGRSTX", "08", "57P", "58", "XX")

# PT and three digits is not of the database: somebody chose a status by it.
_SQLSTATE: Final = re.compile(r"(?!PT)[0-9A-Z]{5}")
_POSTGREST_CODE: Final = re.compile(r"PGRST[0-9A-Z]{3}")
_SECONDS: Final = re.compile(r"[1-9][0-9]{0,4}")
_TOTAL: Final = re.compile(r"/([0-9]{1,15})\Z")
# From PostgreSQL, where a token names a role that the database doesn't have.
_UNKNOWN_ROLE: Final = re.compile(r'role ".*" does not exist', re.DOTALL)

_LATER: Final = "try again in a while"
_ADDRESS: Final = "check that SUPABASE_URL is the address of the Supabase project"
_KEY: Final = "copy the key again from the project's API keys; it must belong to the project at SUPABASE_URL"
_SIGN_IN: Final = "use a fresh token of the project at SUPABASE_URL; `tickctl login` gets one"
_CHECK: Final = "run `tickctl schema check` to see what is wrong"
_ADMINISTRATOR: Final = "use the secret key, or let somebody who has it run `tickctl admin add`"

# By the whole code, or else by its beginning.
CODES: Final[Mapping[str, tuple[type[TickctlError], str, str]]] = {
    "PGRST000": (UnreachableError, "the project's API can't connect to the database", _LATER),
    "PGRST001": (UnreachableError, "the project's API lost its connection to the database", _LATER),
    "PGRST002": (UnreachableError, "the project's API can't read the database's schema", _LATER),
    "PGRST003": (UnreachableError, "the project's API has no connection to the database left", _LATER),
    "PGRST1": (UnreachableError, "the project's API did not understand the request", "update tickctl"),
    "PGRST106": (
        ConfigurationError,
        "the project's API does not serve the schema public",
        "add public to the exposed schemas in the project's API settings",
    ),
    "PGRST202": (
        UnreachableError,
        "the project's API does not know this function of tickctl, or not with these arguments",
        "run `tickctl schema apply`: it sets the functions up and has the API read them again",
    ),
    "PGRST203": (ConfigurationError, "the database has several functions of one name", _CHECK),
    "PGRST300": (UnreachableError, "the project's API has no key to check tokens with", _LATER),
    "PGRST301": (CredentialsRefusedError, "the project's API refused the token", _SIGN_IN),
    "PGRST302": (CredentialsRefusedError, "the project's API admits nobody without a token", _SIGN_IN),
    "PGRST303": (CredentialsRefusedError, "the project's API refused what the token says", _SIGN_IN),
}

# By the status, where there is no code; a 5xx without a row of its own is an outage.
STATUSES: Final[Mapping[int, tuple[str, str]]] = {
    402: ("Supabase restricts the project", "look into the organization's usage and billing in the dashboard"),
    404: ("nothing at this address calls functions", _ADDRESS),
    429: ("too many requests", _LATER),
    520: ("the network before the project had no answer from it", _LATER),
    521: ("the project is down", "see the project's state in the dashboard"),
    522: ("the project did not answer the network before it", _LATER),
    523: ("the network before the project can't reach it", _LATER),
    524: ("the project took too long for the network before it", _LATER),
    525: ("no encrypted connection to the project came about behind the network", _LATER),
    526: ("the project's certificate is refused by the network before it", _LATER),
    540: ("the project is paused", "restore it in the dashboard"),
    544: ("the project took too long", _LATER),
}


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """An HTTP response as far as its meaning goes; a header that did not come is ""."""

    status: int
    body: bytes
    content_type: str = ""
    content_range: str = ""
    retry_after: str = ""


def read_answer(answer: ApiAnswer) -> list[JsonObject]:
    """Return the rows of an answer to `POST /rpc/<function>`; a single composite value is one row.

    Raises:
        TickctlError: as `SqlFunctions.call` says. The server's words are passed on only where `sqlstate` does so.
    """
    value = _json_or_null(answer)
    if answer.status not in _OK:
        raise _error(_members(value), answer)
    if value is None:
        raise _nonsense("it is a web page" if answer.body.lstrip()[:1] == b"<" else "it is not whole JSON")
    return _rows(value, answer.content_range)


def tells_the_outcome(answer: ApiAnswer) -> bool:
    """Whether an answer that holds no rows tells at least that nothing was done.

    A refusal tells it, and so does the database's error, which undoes the whole call. A proxy that waited in vain, a
    connection that broke behind it, or an answer that nobody can read does not.
    """
    code = _text(_members(_json_or_null(answer)), "code")
    if _POSTGREST_CODE.fullmatch(code) or _SQLSTATE.fullmatch(code):
        return not code.startswith(_BROKEN)
    return answer.status not in _OK and (answer.status < _OUTAGE or answer.status in _NOT_DELIVERED)


def _json_or_null(answer: ApiAnswer) -> Json:
    """Return what the body says in JSON, if anything."""
    if answer.content_type.partition(";")[0].strip().lower() != "application/json":
        return None
    try:
        value: Json = _DECODER.decode(answer.body.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value


def _rows(value: Json, content_range: str) -> list[JsonObject]:
    rows = [value] if isinstance(value, Mapping) else value
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise _nonsense("it holds no rows")
    total = _TOTAL.search(content_range)
    if total and int(total[1]) != len(rows):
        raise ConfigurationError(
            f"the project's API gave {len(rows)} of {total[1]} rows",
            hint="set Max rows in the project's API settings to 1000 or more",
        )
    return rows


def _error(members: JsonObject, answer: ApiAnswer) -> TickctlError:
    code, message, hint, detail = (_text(members, name) for name in ("code", "message", "hint", "details"))
    if _POSTGREST_CODE.fullmatch(code):
        return _postgrest_error(code, message)
    if _SQLSTATE.fullmatch(code):
        return _database_error(code, message, hint, detail, answer.status)
    if answer.status in _REFUSALS and (members or not answer.body.strip()):
        return _refused_key(message)
    return _by_status(answer)


def _postgrest_error(code: str, message: str) -> TickctlError:
    if message == "JWT expired":
        return CredentialsRefusedError("the token has expired", hint=_SIGN_IN)
    unknown = (UnreachableError, "the project's API could not answer", _LATER)
    error, text, hint = CODES.get(code) or CODES.get(code[:6]) or unknown
    return error(f"{text} ({code})", hint=hint)


def _database_error(sqlstate: str, message: str, hint: str, detail: str, status: int) -> TickctlError:
    if _UNKNOWN_ROLE.fullmatch(message):
        return CredentialsRefusedError("the token names a role that the database doesn't have", hint=_SIGN_IN)
    error = error_for(sqlstate, message or "the database refused without a word", hint or None, detail=detail or None)
    if status not in _REFUSALS:
        return error
    if not isinstance(error, CredentialsRefusedError):
        return CredentialsRefusedError(f"the project's API refused the call (SQLSTATE {sqlstate})", hint=_SIGN_IN)
    return CredentialsRefusedError(error.message, hint=error.hint or _way_in(error.message, status))


def _way_in(refusal: str, status: int) -> str | None:
    """Return what to do about a refusal that comes without a hint."""
    if "administrator" in refusal:
        return _ADMINISTRATOR
    if not refusal.startswith("permission denied"):
        return None
    # PostgREST answers 401 to those that it knows nothing of.
    return _SIGN_IN if status == _REFUSALS[0] else _CHECK


def _refused_key(message: str) -> TickctlError:
    if "no api key" in message.lower():
        text, hint = "the API key did not arrive", "see whether a proxy on the way removes the header apikey"
    elif "legacy" in message.lower():
        text, hint = "the project has its legacy API keys switched off", "use a publishable or secret key (sb_...)"
    else:
        text, hint = "the project refused the API key or the token", _KEY
    return CredentialsRefusedError(text, hint=hint)


def _by_status(answer: ApiAnswer) -> TickctlError:
    status = answer.status
    if status in _REDIRECTS:
        text, hint = "the address answers with a redirect, which is not followed", _ADDRESS
    elif status in STATUSES:
        text, hint = STATUSES[status]
    elif status >= _OUTAGE:
        text, hint = "the project's API is out of order", _LATER
    else:
        text, hint = "the answer is none of the project's API", _ADDRESS
    if hint == _LATER and _SECONDS.fullmatch(answer.retry_after):
        hint = f"try again in {answer.retry_after} s"
    return UnreachableError(f"{text} (status {status})", hint=hint)


def _members(value: Json) -> JsonObject:
    return value if isinstance(value, Mapping) else {}


def _text(members: JsonObject, name: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else ""


def _nonsense(problem: str) -> UnreachableError:
    return UnreachableError(f"the answer of the project's API makes no sense: {problem}", hint=_ADDRESS)


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name appears twice in one JSON object")
    return members


def _constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
