"""What a handler gets to see of an admitted request."""

import asyncio
from collections.abc import Awaitable, Generator, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from tickctl.core.json import JsonObject
from tickctl.core.quota import Consumption
from tickctl.core.secret import Secret
from tickctl.errors import ConflictError, InvalidInputError, UnreachableError

if TYPE_CHECKING:
    from tickctl.gateway.settling import Settler

STATE_KEY = "ticks"
"""Where the admission is in the scope's state: `request.state.ticks` in Starlette and FastAPI."""


@dataclass(frozen=True, slots=True)
class User:
    """The user whose token was verified.

    Attributes:
        id: a UUID in lower case.
        email: as the token has it; `None` for users who signed up by phone.
        session_id: of the session that the token belongs to, a UUID in lower case.
        claims: all that the token says; a read-only view.
    """

    id: str
    email: str | None
    session_id: str | None
    claims: JsonObject


class Charge:
    """The ticks that were taken for this request; for handlers in the event loop and in threads alike.

    Attributes:
        id: of the charge in the database, a UUID in lower case.
        ticks: how many.
        settled: what the charge was settled to; 0 if it was refunded, `None` while it stands.
    """

    __slots__ = ("_handed_on", "_loop", "_secret", "_settler", "id", "settled", "ticks")

    def __init__(self, charge_id: str, ticks: int, secret: Secret, settler: "Settler") -> None:
        self.id = charge_id
        self.ticks = ticks
        self.settled: int | None = None
        self._handed_on = False
        self._secret = secret
        self._settler = settler
        self._loop = asyncio.get_running_loop()

    def settle(self, actual: int) -> Awaitable[None]:
        """Give back what was not used, once; from then on nothing is given back because the handler fails.

        It takes effect whether or not the result is awaited. Awaiting it, which only the event loop can, waits until
        the database has the settlement, or until it waits in the queue because the database can't be reached.

        Args:
            actual: the ticks that the request did take, 0 up to the charge.

        Raises:
            InvalidInputError: that is no such number.
            ConflictError: the charge was settled before, to another number.
            UnreachableError: the queue is full as well; the same may be tried again. In a thread, the log says so.
        """
        if type(actual) is not int or not 0 <= actual <= self.ticks:  # a bool is an int
            raise InvalidInputError(f"a charge of {self.ticks} ticks can't be settled to that")
        if self.settled is not None and self.settled != actual:
            raise ConflictError(f"the charge was settled to {self.settled} before")
        if self._handed_on:
            return _NOTHING
        self.settled, self._handed_on = actual, True
        if not self._is_in_loop():
            self._loop.call_soon_threadsafe(self._settler.submit, self.id, actual, self._secret)
            return _NOTHING
        try:
            return self._settler.settle(self.id, actual, self._secret)
        except UnreachableError:
            self._handed_on = False
            raise

    def refund(self) -> None:
        """Give all of it back in the background, unless it was settled."""
        if self.settled is not None:
            return
        self.settled, self._handed_on = 0, True
        if self._is_in_loop():
            self._settler.submit(self.id, 0, self._secret)
        else:
            self._loop.call_soon_threadsafe(self._settler.submit, self.id, 0, self._secret)

    def _is_in_loop(self) -> bool:
        """Whether this is the gate's event loop, and not a thread in which a handler runs."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False


class _Nothing:
    """There is nothing to wait for."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


_NOTHING = _Nothing()


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that was let through.

    Attributes:
        user: who sent it.
        charge: what it was charged.
        consumption: the user's day after that.
    """

    user: User
    charge: Charge
    consumption: Consumption


class AdmittedState(dict[str, Any]):
    """What was in the state before, and the admission, which nobody finds but this request's handler.

    Some servers give one state to all requests of a connection, where one user could find another's admission. What
    handlers change besides is changed outside as well: middleware reads it there when the handler is done.
    """

    __slots__ = ("_outside",)

    def __init__(self, outside: MutableMapping[str, Any], admission: Admission) -> None:
        super().__init__(outside)
        super().__setitem__(STATE_KEY, admission)
        self._outside = outside

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        if name != STATE_KEY:
            self._outside[name] = value

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        if name != STATE_KEY:
            self._outside.pop(name, None)

    def pop(self, name: str, *default: Any) -> Any:
        """Take a value out; `MutableMapping.pop` works in its own subclasses only."""
        if name not in self:
            return super().pop(name, *default)
        value = self[name]
        del self[name]
        return value

    def __ior__(self, others: Any) -> Self:  # type: ignore[override,misc]
        self.update(others)
        return self

    # A dict's own would not call the methods above.
    update = MutableMapping.update
    setdefault = MutableMapping.setdefault
    popitem = MutableMapping.popitem
    clear = MutableMapping.clear
