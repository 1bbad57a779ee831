"""Reading the project's pages as their readers do: commands in their order, what they show, and messages to look up."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

from source_support import tree_of
from terminal_support import open_terminal, read_terminal

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
# No two runs have the same ids and times; and the width of a column is nobody's business.
_PASSING: Final = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
    (r"ecs-svc/\d+", "<deployment>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>"),
    (r"\d{4}-\d\d-\d\d", "<day>"),
    (r"(;t=|Retry-After: )\d{2,}", r"\1<seconds>"),
    (r" {2,}", "  "),
)


@dataclass(frozen=True)
class Shown:
    """A command of a page, and the lines that it shows there; `...` stands for any others."""

    command: str
    lines: tuple[str, ...]


def shown(text: str) -> list[Shown]:
    """Return the commands of a page, or of a part of it, in their order."""
    found: list[Shown] = []
    for indent, block in re.findall(r"^( *)```console\n(.*?)^ *```", text, flags=re.DOTALL | re.MULTILINE):
        lines = [line.removeprefix(indent) for line in block.replace("\\\n", "").splitlines()]
        starts = [index for index, line in enumerate(lines) if line.startswith("$ ")]
        for start, end in pairwise([*starts, len(lines)]):
            found.append(Shown(lines[start].removeprefix("$ "), tuple(lines[start + 1 : end])))
    return found


def plain(lines: Iterable[str]) -> list[str]:
    """Return lines without what passes."""
    cleaned = []
    for line in lines:
        for pattern, name in _PASSING:
            line = re.sub(pattern, name, line)  # noqa: PLW2901 - the line, step by step
        cleaned.append(line.rstrip())
    return cleaned


def agrees(page: list[str], said: list[str]) -> bool:
    """Tell whether what was said is what the page shows."""
    if not page:
        return not said
    if page[0] == "...":
        return any(agrees(page[1:], said[skipped:]) for skipped in range(len(said) + 1))
    return bool(said) and page[0] == said[0] and agrees(page[1:], said[1:])


def type_command(command: str, folder: Path, environment: Mapping[str, str], columns: int) -> tuple[int, list[str]]:
    """Run a line in a shell on a terminal; return its exit code, and what the terminal shows."""
    path = f"{Path(sys.executable).parent}:{environment['PATH']}"
    ours, theirs = open_terminal(columns)
    process = subprocess.Popen(
        ["bash", "-c", command],
        cwd=folder,
        env={**environment, "TERM": "dumb", "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    written = b""
    while chunk := read_terminal(ours):
        written += chunk
    os.close(ours)
    return process.wait(60), written.decode().replace("\r\n", "\n").splitlines()


@cache
def said_by_the_program() -> str:
    """Return every text that stands in the program, each on its own, and the SQL as it is."""
    source = ROOT / "src" / "tickctl"
    nodes = (node for file in source.rglob("*.py") for node in ast.walk(tree_of(file)))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return "\n".join(texts + [file.read_text().replace("''", "'") for file in source.rglob("*.sql")])


def unsaid(text: str) -> list[str]:
    """Return what the first column of tables quotes, and the program doesn't say; `…` stands for what changes."""
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    messages = [message for cell in cells for message in re.findall(r"`(.*?)`", cell)]
    parts = [part.strip() for message in messages for part in re.split("…|: ", message) if part.strip()]
    return [part for part in parts if part not in said_by_the_program()]


def anchors(text: str) -> set[str]:
    """Return the anchors that a page's headings get."""
    without_blocks = re.sub(r"^( *)```.*?^\1```", "", text, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", without_blocks, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
