"""Trouble on request: refusals, throttling, cut connections, and requests that are held until all have come."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from strict_aws.wire import AwsError, Question

When = Literal["before", "after"]
ANY = "*"
FOREVER: Final = -1
_OPERATOR: Final = "arn:aws:iam::123456789012:user/operator"
# IAM user guide, "Troubleshoot access denied error messages"; each service has its own name for it.
_DENIALS: Final = {
    "ec2": ("UnauthorizedOperation", 403),
    "elasticloadbalancing": ("AccessDenied", 403),
    "iam": ("AccessDenied", 403),
    "sts": ("AccessDenied", 403),
}


def denial(action: str) -> AwsError:
    """Return the refusal of an action, such as `ec2:DescribeVolumes`."""
    code, status = _DENIALS.get(action.partition(":")[0], ("AccessDeniedException", 400))
    because = f"because no identity-based policy allows the {action} action"
    return AwsError(code, f"User: {_OPERATOR} is not authorized to perform: {action} {because}", status)


@dataclass
class Trouble:
    """What happens to requests of one operation: after `skip` of them, to `times`, which may be `FOREVER`.

    With `meanwhile`, something is done before the request is answered as ever.
    """

    operation: str
    times: int
    skip: int = 0
    error: AwsError | None = None
    cut: When | None = None
    meanwhile: Callable[[], object] | None = None

    def meets(self, operation: str) -> bool:
        """Whether this request is one of those; counts it."""
        if self.operation not in (operation, ANY) or self.times == 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclass
class Troubles:
    """All trouble that was asked for, the first that fits first."""

    _waiting: list[Trouble] = field(default_factory=list)
    _held: dict[str, threading.Barrier] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, trouble: Trouble) -> None:
        """Ask for trouble."""
        with self._lock:
            self._waiting.append(trouble)

    def clear(self) -> None:
        """Let everything go well again."""
        with self._lock:
            self._waiting.clear()
            self._held.clear()

    def hold(self, operation: str, parties: int) -> None:
        """Let requests of an operation wait for each other until so many have come."""
        self._held[operation] = threading.Barrier(parties, timeout=30)

    def wait(self, question: Question) -> None:
        """Wait where requests are held; who comes later finds the gate open."""
        barrier = self._held.get(question.operation)
        if barrier is not None:
            barrier.wait()
            self._held.pop(question.operation, None)

    def take(self, question: Question) -> Trouble | None:
        """Return what happens to this request, if anything does."""
        with self._lock:
            return next((trouble for trouble in self._waiting if trouble.meets(question.operation)), None)
