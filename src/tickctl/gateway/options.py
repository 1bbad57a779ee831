"""What a gate can be told beyond the project's settings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tickctl.core.tokens.remembered import DEFAULT_BYTES, DEFAULT_TOKENS
from tickctl.errors import ConfigurationError

STORE_SHARE: Final = 0.9
"""The part of a request's time-out that the store is given: only the store knows whether a call was sent at all."""


_ELSEWHERE: Final = frozenset({301, 307, 308})
"""The same request is to be sent to another place, as routers say of a slash too many (RFC 9110 section 15.4)."""


def not_served(status: int) -> bool:
    """Whether an answer says that the handler has failed, or that the request belongs to another address."""
    return status >= 500 or status in _ELSEWHERE  # noqa: PLR2004 - RFC 9110 section 15.6


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """How a gate judges and answers.

    Attributes:
        timeout: seconds that signing keys and the store may take together before the answer is 503.
        largest_body: bytes of a request's body; a longer one is refused with 413. Reading JSON keeps the event loop
            busy, for up to 25 ms with this many bytes.
        body_timeout: seconds in which the body must have come, else 408.
        retry_after: seconds that a client is asked to wait after a 503, and while its request is under way already.
        most_waiting: calls of the store under way at once; what comes on top is answered 503 at once.
        most_at_once: requests of one user in the gate at once; what comes on top is answered 429 without a call.
        remembered_tokens: tokens whose signature isn't checked again; 0 remembers none.
        remembered_bytes: about how much memory these may take together.
        refunds: for which statuses of the handler's answer the charge is given back.

    Raises:
        ConfigurationError: a value that can't be meant.
    """

    timeout: float = 2.0
    largest_body: int = 256 * 1024
    body_timeout: float = 30.0
    retry_after: int = 5
    most_waiting: int = 256
    most_at_once: int = 8
    remembered_tokens: int = DEFAULT_TOKENS
    remembered_bytes: int = DEFAULT_BYTES
    refunds: Callable[[int], bool] = not_served

    def __post_init__(self) -> None:
        numbers = {
            "timeout": self.timeout,
            "largest_body": self.largest_body,
            "body_timeout": self.body_timeout,
            "retry_after": self.retry_after,
            "most_waiting": self.most_waiting,
            "most_at_once": self.most_at_once,
        }
        for name, value in numbers.items():
            if not value > 0:
                raise ConfigurationError(f"{name} is not positive", hint="give 1 or more, or leave it out")
