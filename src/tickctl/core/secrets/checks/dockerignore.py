"""Whether a `.dockerignore` keeps a file out of a build context.

The rules of "dockerignore file" in Docker's build documentation: Go's `filepath.Match` and `**`, `!` takes back, the
last line that fits decides, and a folder that is left out takes along what is in it.
"""

import posixpath
import re
from collections.abc import Iterator


def excludes(text: str, path: str) -> bool | None:
    """Return whether a file is left out; None if a line can't be understood.

    Args:
        text: of the `.dockerignore`.
        path: of the file, from the context's root, with `/`.
    """
    above = [path, *_parents(path)]
    left_out = False
    for pattern, takes_back in _lines(text):
        try:
            form = re.compile(_translated(pattern), re.DOTALL)
        except (re.error, ValueError):
            return None
        if any(form.fullmatch(name) for name in above):
            left_out = not takes_back
    return left_out


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    for line in text.removeprefix("\N{BYTE ORDER MARK}").splitlines():
        if line.startswith("#"):
            continue
        pattern = line.strip()
        takes_back = pattern.startswith("!")
        pattern = pattern.removeprefix("!").strip()
        if not pattern:
            continue
        pattern = posixpath.normpath(pattern).lstrip("/")
        if pattern not in {"", "."}:  # Docker ignores the dot, too
            yield pattern, takes_back


def _translated(pattern: str) -> str:
    """Return the regular expression that means the same; ValueError where Go finds no meaning."""
    written = []
    remaining = pattern
    while remaining:
        if remaining.startswith("**"):
            remaining = remaining[2:].removeprefix("/")
            written.append("(?:.*/)?" if remaining else ".*")
        elif remaining[0] == "[":
            match = re.match(r"\[\^?(?:\\.|[^\]\\])+\]", remaining)
            if not match:
                raise ValueError("a bracket without an end")
            written.append(match[0].replace("[[", r"[\["))
            remaining = remaining[match.end() :]
        elif remaining[0] == "\\":
            if len(remaining) == 1:
                raise ValueError("nothing after the backslash")
            written.append(re.escape(remaining[1]))
            remaining = remaining[2:]
        else:
            written.append({"*": "[^/]*", "?": "[^/]"}.get(remaining[0], re.escape(remaining[0])))
            remaining = remaining[1:]
    return "".join(written)
