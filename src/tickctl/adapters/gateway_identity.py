"""The gateway's own user: signed in with a password, renewed in time and never twice at once, and in memory only.

With a user's token a refund would be free ticks, so `settle_ticks` wants a user of its own whose `app_metadata` says
`{"role": "tick_gateway"}` (tick.is_gateway in sql/functions). An enrolled second factor is not asked for there: a
gateway has nobody who could show it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from tickctl.adapters.auth_api import AuthApi
from tickctl.core.auth import AuthSession
from tickctl.core.json import JsonObject
from tickctl.core.quota import Caller, SignedInUser
from tickctl.core.secrets import Secret
from tickctl.core.tokens.encoding import EncodingError, parse_object
from tickctl.core.tokens.jws import parse_compact
from tickctl.core.tokens.verdict import Refusal
from tickctl.errors import ConfigurationError, TickctlError, UnreachableError
from tickctl.settings import Settings

ROLE: Final = "tick_gateway"
MARGIN: Final = 60.0
"""Seconds before its end from which a token is renewed; one that lasts for less than two minutes, at half its life."""
OUTAGE_PAUSE: Final = 1.0
LONGEST_OUTAGE_PAUSE: Final = 60.0
REFUSED_PAUSE: Final = 60.0
LONGEST_REFUSED_PAUSE: Final = 900.0
"""Seconds: Auth limits how often one address may sign in, and a wrong password doesn't mend itself."""

logger = logging.getLogger("tickctl.gateway")


class GatewayUser:
    """Signs in when it is first asked for a caller, and stays signed in; a `tickctl.gateway.identity.Identity`.

    For one event loop of asyncio. Neither password nor tokens are shown or kept anywhere else.

    Args:
        auth: the project's Auth server.
        email: of the gateway's user.
        password: of the gateway's user.
        clock: epoch seconds; the same as that of `auth`.
    """

    def __init__(self, auth: AuthApi, email: str, password: Secret, *, clock: Callable[[], float] = time.time) -> None:
        self._auth = auth
        self._email = email
        self._password = password
        self._clock = clock
        self._session: AuthSession | None = None
        self._claims: JsonObject = {}
        self._renew_at = self._ends_at = 0.0
        self._renewal: asyncio.Task[None] | None = None
        self._failure: TickctlError | None = None
        self._failures = 0
        self._ask_again_at = 0.0
        self._warned = False

    @classmethod
    def from_settings(cls, settings: Settings) -> "GatewayUser | None":
        """Return the user whom TICKCTL_GATEWAY_EMAIL and TICKCTL_GATEWAY_PASSWORD name; `None` without either.

        Raises:
            ConfigurationError: only one of them is set, or the project isn't.
        """
        email, password = settings.gateway_email, settings.gateway_password
        if not email and not password:
            return None
        if not email or not password:
            missing = "TICKCTL_GATEWAY_PASSWORD" if email else "TICKCTL_GATEWAY_EMAIL"
            raise ConfigurationError(
                f"{missing} is not set, and the gateway's own user needs both",
                hint="set TICKCTL_GATEWAY_EMAIL and TICKCTL_GATEWAY_PASSWORD, or neither: then charges stay",
            )
        if not (settings.supabase_url and settings.anon_key):
            raise ConfigurationError(
                "the gateway's own user can't sign in without SUPABASE_URL and SUPABASE_ANON_KEY",
                hint="set both; over a direct connection no such user is needed",
            )
        return cls(AuthApi(settings.supabase_url, settings.anon_key), email, password)

    async def caller(self) -> SignedInUser:
        """Return the user with a good token, which is renewed or signed in for if need be.

        Raises:
            TickctlError: neither worked, now or a moment ago.
        """
        if self._clock() >= self._renew_at:
            await self._renew()
        if self._session is None or self._clock() >= self._ends_at:
            raise _repeated(self._failure)
        return SignedInUser(self._claims, self._session.access_token)

    def refused(self, caller: Caller) -> None:
        """Give this token no more: the session may have been ended, or the account changed."""
        if (
            self._session is not None
            and isinstance(caller, SignedInUser)
            and caller.token == self._session.access_token
        ):
            self._renew_at = self._ends_at = 0.0

    async def aclose(self) -> None:
        """End the session, so that no restart leaves one behind; where that fails, Auth's own limits end it."""
        session, self._session = self._session, None
        self._renew_at = self._ends_at = 0.0
        if session is not None:
            with suppress(TickctlError):
                await asyncio.to_thread(self._end, session)

    async def _renew(self) -> None:
        """Have a renewal done, with everybody else who asks for one; what came of it is in the attributes."""
        if self._clock() < self._ask_again_at:
            return
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(asyncio.to_thread(self._exchange), name="tickctl gateway's session")
        # Whoever gives up waiting must not break it off: the refresh token is spent by then.
        await asyncio.shield(self._renewal)

    def _exchange(self) -> None:
        """Renew the session or begin one, in a thread: `AuthApi` waits for answers."""
        try:
            session = self._next_session()
            claims = _claims(session)
        except TickctlError as error:
            self._failures += 1
            self._failure = error
            self._ask_again_at = self._clock() + _pause(error, self._failures)
            return
        now = self._clock()
        self._failure, self._failures, self._ask_again_at = None, 0, 0.0
        self._session, self._claims = session, claims
        self._ends_at = session.expires_at
        self._renew_at = max(session.expires_at - MARGIN, (session.expires_at + now) / 2)
        self._warn_of_role()

    def _next_session(self) -> AuthSession:
        renewed = None if self._session is None else self._auth.refresh(self._session)
        return renewed or self._auth.sign_in(self._email, self._password)

    def _end(self, session: AuthSession) -> None:
        # Only a good access token can end its session.
        if session.ends_before(self._clock() + MARGIN):
            renewed = self._auth.refresh(session)
            if renewed is None:
                return
            session = renewed
        self._auth.sign_out(session)

    def _warn_of_role(self) -> None:
        account = self._claims.get("app_metadata")
        fits = isinstance(account, Mapping) and account.get("role") == ROLE
        if not fits and not self._warned:
            logger.warning(
                "the gateway's own user has no app_metadata.role = %s, so settling will be refused and charges stay: "
                "docs/SUPABASE_SETUP.md says how to set it",
                ROLE,
            )
        self._warned = not fits


def _claims(session: AuthSession) -> JsonObject:
    """Return what the token says; it came from the Auth server itself."""
    try:
        return parse_object(parse_compact(session.access_token.reveal()).payload)
    except (EncodingError, Refusal):
        raise UnreachableError("the Auth server's access token makes no sense", hint="check SUPABASE_URL") from None


def _pause(error: TickctlError, failures: int) -> float:
    outage = isinstance(error, UnreachableError)
    first, longest = (OUTAGE_PAUSE, LONGEST_OUTAGE_PAUSE) if outage else (REFUSED_PAUSE, LONGEST_REFUSED_PAUSE)
    return min(longest, first * 2.0 ** min(failures - 1, 16))


def _repeated(error: TickctlError | None) -> TickctlError:
    """Return a new error for each who asks: one that is raised again and again collects everybody's tracebacks."""
    if error is None:
        return UnreachableError("the gateway's own user is not signed in", hint="try again in a while")
    hint = "check TICKCTL_GATEWAY_EMAIL, TICKCTL_GATEWAY_PASSWORD and the user in the dashboard"
    kind = UnreachableError if isinstance(error, UnreachableError) else type(error)
    return kind(f"the gateway's own user can't sign in: {error.message}", hint=hint)
