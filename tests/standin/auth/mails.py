"""The mails that Auth would send, kept where tests can look, and how often it sends them."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from psycopg.rows import DictRow

from standin.auth.errors import AuthError


@dataclass
class Mails:
    """Confirmation mails; `sent` are the addresses that got one, in order."""

    now: Callable[[], float]
    sent: list[str] = field(default_factory=list)
    _last: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def confirm(self, user: DictRow, interval: float) -> None:
        """Send a user the link that confirms the address, `interval` seconds after the one before at the earliest.

        Raises:
            AuthError: 429 over_email_send_rate_limit.
        """
        with self._lock:
            since = self.now() - self._last.get(str(user["id"]), float("-inf"))
            if since < interval:
                message = f"For security purposes, you can only request this after {int(interval - since)} seconds."
                raise AuthError(429, "over_email_send_rate_limit", message)
            self._last[str(user["id"])] = self.now()
            self.sent.append(user["email"])
