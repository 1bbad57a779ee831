"""Looks at several systems at once: each gives something, and none is waited for longer than there is time."""

import threading
from collections.abc import Callable

import pytest

from tickctl.adapters.doctor.looks import all_of, attempt
from tickctl.core.doctor.facts import Problem, Unread
from tickctl.errors import ConfigurationError, CredentialsRefusedError, NotFoundError, UnreachableError


def raising(error: Exception) -> Callable[[], object]:
    """Return a look that fails."""

    def look() -> object:
        raise error

    return look


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (UnreachableError("no answer", hint="wait"), Unread("no answer", "wait")),
        (ConfigurationError("no such thing", hint="mend it"), Problem("no such thing", "mend it")),
        (CredentialsRefusedError("no"), Problem("no")),
        (NotFoundError("nobody"), Problem("nobody")),
        (OSError(5, "Input/output error"), Unread("the system refused: Input/output error")),
        (KeyError("p4ssword"), Unread("tickctl has a bug here (KeyError)")),
    ],
)
def test_failure_is_a_fact(error: Exception, found: object) -> None:
    """What can't be reached is open; what is refused is wrong; a bug in one look is no end of the others."""
    assert attempt(raising(error)) == found


def test_each_look_gives_something() -> None:
    """Whatever becomes of the others."""
    advanced: list[int] = []
    looks = {"good": lambda: 1, "bad": raising(UnreachableError("no answer")), "none": lambda: None}
    found = all_of(looks, advance=lambda: advanced.append(1))
    assert found == {"good": 1, "bad": Unread("no answer"), "none": None}
    assert len(advanced) == 3


def test_nothing_to_look_at() -> None:
    """Is nothing found."""
    assert all_of({}) == {}


def test_look_that_hangs_is_unread() -> None:
    """The others are there in time."""
    over = threading.Event()
    found = all_of({"slow": over.wait, "quick": lambda: 1}, seconds=0.2)
    over.set()
    assert found["quick"] == 1
    assert isinstance(found["slow"], Unread)
    assert "0.2 s" in found["slow"].reason


def test_looks_go_on_beside_each_other_up_to_a_bound() -> None:
    """Two that wait for each other end; a third has to wait for a free place."""
    together = threading.Barrier(2, timeout=30)
    assert set(all_of({"a": together.wait, "b": together.wait}, at_once=2).values()) == {0, 1}
    at_work, most, lock = 0, 0, threading.Lock()
    pair = threading.Barrier(2, timeout=30)

    def work() -> int:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        pair.wait()
        with lock:
            at_work -= 1
        return 1

    assert set(all_of({str(number): work for number in range(6)}, at_once=2).values()) == {1}
    assert most == 2
