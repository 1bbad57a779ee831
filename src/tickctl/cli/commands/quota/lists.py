"""`tickctl quota list|history|top|audit-log`: many users, many days."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from tickctl.cli.console.lists import SEARCH_HELP, After, Limit, NdJson, filter_of
from tickctl.cli.console.output import Cell, cell_text, rfc3339
from tickctl.cli.console.quotas import User, bar_of, limit_text, overview_json, state_json
from tickctl.cli.console.run import Run, command
from tickctl.cli.open.backend import open_quotas

if TYPE_CHECKING:
    from tickctl.core.quota import AuditEntry, DayUsage

Few = Annotated[int, typer.Option("--limit", min=1, max=1000, help="Maximum number of results.")]
Days = Annotated[int, typer.Option("--days", min=1, max=366, help="How many days, today included.")]

# For a table of 80 columns.
_HEADINGS = {
    "email": "email",
    "daily_tick_limit": "limit",
    "ticks_used": "used",
    "ticks_granted": "granted",
    "ticks_remaining": "left",
    "email_confirmed": "confirmed",
}
_IN_A_PIPE = (
    "user_id",
    "email",
    "email_confirmed",
    "daily_tick_limit",
    "usage_date",
    "ticks_used",
    "ticks_granted",
    "ticks_remaining",
    "resets_at",
    "time_zone",
    "email_confirmed_at",
    "created_at",
    "last_sign_in_at",
    "banned_until",
    "is_anonymous",
    "sessions",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    add = "tickctl quota"
    command(
        app,
        "list",
        backend=True,
        examples=f"{add} list --exhausted\n{add} list --search @example.com --limit 20\n{add} list --ndjson | head",
    )(list_users)
    command(app, "history", backend=True, examples=f"{add} history user@example.com --days 30")(history)
    command(app, "top", backend=True, examples=f"{add} top --days 7")(top)
    command(app, "audit-log", backend=True, examples=f"{add} audit-log --user user@example.com")(audit_log)


def list_users(
    run: Run,
    exhausted: Annotated[bool, typer.Option("--exhausted", help="Only users with nothing left today.")] = False,
    unlimited: Annotated[bool, typer.Option("--unlimited", help="Only users without a limit.")] = False,
    blocked: Annotated[bool, typer.Option("--blocked", help="Only users whose limit is 0.")] = False,
    unconfirmed: Annotated[bool, typer.Option("--unconfirmed", help="Only users without a confirmed e-mail.")] = False,
    banned: Annotated[bool, typer.Option("--banned", help="Only users who are banned now.")] = False,
    search: Annotated[str | None, typer.Option("--search", metavar="TEXT", help=SEARCH_HELP)] = None,
    limit: Limit = 50,
    after: After = None,
    ndjson: NdJson = False,
) -> None:
    """List users with their ticks of today.

    Users are sorted by e-mail; those without one come last, by id.
    """
    flags = {"exhausted": exhausted, "unlimited": unlimited, "blocked": blocked}
    kind = filter_of(flags | {"unconfirmed": unconfirmed, "banned": banned})
    with open_quotas(run) as (quotas, _target):
        page = quotas.list(kind, search=search, limit=limit, after=after)
    rows = [overview_json(user) for user in page.items]
    if ndjson:
        _lines(run, rows)
    elif run.json:
        run.output.document({"users": rows, "next": page.next})
    else:
        columns = _HEADINGS if run.output.style.terminal else _IN_A_PIPE
        names = list(_HEADINGS.values()) if run.output.style.terminal else _IN_A_PIPE
        cells = [[_cell(row, column) for column in columns] for row in rows]
        run.output.table(names, cells, empty="no such users")
    if page.next and not run.json:
        run.output.notice(f"there are more: --after {page.next}")


def history(run: Run, user: User, days: Days = 14, ndjson: NdJson = False) -> None:
    """Show what a user consumed on each of the last days."""
    with open_quotas(run) as (quotas, _target):
        state = quotas.show(user)
        past = quotas.history(user, days)
    rows = [_day_json(day) for day in past]
    if ndjson:
        _lines(run, rows)
    elif run.json:
        about = {name: state_json(state)[name] for name in ("user_id", "email", "daily_tick_limit", "time_zone")}
        run.output.document({**about, "days": rows})
    elif run.output.style.terminal:
        width = max(10, min(50, run.output.width - 34))
        full = max([day.ticks_used for day in past] + [state.daily_tick_limit or 0])
        for day in past:
            extra = f"  +{day.ticks_granted} granted" if day.ticks_granted else ""
            run.output.text(f"{day.usage_date}  {bar_of(day.ticks_used, full, width)}  {day.ticks_used}{extra}")
        run.output.notice(f"a full bar is {full} ticks; the daily limit is {limit_text(state.daily_tick_limit)}")
    else:
        run.output.table(tuple(rows[0]), [tuple(row.values()) for row in rows])


def top(run: Run, days: Days = 1, limit: Few = 10, ndjson: NdJson = False) -> None:
    """Show who consumed most."""
    with open_quotas(run) as (quotas, _target):
        entries = quotas.top(days, limit)
    rows: list[dict[str, Cell]] = [
        {
            "user_id": str(entry.user_id),
            "email": entry.email,
            "ticks_used": entry.ticks_used,
            "daily_tick_limit": entry.daily_tick_limit,
        }
        for entry in entries
    ]
    if ndjson:
        _lines(run, rows)
    elif run.json:
        run.output.document({"days": days, "users": rows})
    elif run.output.style.terminal:
        full = max((entry.ticks_used for entry in entries), default=0)
        bars = [(entry.email, entry.ticks_used, bar_of(entry.ticks_used, full, 24).rstrip()) for entry in entries]
        run.output.table(["email", "ticks", ""], bars, empty="nobody consumed anything")
    else:
        columns = ("user_id", "email", "ticks_used", "daily_tick_limit")
        run.output.table(columns, [[_cell(row, column) for column in columns] for row in rows])


def audit_log(
    run: Run,
    user: Annotated[str | None, typer.Option("--user", metavar="USER", help="Only changes to this user.")] = None,
    limit: Limit = 20,
    after: After = None,
    ndjson: NdJson = False,
) -> None:
    """Show who changed what, newest first.

    ACTOR is the identity that the database has verified; OPERATOR is a label that the command sent.
    Changes of a limit are recorded however they were made.
    """
    with open_quotas(run) as (quotas, _target):
        page = quotas.audit_log(user, limit=limit, after=after)
    rows = [_entry_json(entry) for entry in page.items]
    if ndjson:
        _lines(run, rows)
    elif run.json:
        run.output.document({"entries": rows, "next": page.next})
    elif run.output.style.terminal:
        _tell(run, page.items)
    else:
        columns = ("at", "actor", "operator", "action", "email", "change", "reason")
        cells = [
            (e.at, e.actor, e.operator, e.action, e.email or str(e.user_id), _change(e), e.reason) for e in page.items
        ]
        run.output.table(columns, cells)
    if page.next and not run.json:
        run.output.notice(f"there are more: --after {page.next}")


def _tell(run: Run, entries: "Iterable[AuditEntry]") -> None:
    """Write entries for a person: what was changed on one line, who did it and why below."""
    is_told = False
    for entry in entries:
        at = f"{rfc3339(entry.at)}  "
        by = f"{entry.operator} (as {entry.actor})" if entry.operator else entry.actor
        why = f": {entry.reason}" if entry.reason else ""
        run.output.paragraph(f"{entry.email or entry.user_id}: {_change(entry)}", first=at)
        run.output.paragraph(f"by {by}{why}", first=" " * len(at))
        is_told = True
    if not is_told:
        run.output.notice("no changes recorded")


def _lines(run: Run, rows: Iterable[Mapping[str, object]]) -> None:
    for row in rows:
        run.output.document(row)


def _cell(row: Mapping[str, Cell], column: str) -> Cell:
    """Return a value for people: no limit reads `unlimited`."""
    value = row[column]
    return "unlimited" if value is None and column in {"daily_tick_limit", "ticks_remaining"} else value


def _day_json(day: "DayUsage") -> dict[str, Cell]:
    return {
        "usage_date": str(day.usage_date),
        "ticks_used": day.ticks_used,
        "ticks_granted": day.ticks_granted,
        "charges": day.charges,
    }


def _entry_json(entry: "AuditEntry") -> dict[str, object]:
    return {
        "id": entry.id,
        "at": entry.at,
        "action": entry.action,
        "actor": entry.actor,
        "actor_id": entry.actor_id and str(entry.actor_id),
        "operator": entry.operator,
        "user_id": entry.user_id and str(entry.user_id),
        "email": entry.email,
        "before": entry.before,
        "after": entry.after,
        "reason": entry.reason,
    }


def _change(entry: "AuditEntry") -> str:
    before, after = entry.before or {}, entry.after or {}
    names = [name for name in after if before.get(name) != after[name]]
    return ", ".join(f"{name} {_plain(before.get(name))} -> {_plain(after[name])}" for name in names)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return cell_text(value)
    return "unlimited" if value is None else str(value)
