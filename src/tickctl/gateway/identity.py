"""As whom the gateway settles charges."""

from typing import Protocol

from tickctl.core.quota import Caller, ServiceRole


class Identity(Protocol):
    """As whom the gateway settles: the user whose ticks they are may not."""

    async def caller(self) -> Caller:
        """Return the caller to show to the database.

        Raises:
            TickctlError: there is none at the moment.
        """
        ...

    def refused(self, caller: Caller) -> None:
        """Learn that the database has refused this caller, so that it isn't given once more."""
        ...

    async def aclose(self) -> None:
        """Let go of what the identity holds."""
        ...


class OperatorIdentity:
    """Whoever holds the connection string or the secret key; it needs nothing else."""

    async def caller(self) -> ServiceRole:
        """Return the role that may settle."""
        return ServiceRole()

    def refused(self, caller: Caller) -> None:
        """Do nothing: there is no other."""

    async def aclose(self) -> None:
        """Do nothing: nothing is held."""
