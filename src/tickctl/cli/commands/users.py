"""`tickctl users list|show|resend-confirmation`: the accounts behind the quotas."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

import typer

from tickctl.cli.console.confirm import DryRun
from tickctl.cli.console.lists import SEARCH_HELP, After, Limit, NdJson, filter_of
from tickctl.cli.console.output import Cell, rfc3339
from tickctl.cli.console.quotas import User, limit_text, overview_json
from tickctl.cli.console.run import BackendName, Run, command
from tickctl.cli.open.backend import choose, open_quotas
from tickctl.cli.open.identity import project_url, publishable_key
from tickctl.errors import ConfigurationError, InvalidInputError

# For a table of 80 columns, in which the address is to have room.
_HEADINGS = {
    "email": "email",
    "email_confirmed_at": "confirmed",
    "last_sign_in_at": "signed in",
    "banned_until": "banned to",
    "sessions": "sessions",
    "created_at": "created",
}
_IN_A_PIPE = (
    "user_id",
    "email",
    "email_confirmed",
    "email_confirmed_at",
    "last_sign_in_at",
    "banned_until",
    "sessions",
    "created_at",
    "is_anonymous",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    add = "tickctl users"
    command(
        app,
        "list",
        backend=True,
        examples=f"{add} list --unconfirmed\n{add} list --search @example.com --limit 20\n{add} list --ndjson | head",
    )(list_users)
    command(app, "show", backend=True, examples=f"{add} show user@example.com")(show)
    command(
        app,
        "resend-confirmation",
        backend=True,
        examples=f"{add} resend-confirmation user@example.com\n{add} resend-confirmation user@example.com --dry-run",
    )(resend_confirmation)


def list_users(
    run: Run,
    unconfirmed: Annotated[bool, typer.Option("--unconfirmed", help="Only users without a confirmed e-mail.")] = False,
    banned: Annotated[bool, typer.Option("--banned", help="Only users who are banned now.")] = False,
    search: Annotated[str | None, typer.Option("--search", metavar="TEXT", help=SEARCH_HELP)] = None,
    limit: Limit = 50,
    after: After = None,
    ndjson: NdJson = False,
) -> None:
    """List accounts: confirmation, last sign-in, bans and sessions.

    Users are sorted by e-mail; those without one come last, by id.
    """
    kind = filter_of({"unconfirmed": unconfirmed, "banned": banned})
    with open_quotas(run) as (quotas, _target):
        page = quotas.list(kind, search=search, limit=limit, after=after)
    rows = [overview_json(user) for user in page.items]
    if ndjson:
        for row in rows:
            run.output.document(row)
    elif run.json:
        run.output.document({"users": rows, "next": page.next})
    elif run.output.style.terminal:
        _table(run, rows)
    else:
        run.output.table(_IN_A_PIPE, [[row[column] for column in _IN_A_PIPE] for row in rows])
    if page.next and not run.json:
        run.output.notice(f"there are more: --after {page.next}")


def show(run: Run, user: User) -> None:
    """Show a user's account and today's quota."""
    with open_quotas(run) as (quotas, _target):
        fields = overview_json(quotas.overview(user))
    if run.json:
        run.output.document(fields)
    else:
        limits = {"daily_tick_limit", "ticks_remaining"}
        run.output.record({name: limit_text(value) if name in limits else value for name, value in fields.items()})  # type: ignore[arg-type] # these two are int | None


def resend_confirmation(run: Run, user: User, dry_run: DryRun = False) -> None:
    """Send a user the confirmation mail again.

    Nothing is sent to a user whose address is already confirmed.
    """
    from tickctl.adapters.auth_api import AuthApi

    if choose(run.settings, run.backend) is BackendName.LOCAL:
        raise ConfigurationError(
            "the embedded database sends no mail",
            hint="'tickctl local add-user' adds users whose address is confirmed",
        )
    url = project_url(run.settings)
    auth = AuthApi(url, publishable_key(run.settings))
    with open_quotas(run) as (quotas, target):
        overview = quotas.overview(user)
    email, confirmed = overview.quota.email, overview.quota.email_confirmed
    if email is None:
        raise InvalidInputError("the user has no e-mail address", hint="only an address can be confirmed by mail")
    if confirmed:
        run.output.notice(f"nothing to send: {email} is confirmed already on {target}")
    elif dry_run:
        run.output.notice(f"would send the confirmation mail to {email} from {url}")
    else:
        auth.resend_confirmation(email)
        run.output.notice(f"asked {url} to send the confirmation mail to {email}")
    fields: dict[str, Cell] = {
        "user_id": overview.quota.user_id,
        "email": email,
        "email_confirmed": confirmed,
        "sent": not (confirmed or dry_run),
        "dry_run": dry_run,
    }
    if run.json:
        run.output.document(fields)
    else:
        run.output.record(fields)


def _table(run: Run, rows: Sequence[Mapping[str, Cell]]) -> None:
    """Show the accounts with their days; bans only where there are any."""
    banned = any(row["banned_until"] for row in rows)
    columns = [column for column in _HEADINGS if banned or column != "banned_until"]
    cells = [[_short(row, column) for column in columns] for row in rows]
    run.output.table([_HEADINGS[column] for column in columns], cells, empty="no such users")


def _short(row: Mapping[str, Cell], column: str) -> Cell:
    """Return a value for people: of times, the day; an address that nobody has confirmed is a no."""
    value = row[column]
    if isinstance(value, datetime):
        return rfc3339(value)[:10]
    return "no" if column == "email_confirmed_at" else value
