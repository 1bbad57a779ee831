"""`tickctl help exit-codes|environment`."""

from enum import StrEnum
from typing import Annotated

import typer

from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.run import Run, command

ENVIRONMENT: dict[str, str] = {
    "SUPABASE_URL": "the project, like https://<project-ref>.supabase.co",
    "SUPABASE_ANON_KEY": "the publishable (sb_publishable_...) or anon key",
    "SUPABASE_JWT_SECRET": "verifies HS256 tokens; not needed with asymmetric signing keys",
    "SUPABASE_JWT_SECRET_PREVIOUS": "accepted as well while SUPABASE_JWT_SECRET is being rotated",
    "SUPABASE_JWT_ISSUER": "expected issuer, if not SUPABASE_URL/auth/v1",
    "SUPABASE_JWT_AUDIENCE": "expected audience, if not authenticated",
    "SUPABASE_JWKS_URL": "where the public keys are, if not under SUPABASE_URL",
    "SUPABASE_JWKS": "the public keys themselves: JSON text, or the path of a file",
    "SUPABASE_CONFIRMED_CLAIM": "claim of your access-token hook that says the e-mail is confirmed",
    "SUPABASE_ALLOW_UNCONFIRMED": "true lets unconfirmed e-mails through; for development, and said at each use",
    "SUPABASE_SECRET_KEY": "admin commands through the API (sb_secret_...)",
    "SUPABASE_SERVICE_ROLE_KEY": "the same with a legacy service_role key",
    "SUPABASE_DB_URL": "schema and admin commands over a direct connection (postgresql://...)",
    "TICKCTL_ADMIN_TOKEN": "admin commands as a signed-in user who is in tick.admin",
    "TICKCTL_HOME": "folder of the embedded database",
    "TICKCTL_TOKEN": "the token that verify-token and explain look at when none is given",
    "TICKCTL_SECRET_ID": "name of the secret in AWS Secrets Manager",
    "TICKCTL_DEBUG": "1 adds where an error arose, without values",
    "AWS_REGION": "and the other standard AWS_ variables, for the AWS commands",
    "NO_COLOR": "anything switches colours off; FORCE_COLOR shows tables and colours in a pipe too",
}
"""Every variable that tickctl reads, with its meaning; keys.env.example is held equal to this."""


class Topic(StrEnum):
    """What there is to read about."""

    EXIT_CODES = "exit-codes"
    ENVIRONMENT = "environment"


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "help", examples="tickctl help exit-codes\ntickctl help environment --json")(show_help)


def show_help(run: Run, topic: Annotated[Topic, typer.Argument(help="What to read about.")]) -> None:
    """Explain exit codes or environment variables."""
    rows: dict[str, str]
    match topic:
        case Topic.EXIT_CODES:
            rows = {str(int(code)): code.meaning for code in ExitCode}
        case Topic.ENVIRONMENT:
            rows = ENVIRONMENT
    if run.json:
        run.output.document(rows)
    else:
        run.output.table(["code" if topic is Topic.EXIT_CODES else "variable", "meaning"], list(rows.items()))
