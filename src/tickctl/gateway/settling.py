"""Giving back what requests did not use, in the background."""

from typing import Protocol

from tickctl.core.quota import AsyncSqlFunctions, Caller
from tickctl.core.quota.asynchronous import settle


class Identity(Protocol):
    """As whom charges are settled."""

    async def caller(self) -> Caller:
        """Return the caller of `settle_ticks`.

        Raises:
            UnreachableError: it can't be had at the moment.
            CredentialsRefusedError: the identity is refused.
        """
        ...


class Settler:
    """Settles charges; a first version without queue."""

    def __init__(self, store: AsyncSqlFunctions, identity: Identity) -> None:
        self._store = store
        self._identity = identity

    def submit(self, charge_id: str, ticks_actual: int) -> None:
        """Settle in the background."""
        raise NotImplementedError

    async def settle(self, charge_id: str, ticks_actual: int) -> None:
        """Settle now."""
        await settle(self._store, await self._identity.caller(), charge_id, ticks_actual)

    async def aclose(self) -> tuple[str, ...]:
        """Settle what waits."""
        return ()
