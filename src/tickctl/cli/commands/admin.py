"""`tickctl admin add|remove|list`: the users who may administer when signed in."""

from typing import TYPE_CHECKING

import typer

from tickctl.cli.console.confirm import AssumeYes, DryRun, confirm
from tickctl.cli.console.lists import NdJson
from tickctl.cli.console.quotas import Reason, User
from tickctl.cli.console.run import IdentityName, Run, command
from tickctl.cli.open.backend import AdminSession, open_admin, open_quotas
from tickctl.errors import CredentialsRefusedError

if TYPE_CHECKING:
    from tickctl.core.quota import AdminChange


def register(app: typer.Typer) -> None:
    """Add the commands."""
    add = "tickctl admin"
    command(
        app,
        "add",
        backend=True,
        examples=f"{add} add ada@example.com --reason 'on call'\n{add} add ada@example.com --as secret-key --dry-run",
    )(add_admin)
    command(app, "remove", backend=True, examples=f"{add} remove ada@example.com --yes")(remove_admin)
    command(app, "list", backend=True, examples=f"{add} list\n{add} list --json")(list_admins)


def add_admin(run: Run, user: User, reason: Reason = None, dry_run: DryRun = False) -> None:
    """Let a user administer when signed in, from now on.

    It takes the secret key or a direct connection, so that a stolen token can't make itself permanent.
    """
    with open_admin(run) as admin:
        _require_more_than_a_token(admin)
        change = admin.quotas.add_admin(user, reason=reason, dry_run=dry_run)
        name, done = change.email or change.user_id, "would make" if dry_run else "made"
        plan = f"{done} {name} an administrator" if change.changed else f"{name} is an administrator already"
        run.output.notice(f"{plan} on {admin.target}")
    _answer(run, change, administrator=True, dry_run=dry_run)


def remove_admin(run: Run, user: User, reason: Reason = None, dry_run: DryRun = False, yes: AssumeYes = False) -> None:
    """Let a user administer no longer; it holds at once, also for tokens that were issued before."""
    with open_admin(run) as admin:
        _require_more_than_a_token(admin)
        change = admin.quotas.remove_admin(user, reason=reason, dry_run=True)
        name = change.email or change.user_id
        plan = f"take the rights of an administrator from {name} on {admin.target}"
        if not change.changed:
            run.output.notice(f"{name} is no administrator on {admin.target}")
        elif dry_run:
            run.output.notice(f"would {plan}")
        else:
            confirm(plan, assume_yes=yes)
            change = admin.quotas.remove_admin(change.user_id, reason=reason)
            run.output.notice(f"done: {plan}")
    _answer(run, change, administrator=False, dry_run=dry_run)


def list_admins(run: Run, ndjson: NdJson = False) -> None:
    """List the users who may administer when signed in, the oldest entry first.

    Whoever holds the secret key or the connection string may do so as well, and is not in this list.
    """
    with open_quotas(run) as (quotas, _target):
        administrators = quotas.admins()
    rows = [{"user_id": each.user_id, "email": each.email, "added_at": each.added_at} for each in administrators]
    if ndjson:
        for row in rows:
            run.output.document(row)
    elif run.json:
        run.output.document({"administrators": rows})
    elif run.output.style.terminal:
        cells = [(each.email or each.user_id, each.added_at) for each in administrators]
        run.output.table(("user", "since"), cells, empty="no user may administer: 'tickctl admin add' makes one")
    else:
        run.output.table(("user_id", "email", "added_at"), [tuple(row.values()) for row in rows])


def _require_more_than_a_token(admin: AdminSession) -> None:
    if admin.identity is IdentityName.USER:
        raise CredentialsRefusedError(
            "a signed-in user can't make or unmake administrators",
            hint="use the secret key (--as secret-key) or a direct connection (--as connection)",
        )


def _answer(run: Run, change: "AdminChange", *, administrator: bool, dry_run: bool) -> None:
    fields = {
        "user_id": change.user_id,
        "email": change.email,
        "administrator": administrator,
        "changed": change.changed,
        "dry_run": dry_run,
    }
    if run.json:
        run.output.document(fields)
    else:
        run.output.record(fields)
