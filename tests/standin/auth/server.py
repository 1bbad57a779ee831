"""Supabase Auth as an application: signing up, in and out, who a token belongs to, and the administration of users."""

import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from psycopg.rows import DictRow

from standin.auth import passwords, tokens
from standin.auth.errors import VERSION_HEADER, AuthError, too_often
from standin.auth.store import Store, Transaction, age, is_banned
from standin.http import Answer, Request, json_answer
from standin.keys import ProjectKeys

_NAME_AND_VERSION = {
    "version": "v2.197.0",
    "name": "GoTrue",
    "description": "GoTrue is a user registration and authentication API",
}
_SHORTEST_PASSWORD = 6


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """A project's Auth settings; times in seconds."""

    autoconfirm: bool = False
    jwt_expiry: int = 3600
    access_token_hook: str | None = None
    reuse_interval: int = 10
    email_interval: int = 60
    """Between two mails to the same user."""


@dataclass
class Auth:
    """A stand-in for Supabase Auth; `mails` are the addresses that a confirmation went to, in order."""

    store: Store
    keys: ProjectKeys
    config: AuthConfig = field(default_factory=AuthConfig)
    url: str = ""
    now: Callable[[], float] = time.time
    mails: list[str] = field(default_factory=list)
    _mailed: dict[str, float] = field(default_factory=dict)
    _mailing: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        try:
            return self._answer(request)
        except AuthError as error:
            return error.answer(request.header(VERSION_HEADER))

    def configure(self, **changes: Any) -> None:
        """Change settings."""
        self.config = replace(self.config, **changes)

    def _answer(self, request: Request) -> Answer:  # noqa: PLR0911 - one line for each path
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["health"]:
                return json_answer(200, _NAME_AND_VERSION)
            case "GET", ["settings"]:
                return json_answer(200, self._settings())
            case "GET", [".well-known", "jwks.json"]:
                return json_answer(200, self.keys.public_set, ("Cache-Control", "public, max-age=600"))
            case "POST", ["signup"]:
                return self._sign_up(_parameters(request))
            case "POST", ["token"]:
                return self._token(request)
            case "GET", ["user"]:
                with self.store.transaction() as store:
                    user, _ = self._signed_in(request, store)
                    return json_answer(200, tokens.shown(user))
            case "POST", ["logout"]:
                return self._sign_out(request)
            case "POST", ["resend"]:
                return self._resend(_parameters(request))
            case method, ["admin", "users", *rest] if len(rest) <= 1:
                return self._administer(method, rest, request)
            case _:
                raise AuthError(404, "unknown", "404 page not found")

    def _settings(self) -> dict[str, Any]:
        return {
            "external": {"anonymous_users": False, "email": True, "phone": False},
            "disable_signup": False,
            "mailer_autoconfirm": self.config.autoconfirm,
            "phone_autoconfirm": False,
            "sms_provider": "",
            "saml_enabled": False,
        }

    # Sign-up and mails

    def _sign_up(self, given: dict[str, Any]) -> Answer:
        email, password = _email(given), str(given.get("password") or "")
        _check_password(password)
        with self.store.transaction() as store:
            user = store.user_by_email(email)
            if user is not None and user["email_confirmed_at"] is not None:
                if self.config.autoconfirm:
                    raise AuthError(422, "user_already_exists", "User already registered")
                # Nobody learns from this who has an account: it looks like a new one.
                return json_answer(200, tokens.shown({**user, "id": uuid.uuid4(), "email_confirmed_at": None}))
            if user is None:
                stored = passwords.hashed(password)
                metadata = given.get("data") or {}
                user = store.add_user(email, stored, confirmed=self.config.autoconfirm, metadata=metadata)
            if not self.config.autoconfirm:
                self._mail(user)
                return json_answer(200, tokens.shown(user))
            return json_answer(200, self._session(store, user))

    def _resend(self, given: dict[str, Any]) -> Answer:
        if given.get("type") not in {"signup", "email_change", "sms", "phone_change"}:
            message = "Missing one of these types: signup, email_change, sms, phone_change"
            raise AuthError(400, "validation_failed", message)
        if not given.get("email"):
            raise AuthError(400, "validation_failed", "Type provided requires an email address")
        with self.store.transaction() as store:
            user = store.user_by_email(_email(given))
        # Whether there is such a user, and whether they wait for a mail, is nobody's business.
        if user is not None and user["email_confirmed_at"] is None:
            self._mail(user)
        return json_answer(200, {})

    def _mail(self, user: DictRow) -> None:
        with self._mailing:
            since = self.now() - self._mailed.get(str(user["id"]), float("-inf"))
            if since < self.config.email_interval:
                raise too_often(int(self.config.email_interval - since))
            self._mailed[str(user["id"])] = self.now()
            self.mails.append(user["email"])

    # Sessions

    def _token(self, request: Request) -> Answer:
        match parse_qs(request.query).get("grant_type"):
            case ["password"]:
                return self._by_password(_parameters(request))
            case ["refresh_token"]:
                return self._by_refresh_token(_parameters(request))
            case _:
                raise AuthError(400, "invalid_credentials", "unsupported_grant_type")

    def _by_password(self, given: dict[str, Any]) -> Answer:
        with self.store.transaction() as store:
            user = store.user_by_email(str(given.get("email") or ""))
            if user is None or not passwords.fits(str(given.get("password") or ""), user["encrypted_password"]):
                raise AuthError(400, "invalid_credentials", "Invalid login credentials")
            if is_banned(user):
                raise AuthError(400, "user_banned", "User is banned")
            if user["email_confirmed_at"] is None:
                raise AuthError(400, "email_not_confirmed", "Email not confirmed")
            return json_answer(200, self._session(store, user))

    def _session(self, store: Transaction, user: DictRow) -> dict[str, Any]:
        session_id = store.open_session(user["id"])
        user = store.change_user(user["id"], last_sign_in_at=datetime.now(UTC))
        return self._tokens(store, user, session_id, store.issue_refresh_token(user["id"], session_id), "password")

    def _tokens(
        self, store: Transaction, user: DictRow, session_id: str, refresh_token: str, method: str
    ) -> dict[str, Any]:
        now = int(self.now())
        issuer = tokens.Issuer(self.keys, self.url, self.config.jwt_expiry, self.config.access_token_hook)
        return {
            "access_token": issuer.issue(store, user, session_id, method, now),
            "token_type": "bearer",
            "expires_in": self.config.jwt_expiry,
            "expires_at": now + self.config.jwt_expiry,
            "refresh_token": refresh_token,
            "user": tokens.shown(user),
        }

    def _by_refresh_token(self, given: dict[str, Any]) -> Answer:
        with self.store.transaction() as store:
            token = store.refresh_token(str(given.get("refresh_token") or ""))
            user = None if token is None else store.user(token["user_id"])
            if token is None or user is None:
                raise _invalid_refresh_token("refresh_token_not_found", "Refresh Token Not Found")
            if is_banned(user):
                raise _invalid_refresh_token("user_banned", "User Banned")
            session = store.session(token["session_id"])
            if session is None or (session["not_after"] is not None and session["not_after"] < datetime.now(UTC)):
                raise _invalid_refresh_token("session_expired", "Session Expired")
            issued = self._rotated(store, token)
            if issued is not None:
                session_id = str(session["id"])
                return json_answer(200, self._tokens(store, user, session_id, issued, "token_refresh"))
            store.revoke_refresh_tokens(session["id"])
        # After the commit: the session is lost for whoever else holds one of its tokens.
        raise _invalid_refresh_token("refresh_token_already_used", "Already Used")

    def _rotated(self, store: Transaction, token: DictRow) -> str | None:
        """Return the token that follows, None where this one was used before and too long ago."""
        if token["revoked"]:
            active = store.active_refresh_token(token["session_id"])
            # Whoever lost the answer asks again, and gets the same one.
            if active is not None and active["parent"] == token["token"]:
                return str(active["token"])
            if age(token) > timedelta(seconds=self.config.reuse_interval):
                return None
        return store.issue_refresh_token(token["user_id"], token["session_id"], parent=token["token"])

    def _signed_in(self, request: Request, store: Transaction) -> tuple[DictRow, str]:
        claims = tokens.read(request.header("authorization"), self.keys)
        if not claims.get("sub"):
            raise AuthError(403, "bad_jwt", "invalid claim: missing sub claim")
        user = store.user(claims["sub"])
        if user is None:
            raise AuthError(403, "user_not_found", "User from sub claim in JWT does not exist")
        session_id = claims.get("session_id")
        if session_id and store.session(session_id) is None:
            raise AuthError(403, "session_not_found", "Session from session_id claim in JWT does not exist")
        return user, session_id or ""

    def _sign_out(self, request: Request) -> Answer:
        scope = next(iter(parse_qs(request.query).get("scope", [])), "global")
        with self.store.transaction() as store:
            user, session_id = self._signed_in(request, store)
            match scope:
                case "global":
                    store.close_sessions(user["id"])
                case "local":
                    store.close_sessions(user["id"], only=session_id)
                case "others":
                    store.close_sessions(user["id"], but=session_id)
                case _:
                    raise AuthError(400, "validation_failed", f'Unsupported logout scope "{scope}"')
        return Answer(204)

    # Administration

    def _administer(self, method: str, rest: list[str], request: Request) -> Answer:
        if tokens.read(request.header("authorization"), self.keys).get("role") != "service_role":
            raise AuthError(403, "not_admin", "User not allowed")
        with self.store.transaction() as store:
            if not rest:
                return self._add(store, _parameters(request)) if method == "POST" else _listed(store, request)
            user = store.user(_uuid(rest[0]))
            if user is None:
                raise AuthError(404, "user_not_found", "User not found")
            match method:
                case "GET":
                    return json_answer(200, tokens.shown(user))
                case "PUT":
                    return json_answer(200, tokens.shown(_changed(store, user, _parameters(request))))
                case "DELETE":
                    if request.body and _parameters(request).get("should_soft_delete"):
                        store.change_user(user["id"], deleted_at=datetime.now(UTC))
                    else:
                        store.delete_user(user["id"])
                    return json_answer(200, {})
                case _:
                    raise AuthError(405, "unknown", "Method Not Allowed")

    @staticmethod
    def _add(store: Transaction, given: dict[str, Any]) -> Answer:
        email = _email(given)
        if store.user_by_email(email) is not None:
            raise AuthError(422, "email_exists", "A user with this email address has already been registered")
        password = passwords.hashed(str(given.get("password") or uuid.uuid4()))
        metadata = given.get("user_metadata") or {}
        user = store.add_user(email, password, confirmed=bool(given.get("email_confirm")), metadata=metadata)
        return json_answer(200, tokens.shown(user))


