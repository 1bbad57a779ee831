"""Sessions: opened by a password, continued by refresh tokens that count once, and who a token belongs to."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg.rows import DictRow

from standin.auth import passwords, tokens
from standin.auth.errors import AuthError
from standin.auth.store import Transaction, is_banned


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions of one project; `reuse_interval` is in seconds."""

    issuer: tokens.Issuer
    reuse_interval: int

    def by_password(self, store: Transaction, given: dict[str, Any]) -> dict[str, Any]:
        """Sign a user in.

        Raises:
            AuthError: 400 invalid_credentials, user_banned, email_not_confirmed.
        """
        user = store.user_by_email(str(given.get("email") or ""))
        if user is None or not passwords.fits(str(given.get("password") or ""), user["encrypted_password"]):
            raise AuthError(400, "invalid_credentials", "Invalid login credentials")
        if is_banned(user):
            raise AuthError(400, "user_banned", "User is banned")
        if user["email_confirmed_at"] is None:
            raise AuthError(400, "email_not_confirmed", "Email not confirmed")
        return self.open(store, user)

    def open(self, store: Transaction, user: DictRow) -> dict[str, Any]:
        """Begin a session of a user, whoever it is."""
        session_id = store.open_session(user["id"])
        user = store.change_user(user["id"], last_sign_in_at=datetime.now(UTC))
        refresh_token = store.issue_refresh_token(user["id"], session_id)
        return self._answer(store, user, session_id, refresh_token, "password")

    def by_refresh_token(self, store: Transaction, given: dict[str, Any]) -> dict[str, Any] | AuthError:
        """Continue a session.

        A token that was used before ends all of its session's, and that must be kept: this refusal is returned, so
        that the transaction is committed.

        Raises:
            AuthError: 400 refresh_token_not_found, user_banned, session_expired.
        """
        token = store.refresh_token(str(given.get("refresh_token") or ""))
        user = None if token is None else store.user(token["user_id"])
        if token is None or user is None:
            raise _invalid("refresh_token_not_found", "Refresh Token Not Found")
        if is_banned(user):
            raise _invalid("user_banned", "User Banned")
        session = store.session(token["session_id"])
        if session is None or (session["not_after"] is not None and session["not_after"] < datetime.now(UTC)):
            raise _invalid("session_expired", "Session Expired")
        issued = self._next(store, token)
        if issued is None:
            store.revoke_refresh_tokens(session["id"])
            return _invalid("refresh_token_already_used", "Already Used")
        return self._answer(store, user, str(session["id"]), issued, "token_refresh")

    def _next(self, store: Transaction, token: DictRow) -> str | None:
        """Return the token that follows, None where this one was used before and too long ago."""
        if token["revoked"]:
            active = store.active_refresh_token(token["session_id"])
            # Whoever lost the answer asks again, and gets the same one.
            if active is not None and active["parent"] == token["token"]:
                return str(active["token"])
            if active is None or self.issuer.now() - token["updated_at"].timestamp() > self.reuse_interval:
                return None
        return store.issue_refresh_token(token["user_id"], token["session_id"], parent=token["token"])

    def _answer(
        self, store: Transaction, user: DictRow, session_id: str, refresh_token: str, method: str
    ) -> dict[str, Any]:
        now = int(self.issuer.now())
        return {
            "access_token": self.issuer.issue(store, user, session_id, method, now),
            "token_type": "bearer",
            "expires_in": self.issuer.lifetime,
            "expires_at": now + self.issuer.lifetime,
            "refresh_token": refresh_token,
            "user": tokens.shown(user),
        }


def signed_in(store: Transaction, claims: tokens.Claims) -> tuple[DictRow, str]:
    """Return the user and the session of a token.

    Raises:
        AuthError: 403 bad_jwt, user_not_found, session_not_found.
    """
    if not claims.get("sub"):
        raise AuthError(403, "bad_jwt", "invalid claim: missing sub claim")
    user = store.user(claims["sub"])
    if user is None:
        raise AuthError(403, "user_not_found", "User from sub claim in JWT does not exist")
    session_id = claims.get("session_id") or ""
    if session_id and store.session(session_id) is None:
        raise AuthError(403, "session_not_found", "Session from session_id claim in JWT does not exist")
    return user, session_id


def sign_out(store: Transaction, claims: tokens.Claims, scope: str) -> None:
    """End the session of a token, all sessions of its user, or all but this one.

    Raises:
        AuthError: as `signed_in`; 400 validation_failed for another scope.
    """
    user, session_id = signed_in(store, claims)
    match scope:
        case "global":
            store.close_sessions(user["id"])
        case "local":
            store.close_sessions(user["id"], only=session_id)
        case "others":
            store.close_sessions(user["id"], but=session_id)
        case _:
            raise AuthError(400, "validation_failed", f'Unsupported logout scope "{scope}"')


def _invalid(code: str, why: str) -> AuthError:
    return AuthError(400, code, f"Invalid Refresh Token: {why}")
