"""Signing in to a project, staying signed in, signing out, and asking for the confirmation mail again.

https://supabase.com/docs/reference/self-hosting-auth. Not through `supabase_auth`: it reads answers of any size, drops
the header that says how long to wait, quotes answers that it can't read (with their tokens) in its errors, and loads
for longer than a command may take to start.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

from tickctl.adapters.api.address import host_of, rest_url
from tickctl.adapters.api.keys import ApiKey, KeyKind
from tickctl.adapters.http import TIMEOUT, Answer, guarded_post
from tickctl.core.auth import AuthSession, failure, read_challenge, read_object, read_session, says_session_is_over
from tickctl.core.json import JsonObject
from tickctl.core.secret import Secret
from tickctl.errors import ConfigurationError, UnreachableError

# Before this version of the API, error codes stood elsewhere in the answers.
_API_VERSION: Final = "2024-01-01"
_SUCCESS: Final = range(200, 300)
_NO_CONTENT: Final = 204


class AuthApi:
    """A project's Auth server, as a user without privileges sees it.

    Args:
        url: the project's address, as in `https://<ref>.supabase.co`.
        api_key: the publishable (or legacy anon) key.
        timeout: seconds for one answer.
        clock: epoch seconds.

    Raises:
        ConfigurationError: the address or the key is none, or is another than meant. All methods raise
            `UnreachableError` where no answer came or none that can be understood.
    """

    def __init__(
        self, url: str, api_key: Secret, *, timeout: float = TIMEOUT, clock: Callable[[], float] = time.time
    ) -> None:
        rest_url(url)
        if ApiKey.of(api_key, host_of(url)).kind is not KeyKind.PUBLISHABLE:
            raise ConfigurationError(
                "signing in needs the publishable key, and SUPABASE_ANON_KEY is a secret one",
                hint="set SUPABASE_ANON_KEY to a key that begins with sb_publishable_, or to the anon key",
            )
        self._url = url.rstrip("/") + "/auth/v1"
        self._api_key = api_key
        self._timeout = timeout
        self._clock = clock

    def sign_in(self, email: str, password: Secret) -> AuthSession:
        """Begin a session with an e-mail address and a password.

        Raises:
            CredentialsRefusedError: wrong, banned, not confirmed, or another proof is asked for.
            ConfigurationError: the project offers no sign-in by password.
        """
        response = self._post("/token?grant_type=password", {"email": email, "password": password.reveal()})
        return self._session(response)

    def show_second_factor(self, session: AuthSession, code: Secret) -> AuthSession:
        """Turn a session into one that has shown the second factor, by a code of the user's authenticator app.

        Args:
            session: with an `authenticator`; it is worth nothing any more afterwards.
            code: six digits.

        Raises:
            CredentialsRefusedError: the code is wrong or late; the session goes on as it is.
        """
        path = f"/factors/{session.authenticator}"
        challenge = self._post(f"{path}/challenge", {}, _bearer(session))
        if challenge.status not in _SUCCESS:
            raise failure(challenge.status, challenge.body, challenge.retry_after)
        proof = {"challenge_id": read_challenge(challenge.body), "code": code.reveal()}
        return self._session(self._post(f"{path}/verify", proof, _bearer(session)), of=session)

    def refresh(self, session: AuthSession) -> AuthSession | None:
        """Continue a session; `None` if it is over. The refresh token is spent by this: the new one must be kept.

        Raises:
            CredentialsRefusedError: the user is banned, or the key was refused.
        """
        response = self._post("/token?grant_type=refresh_token", {"refresh_token": session.refresh_token.reveal()})
        if response.status not in _SUCCESS and says_session_is_over(response.body):
            return None
        return self._session(response, of=session)

    def sign_out(self, session: AuthSession) -> None:
        """End this session, and no other one of the user; one that is over already is fine as well.

        Raises:
            CredentialsRefusedError: the access token or the key is not accepted; the session may go on.
        """
        response = self._post("/logout?scope=local", {}, _bearer(session))
        if response.status == _NO_CONTENT:
            return
        if response.status in _SUCCESS:  # not Auth's: a proxy greets with 200
            raise failure(response.status, b"")
        if not says_session_is_over(response.body):
            raise failure(response.status, response.body, response.retry_after)

    def resend_confirmation(self, email: str) -> None:
        """Send the mail again that asks to confirm an address. Auth does not say whether there is such a user.

        Raises:
            UnreachableError: also when mails were sent too often; the hint tells how long to wait.
            ConfigurationError: the project can't send mails to this address.
        """
        response = self._post("/resend", {"type": "signup", "email": email})
        if response.status not in _SUCCESS:
            raise failure(response.status, response.body, response.retry_after)
        read_object(response.body)

    def _session(self, answer: Answer, *, of: AuthSession | None = None) -> AuthSession:
        if answer.status not in _SUCCESS:
            raise failure(answer.status, answer.body, answer.retry_after)
        session = read_session(answer.body, now=self._clock())
        if of is not None and session.user_id != of.user_id:
            raise UnreachableError("the Auth server answered with somebody else's session", hint="check SUPABASE_URL")
        return session

    def _post(self, path: str, payload: JsonObject, headers: Mapping[str, str] | None = None) -> Answer:
        common = {"apikey": self._api_key.reveal(), "X-Supabase-Api-Version": _API_VERSION}
        return guarded_post(self._url + path, payload, {**common, **(headers or {})}, timeout=self._timeout)


def _bearer(session: AuthSession) -> dict[str, str]:
    return {"Authorization": f"Bearer {session.access_token.reveal()}"}
