"""What the Auth server's refusals of a sign-in, a refresh or a mail mean.

Codes: https://supabase.com/docs/guides/auth/debugging/error-codes. Gateways in front of Auth answer in its place, and
older servers have no codes: what is not in these tables is a cannot-tell.
"""

import re
from collections.abc import Mapping
from typing import Final

from tickctl.core.json import JsonObject
from tickctl.core.tokens.encoding import EncodingError, parse_object
from tickctl.errors import (
    ConfigurationError,
    CredentialsRefusedError,
    InvalidInputError,
    TickctlError,
    UnreachableError,
)

_UNAUTHORIZED: Final = 401
_TOO_MANY: Final = 429
_SIGN_IN_AGAIN: Final = "sign in again with 'tickctl login'"
_OVER: Final = (CredentialsRefusedError, "the session is over", _SIGN_IN_AGAIN)
_OVER_CODES: Final = (
    "session_not_found",
    "session_expired",
    "refresh_token_not_found",
    "refresh_token_already_used",
    "user_not_found",
)
_CANNOT_SIGN_IN: Final = "use SUPABASE_SECRET_KEY or SUPABASE_DB_URL, or sign in as another user"

# code: kind of error, what happened, what to do next.
_BY_CODE: Final[Mapping[str, tuple[type[TickctlError], str, str]]] = {
    "invalid_credentials": (
        CredentialsRefusedError,
        "the e-mail address or the password is wrong",
        "try again; an account without a password (social sign-in) can't be used here",
    ),
    "email_not_confirmed": (
        CredentialsRefusedError,
        "the e-mail address is not confirmed yet",
        "follow the link in the mail; 'tickctl users resend-confirmation' sends it again",
    ),
    "user_banned": (CredentialsRefusedError, "the user is banned", "sign in as another user"),
    **dict.fromkeys(_OVER_CODES, _OVER),
    "bad_jwt": (CredentialsRefusedError, "the Auth server does not accept the access token", _SIGN_IN_AGAIN),
    "insufficient_aal": (
        CredentialsRefusedError,
        "the project asks for a second factor",
        "sign in again with 'tickctl login', on a terminal",
    ),
    "mfa_verification_failed": (CredentialsRefusedError, "the code is wrong, or from a moment ago", "try again"),
    "mfa_challenge_expired": (CredentialsRefusedError, "the code came too late", "try again"),
    "mfa_totp_verify_not_enabled": (
        ConfigurationError,
        "authenticator apps are switched off in this project",
        "switch them on in the project's Auth settings, or use SUPABASE_SECRET_KEY or SUPABASE_DB_URL",
    ),
    "mfa_verification_rejected": (
        CredentialsRefusedError,
        "the project's own check refused the sign-in",
        _CANNOT_SIGN_IN,
    ),
    "captcha_failed": (
        CredentialsRefusedError,
        "the project asks for a captcha, which can't be solved on a terminal",
        "use SUPABASE_SECRET_KEY or SUPABASE_DB_URL",
    ),
    "email_provider_disabled": (
        ConfigurationError,
        "e-mail and password are switched off as a way of signing in to this project",
        "switch the e-mail provider on in the project's Auth settings, or use SUPABASE_SECRET_KEY or SUPABASE_DB_URL",
    ),
    "email_address_not_authorized": (
        ConfigurationError,
        "the project's mail service writes to members of its organisation only",
        "set up an SMTP server of your own in the project's Auth settings",
    ),
    "email_address_invalid": (InvalidInputError, "the Auth server does not take this e-mail address", "check it"),
    "validation_failed": (InvalidInputError, "the Auth server does not take this e-mail address", "check it"),
}
# Servers before the codes, by how their text begins (RFC 6749 section 5.2 bodies with `error_description`).
_BY_DESCRIPTION: Final[Mapping[str, str]] = {
    "Invalid login credentials": "invalid_credentials",
    "Email not confirmed": "email_not_confirmed",
    "Invalid Refresh Token": "refresh_token_not_found",
}
_SECONDS: Final = re.compile(r"\b([0-9]{1,6}) seconds?\b")
_DIGITS: Final = re.compile(r"[0-9]{1,6}")


def failure(status: int, body: bytes, retry_after: str = "") -> TickctlError:
    """Return the error that an unsuccessful answer stands for; nothing of the body is repeated.

    Args:
        status: the HTTP status, not 2xx.
        body: the body, whatever it is.
        retry_after: the header of that name, "" if there is none.
    """
    members = _members(body)
    if status == _TOO_MANY:
        return _too_many(members, retry_after)
    known = _BY_CODE.get(_code(members))
    if known is not None:
        kind, message, hint = known
        return kind(message, hint=hint)
    if status == _UNAUTHORIZED:
        return CredentialsRefusedError(
            "the project refused the API key",
            hint="copy SUPABASE_ANON_KEY and SUPABASE_URL from one project's settings",
        )
    return UnreachableError(f"the Auth server answered with status {status}", hint="try again in a while")


def says_session_is_over(body: bytes) -> bool:
    """Whether an unsuccessful answer says that there is no such session, or no longer."""
    return _code(_members(body)) in _OVER_CODES


def _members(body: bytes) -> JsonObject:
    try:
        return parse_object(body)
    except EncodingError:
        return {}


def _code(members: JsonObject) -> str:
    # API versions before 2024-01-01 have the number in `code` and the word in `error_code`.
    for name in ("error_code", "code"):
        code = members.get(name)
        if isinstance(code, str):
            return code
    description = members.get("error_description")
    if isinstance(description, str):
        return next((code for start, code in _BY_DESCRIPTION.items() if description.startswith(start)), "")
    return ""


def _too_many(members: JsonObject, retry_after: str) -> UnreachableError:
    """Auth tells the seconds in its text; a gateway in the header."""
    server_message = members.get("message", members.get("msg"))
    match = _SECONDS.search(server_message) if isinstance(server_message, str) else None
    seconds = match[1] if match else retry_after.strip()
    wait = f"try again in {int(seconds)} s" if _DIGITS.fullmatch(seconds) else "try again in some minutes"
    message = (
        "it sends no more mails at the moment"
        if _code(members) == "over_email_send_rate_limit"
        else "too many requests"
    )
    return UnreachableError(f"the Auth server's limit is reached: {message}", hint=wait)
