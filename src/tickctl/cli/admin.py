"""`tickctl admin add|remove|list`: the users who may administer when signed in."""

from typing import TYPE_CHECKING

import typer

from tickctl.cli.backend import AdminSession, open_admin, open_quotas
from tickctl.cli.confirm import AssumeYes, DryRun, confirm
from tickctl.cli.quota import Reason, User
from tickctl.cli.quota_lists import NdJson
from tickctl.cli.run import IdentityName, Run, command
from tickctl.errors import CredentialsRefusedError, InvalidInputError

if TYPE_CHECKING:
    from tickctl.core.quota import UserOverview


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
        found = admin.quotas.overview(user)
        _require_known_person(found)
        if dry_run:
            changed = not _administers(admin, found)
        else:
            changed = admin.quotas.add_admin(found.quota.user_id, reason=reason).changed
        done = "would make" if dry_run else "made"
        plan = f"{done} {_name(found)} an administrator" if changed else f"{_name(found)} is an administrator already"
        run.output.notice(f"{plan} on {admin.target}")
    _answer(run, found, administrator=True, changed=changed, dry_run=dry_run)


def remove_admin(run: Run, user: User, reason: Reason = None, dry_run: DryRun = False, yes: AssumeYes = False) -> None:
    """Let a user administer no longer; it holds at once, also for tokens that were issued before."""
    with open_admin(run) as admin:
        _require_more_than_a_token(admin)
        found = admin.quotas.overview(user)
        changed = _administers(admin, found)
        plan = f"take the rights of an administrator from {_name(found)} on {admin.target}"
        if not changed:
            run.output.notice(f"{_name(found)} is no administrator on {admin.target}")
        elif dry_run:
            run.output.notice(f"would {plan}")
        else:
            confirm(plan, assume_yes=yes)
            changed = admin.quotas.remove_admin(found.quota.user_id, reason=reason).changed
            run.output.notice(f"done: {plan}")
    _answer(run, found, administrator=False, changed=changed, dry_run=dry_run)


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
        shown = [(each.email or each.user_id, each.added_at) for each in administrators]
        run.output.table(("user", "since"), shown, empty="no user may administer: 'tickctl admin add' makes one")
    else:
        run.output.table(("user_id", "email", "added_at"), [tuple(row.values()) for row in rows])


def _require_more_than_a_token(admin: AdminSession) -> None:
    if admin.identity is IdentityName.USER:
        raise CredentialsRefusedError(
            "a signed-in user can't make or unmake administrators",
            hint="use the secret key (--as secret-key) or a direct connection (--as connection)",
        )


def _require_known_person(user: "UserOverview") -> None:
    """Refuse what the database would refuse, so that a dry run shows it as well."""
    if user.is_anonymous:
        raise InvalidInputError("an anonymous user can't be an administrator", hint="let them sign up by e-mail")
    if user.quota.email is not None and user.email_confirmed_at is None:
        raise InvalidInputError(
            "a user whose e-mail is not confirmed can't be an administrator: it may be another person's address",
            hint="'tickctl users resend-confirmation' sends the mail again",
        )


def _administers(admin: AdminSession, user: "UserOverview") -> bool:
    return any(each.user_id == user.quota.user_id for each in admin.quotas.admins())


def _name(user: "UserOverview") -> str:
    return user.quota.email or user.quota.user_id


def _answer(run: Run, user: "UserOverview", *, administrator: bool, changed: bool, dry_run: bool) -> None:
    fields = {
        "user_id": user.quota.user_id,
        "email": user.quota.email,
        "administrator": administrator,
        "changed": changed,
        "dry_run": dry_run,
    }
    if run.json:
        run.output.document(fields)
    else:
        run.output.record(fields)
