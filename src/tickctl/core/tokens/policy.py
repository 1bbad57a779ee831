"""Which tokens a project admits: everything that an operator can choose, checked when it is chosen."""

from dataclasses import dataclass
from typing import Final

from tickctl.errors import ConfigurationError

DEFAULT_LEEWAY: Final = 30
DEFAULT_MAX_LIFETIME: Final = 7 * 24 * 60 * 60

# Roles of Supabase's own keys; a token that carries one is never a user's, whatever an option says.
RESERVED_ROLES: Final = frozenset({"anon", "service_role", "supabase_admin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules of one project for its users' access tokens.

    Attributes:
        issuer: the exact `iss`, `https://<ref>.supabase.co/auth/v1` when hosted; `None` leaves it unchecked, for
            self-hosted set-ups whose tokens have none.
        audience: the exact `aud`.
        roles: the admitted values of `role`.
        leeway: seconds by which clocks may differ.
        max_lifetime: the longest `exp - iat`, in seconds.
        allow_anonymous: admit users who have signed in anonymously. They have no e-mail address, so
            `require_confirmed` must be off as well to let them in.
        allow_oauth_clients: admit sessions of third-party OAuth clients (claim `client_id`).
        require_confirmed: refuse users whose e-mail is not confirmed; False is `SUPABASE_ALLOW_UNCONFIRMED`.
        confirmed_claim: the path of the claim in which the project's access-token hook says whether the e-mail
            is confirmed, as in `("app_metadata", "email_confirmed")`; empty when there is none.

    Raises:
        ConfigurationError: a value that would admit what must never be admitted, or nothing at all.
    """

    issuer: str | None
    audience: str = "authenticated"
    roles: frozenset[str] = frozenset({"authenticated"})
    leeway: int = DEFAULT_LEEWAY
    max_lifetime: int = DEFAULT_MAX_LIFETIME
    allow_anonymous: bool = False
    allow_oauth_clients: bool = False
    require_confirmed: bool = True
    confirmed_claim: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.issuer == "":
            raise ConfigurationError("the expected issuer is empty", hint="leave it out, or give the exact iss")
        if not self.audience:
            raise ConfigurationError("the expected audience is empty", hint="it is normally 'authenticated'")
        if not self.roles or "" in self.roles:
            raise ConfigurationError("no role is admitted", hint="it is normally 'authenticated'")
        if reserved := sorted(RESERVED_ROLES & self.roles):
            raise ConfigurationError(
                f"the role {reserved[0]} belongs to API keys and can't be admitted as a user's",
                hint="give the roles of users only; normally 'authenticated'",
            )
        if self.leeway < 0:
            raise ConfigurationError("the leeway is negative", hint="give seconds, 0 or more")
        if self.max_lifetime <= 0:
            raise ConfigurationError("the longest lifetime is not positive", hint="give seconds, 1 or more")
        self._check_confirmed_claim()

    def _check_confirmed_claim(self) -> None:
        if "" in self.confirmed_claim:
            raise ConfigurationError(
                "the path of the confirmation claim has an empty part",
                hint="give names of claims, as in app_metadata, email_confirmed",
            )
        # Supabase: users write their own user_metadata (auth.updateUser), `email_verified` included.
        if self.confirmed_claim[:1] == ("user_metadata",):
            raise ConfigurationError(
                "the confirmation claim lies in user_metadata, which users can write themselves",
                hint="let the access-token hook put it elsewhere, as in app_metadata",
            )
