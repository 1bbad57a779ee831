"""What a request costs: what a field of its body says, a number, or what a function of the request returns."""

import inspect
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tickctl.errors import ConfigurationError
from tickctl.gateway.body import LARGEST_TICKS, check_type, folded, members
from tickctl.gateway.credentials import Headers
from tickctl.gateway.observation import Decided
from tickctl.gateway.problem import Problem, RefusedError


@dataclass(frozen=True, slots=True)
class Field:
    """A member of the JSON body that says how many ticks the request may take.

    Only an integer literal from 1 on counts, under a name that no other reader of JSON could take for another one.

    Attributes:
        name: of the member; it holds an ASCII letter or digit.
        default: ticks of a request without the member or without a body; `None` rejects it with 422.

    Raises:
        ConfigurationError: no such name or default.
    """

    name: str = "max_ticks"
    default: int | None = None
    _folded: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_folded", folded(self.name))
        if not self._folded.strip(b"\0"):
            raise ConfigurationError("a cost names no field", hint='it is normally "max_ticks"')
        if self.default is not None:
            checked(self.default)

    async def ticks(self, request: "GateRequest") -> int:
        """Return the cost of a request.

        Raises:
            RefusedError: 415, 422, or as `read_body`.
            ClientGoneError: the client hung up.
        """
        check_type(request.headers, is_required=self.default is None)
        body = await request.body()
        if not body and self.default is not None:
            return self.default
        document = members(body)
        resembling = folded(*(name for name, _ in document)).count(self._folded)
        if not resembling and self.default is not None:
            return self.default
        if not resembling:
            raise RefusedError(self._invalid("is missing"))
        values = [value for name, value in document if name == self.name]
        if resembling > 1 or len(values) != 1:
            raise RefusedError(self._invalid("must be there once, and no other name that resembles it"))
        if type(values[0]) is not float or not 1 <= values[0] <= LARGEST_TICKS:  # see `members`
            raise RefusedError(self._invalid(f"must be a whole number from 1 to {LARGEST_TICKS}, written in digits"))
        return int(values[0])

    def _invalid(self, reason: str) -> Problem:
        return Problem(422, "invalid_ticks", f"{self.name} {reason}")


@dataclass(slots=True)
class GateRequest:
    """A request at the gate; what a function for the cost is called with.

    Attributes:
        method: in upper case.
        path: decoded, with the prefix at which the application is mounted.
        query: as it came.
        headers: as ASGI has them: names in lower case.
        read_body: gives the whole body; called once at most, and only for a token that has passed.
        cost: what the request costs.
        route: the path of the pattern that protects it, as metrics may have it; "" if it isn't known.
        body_bytes: the body, once it has been read.
        decided: what the gate decides about it.
    """

    method: str
    path: str
    query: bytes
    headers: Headers
    read_body: Callable[[], Awaitable[bytes]]
    cost: "Cost" = field(default_factory=Field)
    route: str = ""
    body_bytes: bytes | None = None
    decided: Decided = field(init=False)

    def __post_init__(self) -> None:
        self.decided = Decided(self.method, self.route)

    async def body(self) -> bytes:
        """Return the whole body.

        Raises:
            RefusedError: 413, 408 or 400.
            ClientGoneError: the client hung up.
        """
        if self.body_bytes is None:
            self.body_bytes = await self.read_body()
        return self.body_bytes

    async def json(self) -> dict[str, Any]:
        """Return the body as a JSON object; a name that is there twice is rejected, as readers differ about it.

        Raises:
            RefusedError: 415, 422, or as `body`.
            ClientGoneError: the client hung up.
        """
        check_type(self.headers)
        body = await self.body()
        names = [name for name, _ in members(body)]
        if len(set(names)) < len(names):
            raise RefusedError(Problem(422, "invalid_json", "a name is there twice in the body"))
        try:
            document: dict[str, Any] = json.loads(body)
        except ValueError:  # an integer of more digits than Python reads
            raise RefusedError(Problem(422, "invalid_json", "a number in the body is too long")) from None
        return document


Cost: TypeAlias = str | int | Field | Callable[[GateRequest], int | Awaitable[int]]
"""The name of a field, a number of ticks, a `Field`, or a function (also `async`) that returns a number of ticks."""


async def ticks_of(cost: Cost, request: GateRequest) -> int:
    """Return how many ticks a request costs.

    Raises:
        RefusedError: the request doesn't say so, or a function has rejected it.
        ClientGoneError: the client hung up.
        ConfigurationError: a function returned something else than a number of ticks.
    """
    if isinstance(cost, int):
        return cost
    if isinstance(cost, str):
        cost = Field(cost)
    if isinstance(cost, Field):
        return await cost.ticks(request)
    ticks = cost(request)
    return checked(await ticks if inspect.isawaitable(ticks) else ticks)


def checked(ticks: object) -> int:
    """Return a number of ticks that the program sets.

    Raises:
        ConfigurationError: it is none.
    """
    if type(ticks) is not int or not 1 <= ticks <= LARGEST_TICKS:  # a bool is an int
        cost = ticks if isinstance(ticks, int) else f"a {type(ticks).__name__}"  # a text may be a client's
        raise ConfigurationError(
            f"{cost} is not a cost in ticks", hint=f"a cost is a whole number from 1 to {LARGEST_TICKS}"
        )
    return ticks


def prepared(cost: Cost) -> Cost:
    """Return a cost in the form in which it is quickest to use.

    Raises:
        ConfigurationError: it is none.
    """
    if isinstance(cost, str):
        return Field(cost)
    return cost if isinstance(cost, Field) or callable(cost) else checked(cost)


def dearest(costs: Sequence[Cost]) -> Cost:
    """Return the cost of a request that can be read as several: the largest of theirs."""
    if len(costs) == 1:
        return costs[0]

    async def largest(request: GateRequest) -> int:
        return max([await ticks_of(cost, request) for cost in costs])

    return largest
