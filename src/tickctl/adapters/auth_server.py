"""The Auth server of a project, asked about the user behind a token."""

from typing import Final

from tickctl.adapters.http import TIMEOUT, guarded_get
from tickctl.core.secret import Secret
from tickctl.core.tokens import ConfirmationSource, Denial, UserState, read_user_answer
from tickctl.errors import ConfigurationError

USER_PATH: Final = "/auth/v1/user"


class AuthServer:
    """A `UserDirectory` over `GET /auth/v1/user`, with the publishable key and the user's own token.

    Args:
        url: the project's address, as in `https://<ref>.supabase.co`.
        api_key: the publishable (or legacy anon) key.
        timeout: seconds for one answer.

    Raises:
        ConfigurationError: the key can't be sent in a header.
    """

    def __init__(self, url: str, api_key: Secret, *, timeout: float = TIMEOUT) -> None:
        key = api_key.reveal()
        if not (key and key.isascii() and key.isprintable() and key == key.strip()):
            raise ConfigurationError(
                "the publishable key is empty, or has spaces around it or characters that no key has",
                hint="copy SUPABASE_ANON_KEY from the project's API settings",
            )
        self._url = url.rstrip("/") + USER_PATH
        self._api_key = api_key
        self._timeout = timeout

    @property
    def source(self) -> ConfirmationSource:
        """The Auth server."""
        return ConfirmationSource.AUTH_SERVER

    def lookup(self, subject: str, session_id: str, token: Secret) -> UserState | Denial:  # noqa: ARG002
        """Ask Auth about the user and the session of this token; it reads both from the token itself.

        Raises:
            ConfigurationError: the project's address is not https.
            UnreachableError: no answer, or none of Auth's.
        """
        headers = {"apikey": self._api_key.reveal(), "Authorization": f"Bearer {token.reveal()}"}
        response = guarded_get(self._url, headers, timeout=self._timeout)
        return read_user_answer(response.status, response.content_type, response.body)
