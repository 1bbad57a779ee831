"""Shows what becomes of keys, by name."""

from typing import Final

from tickctl.cli.redact import printable
from tickctl.cli.run import Run
from tickctl.core.secrets.plan import KeyChanges

_KINDS: Final = ("added", "changed", "removed", "kept", "unchanged")


def changes_json(changes: KeyChanges) -> dict[str, tuple[str, ...]]:
    """Return the names for a JSON document."""
    return {kind: getattr(changes, kind) for kind in _KINDS}


def show_changes(run: Run, changes: KeyChanges) -> None:
    """Write the names: a paragraph for each kind on a terminal, a line for each name in a pipe.

    Of keys that stay the same, a person is told how many.
    """
    for kind in _KINDS:
        names: tuple[str, ...] = getattr(changes, kind)
        if not run.output.style.terminal:
            for name in names:
                run.output.text(f"{kind}\t{printable(name)}")
        elif names and kind == "unchanged":
            run.output.paragraph(f"{len(names)} {'key' if len(names) == 1 else 'keys'}", first=f"{kind:10} ")
        elif names:
            note = " (only in AWS)" if kind == "kept" else ""
            run.output.paragraph(", ".join(names) + note, first=f"{kind:10} ")
