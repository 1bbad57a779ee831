"""Access tokens: what Auth writes into them, the hook that may change it, and how it reads them back."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

import jwt
import psycopg
from psycopg.rows import DictRow

from standin.auth.errors import AuthError
from standin.auth.store import Transaction
from standin.keys import ProjectKeys

Claims: TypeAlias = Mapping[str, Any]

# Without these a hook's output is refused; "Custom Access Token Hook" in Supabase's documentation.
_REQUIRED = ("aud", "exp", "iat", "sub", "email", "phone", "role", "aal", "session_id", "is_anonymous")


@dataclass(frozen=True, slots=True)
class Issuer:
    """Makes access tokens that live for `lifetime` seconds; `hook` is the name of a function, None where none is on."""

    keys: ProjectKeys
    url: str
    lifetime: int
    hook: str | None
    now: Callable[[], float]

    def issue(self, store: Transaction, user: DictRow, session_id: str, method: str, now: int) -> str:
        """Return a signed token.

        Raises:
            AuthError: the hook failed, refused, or left out what a token needs.
        """
        claims = {
            "iss": self.url,
            "sub": str(user["id"]),
            "aud": user["aud"],
            "exp": now + self.lifetime,
            "iat": now,
            "email": user["email"] or "",
            "phone": user["phone"] or "",
            "app_metadata": user["raw_app_meta_data"] or {},
            "user_metadata": user["raw_user_meta_data"] or {},
            "role": user["role"],
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": now}],
            "session_id": session_id,
            "is_anonymous": user["is_anonymous"],
        }
        if self.hook is not None:
            claims = self._hooked(store, user, claims, method)
        return self.keys.sign(claims)

    def _hooked(self, store: Transaction, user: DictRow, claims: dict[str, Any], method: str) -> dict[str, Any]:
        event = {"user_id": str(user["id"]), "claims": claims, "authentication_method": method}
        assert self.hook is not None
        try:
            answer = store.hook(self.hook, event)
        except psycopg.Error:
            raise AuthError(500, "unexpected_failure", "Error running hook URI: pg-functions://") from None
        refusal = answer.get("error")
        if refusal:
            raise AuthError(refusal.get("http_code", 500), "hook_payload_invalid", refusal.get("message", ""))
        given = answer.get("claims") or {}
        missing = [name for name in _REQUIRED if name not in given]
        if missing:
            listed = ", ".join(missing)
            message = f"output claims do not conform to the expected schema: {listed} is required"
            raise AuthError(500, "unexpected_failure", message)
        return dict(given)


def read(authorization: str | None, keys: ProjectKeys, now: float) -> Claims:
    """Return the claims of a Bearer token.

    Raises:
        AuthError: 401 no_authorization, 403 bad_jwt.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise AuthError(401, "no_authorization", "This endpoint requires a Bearer token")
    try:
        algorithm = jwt.get_unverified_header(token).get("alg")
        fitting = (key for key in keys.verifying_set["keys"] if key["alg"] == algorithm)
        key = next(fitting, None)
        if key is None:
            raise _bad("token signature is invalid: signing method is invalid")
        unchecked = {"verify_aud": False, "verify_exp": False, "verify_iat": False}
        claims = jwt.decode(token, jwt.PyJWK(key), algorithms=[algorithm], options=unchecked)
    except jwt.InvalidTokenError as error:
        raise _bad(str(error)) from None
    if claims.get("exp", now) < now:
        raise _bad("token has invalid claims: token is expired")
    return dict(claims)


def _bad(why: str) -> AuthError:
    return AuthError(403, "bad_jwt", f"invalid JWT: unable to parse or verify signature, {why}")


def shown(user: DictRow) -> dict[str, Any]:
    """Return a user as Auth shows one; what is not set is left out, as there."""
    document: dict[str, Any] = {
        "id": str(user["id"]),
        "aud": user["aud"],
        "role": user["role"],
        "email": user["email"] or "",
        "email_confirmed_at": user["email_confirmed_at"],
        "phone": user["phone"] or "",
        "confirmed_at": user["confirmed_at"],
        "last_sign_in_at": user["last_sign_in_at"],
        "app_metadata": user["raw_app_meta_data"] or {},
        "user_metadata": user["raw_user_meta_data"] or {},
        "identities": [],
        "created_at": user["created_at"],
        "updated_at": user["updated_at"],
        "banned_until": user["banned_until"],
        "deleted_at": user["deleted_at"],
        "is_anonymous": user["is_anonymous"],
    }
    return json.loads(json.dumps({name: value for name, value in document.items() if value is not None}, default=_time))


def _time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
