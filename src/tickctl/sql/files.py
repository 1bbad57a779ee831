"""Reads the SQL files of this package, in the order in which they run."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

POLICIES: Final = "policies.sql"
HOOK: Final = "optional/access_token_hook.sql"

SUPERSEDED: Final[Mapping[str, str]] = {
    "5467818aa275669ec1a32bdd7615f0e424fd88b1f20114d4d02478eccae653a5": (
        "0001_tables.sql before it could adopt tables: the same result in an empty database"
    ),
}
"""Digests of migrations whose text was changed after they had run somewhere, and why that is no matter."""

_DEFINITION: Final = re.compile(r"^create or replace function ([a-z_.]+)\(", re.MULTILINE)
_BODY: Final = re.compile(r"\bas (\$\w*\$)(.*?)\1", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SqlFile:
    """One file: `name` is its path below `tickctl/sql`, by which `tick.migration` remembers it."""

    name: str
    text: str

    @property
    def digest(self) -> str:
        """The SHA-256 of the text, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations() -> tuple[SqlFile, ...]:
    """Tables and types: each runs once, in the order of the numbers, and is never edited afterwards."""
    return _folder("migrations")


def adoption() -> tuple[SqlFile, ...]:
    """The planner: functions in `pg_temp` that find out what installing takes, and do it."""
    return _folder("adoption")


def repeatables() -> tuple[SqlFile, ...]:
    """Functions, views and triggers in the order of their numbers, then grants and policies.

    They run again, all of them, when the text of any has changed: a function that is created anew may be
    executed by everybody until the policies have run.
    """
    return (*_folder("functions"), _read(POLICIES))


def access_token_hook() -> SqlFile:
    """The optional function that Supabase Auth asks before it signs a token; it runs again when its text changes."""
    return _read(HOOK)


def function_sources() -> Mapping[str, str]:
    """Return the body of each function by its qualified name, as `pg_proc.prosrc` holds it; the hook's as well.

    A function in the SQL standard's form (`return ...`) has no such text and is left out.
    """
    sources = {}
    for file in (*_folder("functions"), access_token_hook()):
        starts = [*_DEFINITION.finditer(file.text)]
        ends = [*(start.start() for start in starts[1:]), len(file.text)]
        for start, end in zip(starts, ends, strict=True):
            if body := _BODY.search(file.text, start.end(), end):
                sources[start[1]] = body[2]
    return sources


def _folder(folder: str) -> tuple[SqlFile, ...]:
    entries = sorted(entry.name for entry in files(__package__).joinpath(folder).iterdir())
    return tuple(_read(f"{folder}/{name}") for name in entries if name.endswith(".sql"))


def _read(name: str) -> SqlFile:
    return SqlFile(name, files(__package__).joinpath(name).read_text(encoding="utf-8"))
