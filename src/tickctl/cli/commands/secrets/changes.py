"""Shows what becomes of keys, by name."""

from collections.abc import Mapping
from typing import Final

from tickctl.cli.console.redact import printable
from tickctl.cli.console.run import Run
from tickctl.core.secrets.plan import KeyChanges

_WIDTH: Final = 12


def changes_json(changes: KeyChanges) -> dict[str, tuple[str, ...]]:
    """Return the names for a JSON document."""
    return {
        "added": changes.added,
        "changed": changes.changed,
        "removed": changes.removed,
        "only_in_aws": changes.kept,
        "unchanged": changes.unchanged,
    }


def show_changes(run: Run, changes: KeyChanges) -> None:
    """Write the names: a paragraph for each kind on a terminal, a line for each name in a pipe."""
    kinds = changes_json(changes)
    if run.output.style.terminal:
        _show_paragraphs(run, kinds)
    else:
        for kind, names in kinds.items():
            for name in names:
                run.output.text(f"{kind}\t{printable(name)}")


def _show_paragraphs(run: Run, kinds: Mapping[str, tuple[str, ...]]) -> None:
    """Write the names; of those that stay the same, a person is told how many."""
    same = len(kinds["unchanged"])
    paragraphs = {kind: ", ".join(names) for kind, names in kinds.items()}
    paragraphs["unchanged"] = f"{same} {'key' if same == 1 else 'keys'}" if same else ""
    for kind, text in paragraphs.items():
        if text:
            run.output.paragraph(text, first=f"{kind.replace('_', ' ').replace('aws', 'AWS'):{_WIDTH}}")
