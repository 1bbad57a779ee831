"""What a handler gets to see of an admitted request."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tickctl.core.json import JsonObject
from tickctl.core.quota import Consumption
from tickctl.core.secrets import Secret
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
    """The ticks that were taken for this request.

    Attributes:
        id: of the charge in the database, a UUID in lower case.
        ticks: how many.
    """

    __slots__ = ("_handed_on", "_secret", "_settled", "_settler", "id", "ticks")

    def __init__(self, charge_id: str, ticks: int, secret: Secret, settler: "Settler") -> None:
        self.id = charge_id
        self._secret = secret
        self.ticks = ticks
        self._settler = settler
        self._settled: int | None = None
        self._handed_on = False

    async def settle(self, actual: int) -> None:
        """Give back what was not used, once; from then on nothing is given back because the handler fails.

        Returns when the database has it, or when it waits in the queue because the database can't be reached.

        Args:
            actual: the ticks that the request did take, 0 up to the charge.

        Raises:
            InvalidInputError: that is no such number.
            ConflictError: the charge was settled before, to another number.
            UnreachableError: the queue is full as well; the same may be tried again.
        """
        if type(actual) is not int or not 0 <= actual <= self.ticks:  # a bool is an int
            raise InvalidInputError(f"a charge of {self.ticks} ticks can't be settled to that")
        if self._settled is not None and self._settled != actual:
            raise ConflictError(f"the charge was settled to {self._settled} before")
        if self._handed_on:
            return
        self._settled, self._handed_on = actual, True
        try:
            await self._settler.settle(self.id, actual, self._secret)
        except UnreachableError:
            self._handed_on = False
            raise

    def refund(self) -> None:
        """Give all of it back in the background, unless it was settled."""
        if self._settled is None:
            self._settled, self._handed_on = 0, True
            self._settler.submit(self.id, 0, self._secret)


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
