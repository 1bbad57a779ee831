"""What `tickctl explain` looks at."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tickctl.core.quota import QuotaAdmin, SqlFunctions
    from tickctl.core.secrets import Secret
    from tickctl.core.tokens import KeySource, Policy, UserDirectory


@dataclass(frozen=True, slots=True)
class Sources:
    """What there is to look at.

    Attributes:
        keys: the keys that the gateway would have.
        policy: its rules.
        functions: its store; `None` where nobody is to be asked.
        directory: who knows of bans, deletions and sessions, if anybody does.
        largest_cost: see `Explainer`.
        auth: the Auth server, where there is one to be asked.
    """

    keys: "KeySource"
    policy: "Policy"
    functions: "SqlFunctions | None" = None
    directory: "UserDirectory | None" = None
    largest_cost: Callable[[], int | None] = lambda: None
    auth: "UserDirectory | None" = None


@dataclass(frozen=True, slots=True)
class Reader:
    """Who may look at any user."""

    quotas: "QuotaAdmin"
    policy: "Policy"
    largest_cost: Callable[[], int | None]


def over_postgres(url: "Secret", stack: ExitStack) -> "SqlFunctions":
    """Return the functions over a direct connection, which is opened by the first call."""
    from tickctl.adapters.postgres import PostgresFunctions

    return stack.enter_context(PostgresFunctions(url))


def reads_largest_cost(url: "Secret | None") -> Callable[[], int | None]:
    """Return what reads the setting over a direct connection, if there is one."""
    if url is None:
        return lambda: None
    from tickctl.adapters.postgres.largest_cost import largest_cost

    return lambda: largest_cost(url)
