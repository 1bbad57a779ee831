"""Options of commands that list."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from tickctl.errors import InvalidInputError

if TYPE_CHECKING:
    from tickctl.core.quota import UserFilter

NdJson = Annotated[bool, typer.Option("--ndjson", help="One JSON document on each line.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Maximum number of results.")]
After = Annotated[str | None, typer.Option("--after", metavar="CURSOR", help="Continue where a previous list ended.")]
SEARCH_HELP = "Part of the e-mail or phone number, or the beginning of the user id."


def filter_of(flags: Mapping[str, bool]) -> "UserFilter":
    """Return the filter that the one option that was given stands for.

    Raises:
        InvalidInputError: more than one was given.
    """
    from tickctl.core.quota import UserFilter

    chosen = [name for name, on in flags.items() if on]
    if len(chosen) > 1:
        raise InvalidInputError(
            " and ".join(f"--{name}" for name in chosen) + " exclude each other", hint="ask for one of them at a time"
        )
    return UserFilter(chosen[0]) if chosen else UserFilter.ALL
