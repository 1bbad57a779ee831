"""Finds the docker builds that would be sent an env file.

A folder with a Dockerfile is a build's context, unless a Compose file says that this Dockerfile is built from another
folder. Only `build:` is read of Compose files, by its lines: what is behind variables or YAML's anchors isn't seen.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tickctl.core.secrets.checks import BuildContext
from tickctl.core.secrets.checks.places import excludes
from tickctl.files import read_regular

IGNORE_FILE: Final = ".dockerignore"
_DOCKERFILES: Final = ("Dockerfile", "Dockerfile.*", "*.Dockerfile", "Containerfile", "Containerfile.*")
_COMPOSE_FILES: Final = ("compose*.yaml", "compose*.yml", "docker-compose*.yaml", "docker-compose*.yml")
_LARGEST: Final = 1024 * 1024
_KEY: Final = re.compile(r"""(?P<indent>\s*)(?:-\s+)?(?P<key>build|context|dockerfile):(?P<value>.*)""")
_INLINE: Final = re.compile(r"""\b(context|dockerfile):\s*(?P<quote>["']?)([^"'{},]+)(?P=quote)""")


def build_contexts(path: Path, *, top: Path | None = None) -> tuple[BuildContext, ...]:
    """Return the builds whose context a file lies in, the nearest first.

    Args:
        path: of the file.
        top: the topmost folder to look for Dockerfiles and Compose files in, such as the root of the working tree;
            the file's own folder if none is given, or if the file isn't below it.
    """
    path = path.resolve()
    folders = [path.parent, *path.parent.parents]
    top = top.resolve() if top else path.parent
    folders = folders[: folders.index(top) + 1] if top in folders else folders[:1]
    return tuple(
        _context(context, dockerfile, path) for context, dockerfile in _builds(folders) if path.is_relative_to(context)
    )


def _builds(folders: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Return contexts and Dockerfiles, each pair once."""
    composed = [build for folder in folders for file in _files(folder, _COMPOSE_FILES) for build in _said(file)]
    dockerfiles = {dockerfile for _, dockerfile in composed}
    lying = [(folder, file) for folder in folders for file in _files(folder, _DOCKERFILES) if file not in dockerfiles]
    return list(dict.fromkeys([*lying, *composed]))


def _files(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    files = {file for name in names for file in folder.glob(name) if file.is_file()}
    yield from sorted(file for file in files if not file.name.endswith(IGNORE_FILE))


def _said(compose_file: Path) -> Iterator[tuple[Path, Path]]:
    """Yield context and Dockerfile of each `build:` in a Compose file."""
    block: dict[str, str] | None = None
    depth = 0
    for line in [*(_text(compose_file) or "").splitlines(), "end:"]:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _KEY.match(line)
        if block is not None and len(line) - len(line.lstrip()) <= depth:
            yield from _resolved(compose_file.parent, block)
            block = None
        if not match:
            continue
        value = _plain(match["value"])
        if match["key"] == "build":
            inline = {name: text.strip() for name, _, text in _INLINE.findall(value)}
            block = inline if value.startswith("{") else {"context": value} if value else {}
            depth = len(match["indent"])
        elif block is not None:
            block[match["key"]] = value


def _resolved(folder: Path, block: dict[str, str]) -> Iterator[tuple[Path, Path]]:
    context, dockerfile = block.get("context", "."), block.get("dockerfile", "Dockerfile")
    if "$" in context + dockerfile or "://" in context or context.startswith(("git@", "*", "&")):
        return
    root = Path(os.path.normpath(folder / context))
    yield root, Path(os.path.normpath(root / dockerfile))


def _plain(value: str) -> str:
    """Return a YAML scalar without its comment and quotes."""
    value = re.sub(r"(?:^|\s)#.*", "", value).strip()
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def _context(folder: Path, dockerfile: Path, path: Path) -> BuildContext:
    own = dockerfile.with_name(dockerfile.name + IGNORE_FILE)  # goes before that of the context
    ignore_file = own if own.is_file() else folder / IGNORE_FILE
    excluded: bool | None = False
    if ignore_file.is_file():
        text = _text(ignore_file)
        excluded = None if text is None else excludes(text, path.relative_to(folder).as_posix())
    return BuildContext(folder=_shown(folder), ignore_file=_shown(ignore_file), excluded=excluded)


def _text(path: Path) -> str | None:
    try:
        return read_regular(path, _LARGEST).content.decode(errors="replace")
    except OSError:
        return None


def _shown(path: Path) -> str:
    """Return a path as short as it can be said from here."""
    return min(str(path), os.path.relpath(path), key=len)
