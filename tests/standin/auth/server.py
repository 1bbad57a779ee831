"""Supabase Auth as an application: one line for each path that tickctl and its tests ask for."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs

from standin.auth import parameters, passwords, tokens
from standin.auth.administration import administer
from standin.auth.errors import VERSION_HEADER, AuthError
from standin.auth.mails import Mails
from standin.auth.sessions import Sessions, sign_out, signed_in
from standin.auth.store import Store
from standin.http import Answer, Request, json_answer
from standin.keys import ProjectKeys

_NAME_AND_VERSION = {
    "version": "v2.197.0",
    "name": "GoTrue",
    "description": "GoTrue is a user registration and authentication API",
}
_RESENT = ("signup", "email_change", "sms", "phone_change")


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """A project's Auth settings; times in seconds.

    `access_token_hook` is the schema-qualified name of a function, `email_interval` the time between two mails to the
    same user, `reuse_interval` how long a refresh token may be used again.
    """

    autoconfirm: bool = False
    jwt_expiry: int = 3600
    access_token_hook: str | None = None
    reuse_interval: int = 10
    email_interval: int = 60


@dataclass
class Auth:
    """A stand-in for Supabase Auth; `url` is where clients find it, and the issuer of its tokens."""

    store: Store
    keys: ProjectKeys
    config: AuthConfig = field(default_factory=AuthConfig)
    url: str = ""
    now: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.mails = Mails(self.now)

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        try:
            return self._answer(request)
        except AuthError as error:
            return error.answer(request.header(VERSION_HEADER))

    def configure(self, **changes: Any) -> None:
        """Change settings."""
        self.config = replace(self.config, **changes)

    def _answer(self, request: Request) -> Answer:
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["health"]:
                return json_answer(200, _NAME_AND_VERSION)
            case "GET", ["settings"]:
                return json_answer(200, self._settings())
            case "GET", [".well-known", "jwks.json"]:
                return json_answer(200, self.keys.public_set, ("Cache-Control", "public, max-age=600"))
            case method, path:
                return self._with_users(method, path, request)

    def _settings(self) -> dict[str, Any]:
        return {
            "external": {"anonymous_users": False, "email": True, "phone": False},
            "disable_signup": False,
            "mailer_autoconfirm": self.config.autoconfirm,
            "phone_autoconfirm": False,
            "sms_provider": "",
            "saml_enabled": False,
        }

    def _with_users(self, method: str, path: list[str], request: Request) -> Answer:
        match method, path:
            case "POST", ["signup"]:
                return json_answer(200, self._sign_up(parameters.parameters(request)))
            case "POST", ["token"]:
                return json_answer(200, self._token(request))
            case "POST", ["resend"]:
                self._resend(parameters.parameters(request))
                return json_answer(200, {})
        claims = tokens.read(request.header("authorization"), self.keys, self.now())
        with self.store.transaction() as store:
            match method, path:
                case "GET", ["user"]:
                    return json_answer(200, tokens.shown(signed_in(store, claims)[0]))
                case "POST", ["logout"]:
                    scope = parse_qs(request.query).get("scope", ["global"])[0]
                    sign_out(store, claims, scope)
                    return Answer(204)
                case _, ["admin", "users", *rest]:
                    return administer(store, claims, rest, request)
        raise AuthError(404, "unknown", "404 page not found")

    @property
    def _sessions(self) -> Sessions:
        config = self.config
        issuer = tokens.Issuer(self.keys, self.url, config.jwt_expiry, config.access_token_hook, self.now)
        return Sessions(issuer, config.reuse_interval)

    def _token(self, request: Request) -> dict[str, Any]:
        given = parameters.parameters(request)
        with self.store.transaction() as store:
            match parse_qs(request.query).get("grant_type"):
                case ["password"]:
                    answer: dict[str, Any] | AuthError = self._sessions.by_password(store, given)
                case ["refresh_token"]:
                    answer = self._sessions.by_refresh_token(store, given)
                case _:
                    raise AuthError(400, "invalid_credentials", "unsupported_grant_type")
        if isinstance(answer, AuthError):
            raise answer
        return answer

    def _sign_up(self, given: dict[str, Any]) -> dict[str, Any]:
        email, password = parameters.email(given), parameters.password(given)
        with self.store.transaction() as store:
            user = store.user_by_email(email)
            if user is not None and user["email_confirmed_at"] is not None:
                if self.config.autoconfirm:
                    raise AuthError(422, "user_already_exists", "User already registered")
                # Nobody learns from this who has an account: it looks like a new one.
                return tokens.shown({**user, "id": uuid.uuid4(), "email_confirmed_at": None})
            if user is None:
                stored, metadata = passwords.hashed(password), given.get("data") or {}
                user = store.add_user(email, stored, confirmed=self.config.autoconfirm, metadata=metadata)
            if user["email_confirmed_at"] is not None:
                return self._sessions.open(store, user)
            self.mails.confirm(user, self.config.email_interval)
            return tokens.shown(user)

    def _resend(self, given: dict[str, Any]) -> None:
        if given.get("type") not in _RESENT:
            raise AuthError(400, "validation_failed", f"Missing one of these types: {', '.join(_RESENT)}")
        if not given.get("email"):
            raise AuthError(400, "validation_failed", "Type provided requires an email address")
        with self.store.transaction() as store:
            user = store.user_by_email(parameters.email(given))
        # Whether there is such a user, and whether they wait for a mail, is nobody's business.
        if user is not None and user["email_confirmed_at"] is None:
            self.mails.confirm(user, self.config.email_interval)
