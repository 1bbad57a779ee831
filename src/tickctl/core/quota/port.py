"""The port through which everything calls the SQL functions of `tickctl/sql` by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from tickctl.core.json import JsonObject
from tickctl.core.secret import Secret

READ_ONLY: Final = frozenset(
    {
        "my_ticks",
        "tick_admin_audit",
        "tick_admin_explain",
        "tick_admin_history",
        "tick_admin_list",
        "tick_admin_members",
        "tick_admin_overview",
        "tick_admin_resolve",
        "tick_admin_show",
        "tick_admin_suggest",
        "tick_admin_top",
        "tick_admin_user",
    }
)
"""Functions that change nothing, so that a call whose answer was lost may be repeated."""


PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "my_ticks": (),
    "consume_ticks": ("ticks", "charge_id"),
    "settle_ticks": ("charge_id", "ticks_actual"),
    "tick_admin_add": ("user_ref",),
    "tick_admin_audit": (),
    "tick_admin_explain": ("user_ref", "ticks"),
    "tick_admin_grant": ("user_ref", "ticks"),
    "tick_admin_history": ("user_ref",),
    "tick_admin_list": (),
    "tick_admin_members": (),
    "tick_admin_overview": ("user_ref",),
    "tick_admin_remove": ("user_ref",),
    "tick_admin_reset": ("user_ref",),
    "tick_admin_resolve": ("user_refs",),
    "tick_admin_set_limit": ("user_ref", "new_limit"),
    "tick_admin_set_limits": ("entries",),
    "tick_admin_show": ("user_ref",),
    "tick_admin_suggest": ("user_ref",),
    "tick_admin_top": (),
    "tick_admin_user": ("user_ref",),
}
"""Every function that the API serves, with the parameters that have no default."""
REPEATABLE: Final = READ_ONLY | {"consume_ticks", "settle_ticks"}
"""Functions that do nothing twice: `consume_ticks` with the same charge id, and `settle_ticks`, count once."""


@dataclass(frozen=True, slots=True)
class ServiceRole:
    """The caller is an operator who holds the secret key or a direct connection."""

    role: Literal["service_role"] = "service_role"

    @property
    def claims(self) -> JsonObject:
        """What `request.jwt.claims` holds for this caller."""
        return {"role": self.role}


@dataclass(frozen=True, slots=True)
class SignedInUser:
    """The caller is a user: `claims` are verified ones, `token` the compact JWS that they came in.

    A connection to PostgreSQL passes the claims on; PostgREST wants the token and reads the claims itself.
    """

    claims: JsonObject
    token: Secret
    role: Literal["authenticated"] = "authenticated"


@dataclass(frozen=True, slots=True)
class Anonymous:
    """The caller shows nothing but the publishable key."""

    role: Literal["anon"] = "anon"

    @property
    def claims(self) -> JsonObject:
        """What `request.jwt.claims` holds for this caller."""
        return {"role": self.role}


Caller = ServiceRole | SignedInUser | Anonymous


class SqlFunctions(Protocol):
    """Calls functions of the `public` schema by name, each call one transaction."""

    def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Call `public.<name>` with named arguments and return its rows as JSON objects.

        Args:
            name: the function, as in `consume_ticks`.
            arguments: by parameter name; omitted ones take their SQL default.
            caller: whose rights and identity the call has.

        Raises:
            InvalidInputError: SQLSTATE class 22 (a value out of range or malformed).
            CredentialsRefusedError: the caller may not do this, or the credentials were refused.
            NotFoundError: SQLSTATE P0002, raised by functions for an unknown user.
            ConflictError: SQLSTATE 23505, or an ambiguous name.
            ConfigurationError: the schema is not installed, or not as it should be.
            UnreachableError: no answer, a time-out, a full disk, an answer that makes no sense, or an API that does
                not know the function, which may only not have read it yet.
        """
        ...


class AsyncSqlFunctions(Protocol):
    """`SqlFunctions` for an event loop."""

    async def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Call `public.<name>`; arguments, answer and errors are those of `SqlFunctions.call`."""
        ...
