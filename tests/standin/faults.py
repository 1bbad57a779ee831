"""Trouble on request: what proxies, networks and overloaded servers do to answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from standin.http import Answer, Application, Hangup, Request


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of trouble.

    `answer` goes out instead of the service's own; `hang_up` closes the connection without one; `cut` sends only so
    many bytes of the service's answer; `silent` waits until the fault is over and hangs up. With `after`, the service
    does its work before the trouble comes, so that a write is carried out and nobody learns of it.
    """

    answer: Answer | None = None
    hang_up: bool = False
    cut: int | None = None
    silent: bool = False
    after: bool = False


@dataclass
class Faults:
    """Wraps an application; counts and keeps the requests that came."""

    application: Application
    requests: list[Request] = field(default_factory=list)
    _fault: tuple[str, Fault] | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    def __call__(self, request: Request) -> Answer:
        """Answer, or be troubled."""
        self.requests.append(request)
        if self._fault is None or not request.path.startswith(self._fault[0]):
            return self.application(request)
        fault = self._fault[1]
        answer = self.application(request) if fault.after or fault.cut is not None else None
        if fault.silent:
            self._over.wait(30)
        if fault.hang_up or fault.silent:
            raise Hangup
        if fault.cut is not None and answer is not None:
            return replace(answer, cut=fault.cut)
        assert fault.answer is not None
        return fault.answer

    @contextmanager
    def troubled(self, fault: Fault, path: str = "/") -> Iterator[None]:
        """Let requests below a path be troubled for as long as the block lasts."""
        self._over.clear()
        self._fault = (path, fault)
        try:
            yield
        finally:
            self._fault = None
            self._over.set()
