"""What an answer to `GET /auth/v1/user` means.

https://supabase.com/docs/reference/self-hosting-auth/gets-the-latest-user and the error codes of
https://supabase.com/docs/guides/auth/debugging/error-codes. Between tickctl and Auth stand gateways, and any of them
may answer in its place: what does not look like Auth's own answer is no answer.
"""

from typing import Final

from tickctl.core.json import JsonObject
from tickctl.core.tokens.claims import is_uuid
from tickctl.core.tokens.directory import Denial, UserState
from tickctl.core.tokens.encoding import EncodingError, parse_object
from tickctl.core.tokens.timestamps import parse_timestamp
from tickctl.errors import UnreachableError

_OK: Final = 200
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_TOO_MANY: Final = 429


def read_user_answer(status: int, content_type: str, body: bytes) -> UserState | Denial:
    """Read an answer of the Auth server.

    A session that Auth knows is the condition for status 200, so such an answer counts as an active session.

    Args:
        status: the HTTP status.
        content_type: the header of that name, "" if there is none.
        body: the body, uncompressed.

    Raises:
        UnreachableError: anything that is neither a user nor one of the denials: outages, limits, redirects,
            refused API keys, answers of something else.
    """
    if status not in (_OK, _FORBIDDEN):
        raise _no_answer(status)
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise _nonsense("it is not JSON")
    try:
        members = parse_object(body)
    except EncodingError as error:
        raise _nonsense(str(error)) from None
    return _user(members) if status == _OK else _denial(members)


def _user(row: JsonObject) -> UserState:
    user_id = row.get("id")
    if not isinstance(user_id, str) or not is_uuid(user_id):
        raise _nonsense("it has no user id")
    email = row.get("email")
    if email is not None and not isinstance(email, str):
        raise _nonsense("its e-mail address is not a string")
    is_anonymous = row.get("is_anonymous", False)
    if not isinstance(is_anonymous, bool):
        raise _nonsense("its is_anonymous is not a boolean")
    return UserState(
        user_id=user_id.lower(),
        email=email or None,
        email_confirmed_at=_time(row, "email_confirmed_at"),
        banned_until=_time(row, "banned_until"),
        deleted_at=_time(row, "deleted_at"),
        is_anonymous=is_anonymous,
        session_active=True,
    )


def _time(row: JsonObject, name: str) -> float | None:
    value = row.get(name)
    if value is None:
        return None
    seconds = parse_timestamp(value) if isinstance(value, str) else None
    if seconds is None:
        raise _nonsense(f"its {name} is not a timestamp")
    return seconds


def _denial(members: JsonObject) -> Denial:
    # API versions before 2024-01-01 have the number in `code` and the word in `error_code`.
    code = members.get("error_code", members.get("code"))
    for denial in Denial:
        if code == denial.value:
            return denial
    raise _no_answer(_FORBIDDEN)


def _no_answer(status: int) -> UnreachableError:
    hint = "try again in a while"
    if status in (_UNAUTHORIZED, _FORBIDDEN):
        hint = "check that SUPABASE_ANON_KEY belongs to the project at SUPABASE_URL"
    elif status == _TOO_MANY:
        hint = "the Auth server limits requests; try again in a while"
    return UnreachableError(f"the Auth server answered with status {status}", hint=hint)


def _nonsense(problem: str) -> UnreachableError:
    return UnreachableError(f"the answer of the Auth server makes no sense: {problem}", hint="check SUPABASE_URL")
