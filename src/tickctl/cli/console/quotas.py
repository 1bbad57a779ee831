"""Users and limits on the command line: how they are given, and how they are shown."""

from typing import TYPE_CHECKING, Annotated

import typer

from tickctl.cli.console.output import Cell, rfc3339
from tickctl.errors import InvalidInputError

if TYPE_CHECKING:
    from tickctl.core.quota import QuotaState, UserOverview

User = Annotated[str, typer.Argument(metavar="USER", help="A user id or an e-mail address.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why, for the audit log.")]


def limit_argument(text: str) -> int | None:
    """Read a limit as people write it: digits, or `unlimited` (None).

    Raises:
        InvalidInputError: anything else.
    """
    from tickctl.core.quota.limits_csv import LARGEST_LIMIT, parse_limit

    try:
        return parse_limit(text)
    except ValueError:
        raise InvalidInputError(
            "that is not a limit", hint=f"write a whole number from 0 (blocked) to {LARGEST_LIMIT}, or 'unlimited'"
        ) from None


def limit_text(limit: int | None) -> str:
    """Return a limit as people write it."""
    return "unlimited" if limit is None else str(limit)


def bar_of(value: int, full: int, width: int) -> str:
    """Return a bar of `width` cells, filled in eighths in proportion to `value` of `full`."""
    eighths = min(width * 8, round(width * 8 * value / full)) if full > 0 else 0
    cells, remainder = divmod(eighths, 8)
    bar = "█" * cells + (" ▏▎▍▌▋▊▉"[remainder] if remainder else "")
    return bar.ljust(width)


def state_json(state: "QuotaState") -> dict[str, Cell]:
    """Return the documented JSON of a user's quota; null for unlimited."""
    return {
        "user_id": str(state.user_id),
        "email": state.email,
        "email_confirmed": state.email_confirmed,
        "daily_tick_limit": state.daily_tick_limit,
        "usage_date": str(state.usage_date),
        "ticks_used": state.ticks_used,
        "ticks_granted": state.ticks_granted,
        "ticks_remaining": state.ticks_remaining,
        "resets_at": rfc3339(state.resets_at),
        "time_zone": state.time_zone,
    }


def overview_json(user: "UserOverview") -> dict[str, Cell]:
    """Return the documented JSON of a user in a list: the quota, and the account beside it."""
    return state_json(user.quota) | {
        "email_confirmed_at": user.email_confirmed_at,
        "created_at": user.created_at,
        "last_sign_in_at": user.last_sign_in_at,
        "banned_until": user.banned_until,
        "is_anonymous": user.is_anonymous,
        "sessions": user.sessions,
    }