def _changed(store: Transaction, user: DictRow, given: dict[str, Any]) -> DictRow:
    changes: dict[str, Any] = {}
    if given.get("email_confirm"):
        changes["email_confirmed_at"] = user["email_confirmed_at"] or datetime.now(UTC)
    if given.get("password"):
        _check_password(given["password"])
        changes["encrypted_password"] = passwords.hashed(given["password"])
    if given.get("email"):
        changes["email"] = _email(given)
    if given.get("ban_duration"):
        hours = given["ban_duration"].removesuffix("h")
        changes["banned_until"] = None if hours == "none" else datetime.now(UTC) + timedelta(hours=float(hours))
    return store.change_user(user["id"], **changes) if changes else user


def _listed(store: Transaction, request: Request) -> Answer:
    asked = {name: values[0] for name, values in parse_qs(request.query).items()}
    page, per_page = int(asked.get("page", 1)), int(asked.get("per_page", 50))
    users, total = store.users(page, per_page)
    document = {"users": [tokens.shown(user) for user in users], "aud": "authenticated"}
    return json_answer(200, document, ("X-Total-Count", str(total)))


def _parameters(request: Request) -> dict[str, Any]:
    try:
        given = json.loads(request.body or b"{}")
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise AuthError(400, "bad_json", "Could not parse request body as JSON")
    return given


def _email(given: dict[str, Any]) -> str:
    email = str(given.get("email") or "").strip().lower()
    if email.count("@") != 1 or email.startswith("@") or email.endswith("@"):
        raise AuthError(400, "validation_failed", "Unable to validate email address: invalid format")
    return email


def _check_password(password: str) -> None:
    if len(password) < _SHORTEST_PASSWORD:
        message = f"Password should be at least {_SHORTEST_PASSWORD} characters."
        raise AuthError(422, "weak_password", message, {"weak_password": {"reasons": ["length"]}})


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise AuthError(404, "validation_failed", "user_id must be an UUID") from None


def _invalid_refresh_token(code: str, why: str) -> AuthError:
    return AuthError(400, code, f"Invalid Refresh Token: {why}")
