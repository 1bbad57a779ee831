"""Rewrites the help blocks of docs/CLI.md from the commands themselves; `scripts/check` fails when they differ."""

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "CLI.md"
BLOCK = re.compile(r"```text\n\$ (tickctl[^\n]* --help)\n.*?```", re.DOTALL)


def updated(text: str) -> str:
    """Return the page with every help block as the command prints it today."""
    return BLOCK.sub(lambda block: f"```text\n$ {block[1]}\n{help_of(block[1])}```", text)


def help_of(line: str) -> str:
    """Return what a help command prints at 80 columns."""
    command = [sys.executable, "-m", *line.split()]
    environment = os.environ | {"COLUMNS": "80", "NO_COLOR": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout  # noqa: S603


if __name__ == "__main__":
    before = PAGE.read_text()
    PAGE.write_text(updated(before))
