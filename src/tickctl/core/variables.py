"""Every variable that tickctl reads, once: its meaning, and what else must be known of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the environment or of an env file.

    Attributes:
        name: of the variable.
        meaning: for people, in a line of `tickctl help environment` and of keys.env.example.
        is_secret: whether its value must never be shown.
        means_project: whether it says that somebody means a real project, so that the embedded database is no longer
            the answer.
        is_administrative: whether it gives the rights of an administrator, and has no place beside a gateway.
        needs: the variable without which this one is half a configuration.
        is_listed: whether it is tickctl's own; others are read by libraries.
    """

    name: str
    meaning: str = ""
    is_secret: bool = False
    means_project: bool = False
    is_administrative: bool = False
    needs: str | None = None
    is_listed: bool = True


_ROWS: Final = (
    Variable(
        "SUPABASE_URL",
        "the project, like https://<project-ref>.supabase.co",
        means_project=True,
        needs="SUPABASE_ANON_KEY",
    ),
    Variable(
        "SUPABASE_ANON_KEY",
        "the publishable (sb_publishable_...) or anon key",
        is_secret=True,
        means_project=True,
    ),
    Variable(
        "SUPABASE_JWT_SECRET",
        "verifies HS256 tokens; not needed with asymmetric signing keys",
        is_secret=True,
        means_project=True,
    ),
    Variable(
        "SUPABASE_JWT_SECRET_PREVIOUS",
        "accepted as well while SUPABASE_JWT_SECRET is being rotated",
        is_secret=True,
        means_project=True,
        needs="SUPABASE_JWT_SECRET",
    ),
    Variable("SUPABASE_JWT_ISSUER", "expected issuer, if not SUPABASE_URL/auth/v1", means_project=True),
    Variable("SUPABASE_JWT_AUDIENCE", "expected audience, if not authenticated"),
    Variable("SUPABASE_JWKS_URL", "where the public keys are, if not under SUPABASE_URL", means_project=True),
    Variable("SUPABASE_JWKS", "the public keys themselves: JSON text, or the path of a file", means_project=True),
    Variable("SUPABASE_CONFIRMED_CLAIM", "claim of your access-token hook that says the e-mail is confirmed"),
    Variable(
        "SUPABASE_ALLOW_UNCONFIRMED", "true lets unconfirmed e-mails through; for development, and said at each use"
    ),
    Variable(
        "SUPABASE_SECRET_KEY",
        "admin commands through the API (sb_secret_...)",
        is_secret=True,
        means_project=True,
        is_administrative=True,
    ),
    Variable(
        "SUPABASE_SERVICE_ROLE_KEY",
        "the same with a legacy service_role key",
        is_secret=True,
        means_project=True,
        is_administrative=True,
    ),
    Variable(
        "SUPABASE_DB_URL",
        "schema and admin commands over a direct connection (postgresql://...)",
        is_secret=True,
        means_project=True,
    ),
    Variable(
        "TICKCTL_ADMIN_TOKEN",
        "admin commands as a signed-in user who is in tick.admin",
        is_secret=True,
        means_project=True,
        is_administrative=True,
    ),
    Variable("TICKCTL_HOME", "folder of the embedded database"),
    Variable("TICKCTL_TOKEN", "the token that verify-token and explain look at when none is given", is_secret=True),
    Variable("TICKCTL_SECRET_ID", "name of the secret in AWS Secrets Manager"),
    Variable("TICKCTL_DEBUG", "1 adds where an error arose, without values"),
    Variable("AWS_REGION", "and the other standard AWS_ variables, for the AWS commands"),
    Variable("NO_COLOR", "anything switches colours off; FORCE_COLOR shows tables and colours in a pipe too"),
    # The id of a key is no secret, its key is. The rest of `AWS_`, such as the region, is needed in messages.
    Variable("AWS_ACCESS_KEY_ID", needs="AWS_SECRET_ACCESS_KEY", is_listed=False),
    Variable("AWS_SECRET_ACCESS_KEY", is_secret=True, needs="AWS_ACCESS_KEY_ID", is_listed=False),
    Variable("AWS_SESSION_TOKEN", is_secret=True, is_listed=False),
    Variable("AWS_SECURITY_TOKEN", is_secret=True, is_listed=False),
)
VARIABLES: Final[Mapping[str, Variable]] = MappingProxyType({variable.name: variable for variable in _ROWS})
PREFIXES: Final = ("SUPABASE_", "TICKCTL_", "AWS_")
"""How the names begin that are read of env files."""
SECRET_ENDINGS: Final = ("KEY", "SECRET", "TOKEN", "PASSWORD", "DB_URL")


def is_secret(name: str) -> bool:
    """Whether a variable's value must never be shown; of one that isn't tickctl's, its name tells."""
    variable = VARIABLES.get(name)
    return variable.is_secret if variable is not None else name.endswith(SECRET_ENDINGS) or "SECRET" in name
