"""Reads the project's own sources."""

import ast
from contextlib import suppress
from pathlib import Path

_ATTEMPTS = 9


def tree_of(path: Path) -> ast.Module:
    """Parse a file.

    Python 3.11 raises SystemError now and then, where a finalizer that the collector runs interrupts it (`AST
    constructor recursion depth mismatch`); the next attempt succeeds.
    """
    text = path.read_text()
    for _ in range(_ATTEMPTS):
        with suppress(SystemError):
            return ast.parse(text)
    return ast.parse(text)
