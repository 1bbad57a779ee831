"""Rewrites what pages take from the program: help blocks (docs/CLI.md), the table of the audit (docs/SECURITY.md).

The tests fail when they differ.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from tickctl.core.audit.catalogue import Check, Promise

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "CLI.md"
SECURITY = DOCS / "SECURITY.md"
BLOCK = re.compile(r"```text\n\$ (tickctl[^\n]* --help)\n.*?```", re.DOTALL)
AUDIT = re.compile(r"(<!-- audit: [^\n]* -->\n).*?(<!-- /audit -->)", re.DOTALL)


def updated(text: str) -> str:
    """Return the page with every help block as the command prints it today."""
    return BLOCK.sub(lambda block: f"```text\n$ {block[1]}\n{help_of(block[1])}```", text)


def help_of(line: str) -> str:
    """Return what a help command prints at 80 columns."""
    command = [sys.executable, "-m", *line.split()]
    environment = os.environ | {"COLUMNS": "80", "NO_COLOR": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout  # noqa: S603


def with_audit(text: str) -> str:
    """Return the page with the checks of the audit as they are today."""
    return AUDIT.sub(lambda marks: f"{marks[1]}{audit_tables()}\n{marks[2]}", text)


def audit_tables() -> str:
    """Return a table for each promise, of its checks."""
    return "".join(
        f"\n**{promise.heading[0].upper()}{promise.heading[1:]}**\n\n{_rows(promise)}" for promise in Promise
    )


def _rows(promise: Promise) -> str:
    rows = ["| check | severity | what has to be so | where it isn't |", "|---|---|---|---|"]
    rows += [
        f"| `{check.value}` | {check.severity.value} | {check.meaning} | {_code(check.mend)} |"
        for check in Check
        if check.promise is promise
    ]
    return "".join(f"{row}\n" for row in rows)


def _code(text: str) -> str:
    """Return a hint with its quoted words as Markdown's code."""
    return re.sub(r"'([^']+)'(?!\w)", r"`\1`", text)


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text()))
    SECURITY.write_text(with_audit(SECURITY.read_text()))
