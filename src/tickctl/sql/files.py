"""Reads the SQL files of this package, in the order in which they run."""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

HOOK: Final = "optional/access_token_hook.sql"
POLICIES: Final = "policies.sql"
_NAME: Final = re.compile(
    r"^-- name: (?P<id>[a-z-]+)\n-- title: (?P<title>.+)\n-- kind: (?P<kind>[a-z]+)\n", re.MULTILINE
)
_WORD: Final = re.compile(r"^(\w+)(?: \([^)]*\))? as \(\n.*?^\)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class SqlFile:
    """One file: `name` is its path below `tickctl/sql`, by which `tick.migration` remembers it."""

    name: str
    text: str

    @property
    def digest(self) -> str:
        """The SHA-256 of the text, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a database must be like, as one query that returns a row for each object that breaks it.

    The columns are: the object; a message; the statement, or the advice, that fixes it, or null; whether the object is
    tickctl's own; what else of the project depends on it, or null.

    Attributes:
        id: a stable name for scripts.
        title: the requirement, as a sentence that is true where it is kept.
        kind: what is done about it; see `tickctl.adapters.schema.steps.Kind`.
        query: with the words that it uses explained in a WITH before it.
    """

    id: str
    title: str
    kind: str
    query: str


def migrations() -> tuple[SqlFile, ...]:
    """Tables and types, in the order of the numbers; every statement can run again."""
    return _folder("migrations")


def repeatables() -> tuple[SqlFile, ...]:
    """Functions, views and triggers in the order of their numbers, then grants and policies.

    They run again, all of them, when the text of any has changed: a function that is created anew may be
    executed by everybody until the policies have run.
    """
    return (*_folder("functions"), _read(POLICIES))


def access_token_hook() -> SqlFile:
    """The optional function that Supabase Auth asks before it signs a token; it runs again when its text changes."""
    return _read(HOOK)


def requirements() -> tuple[Requirement, ...]:
    """All requirements, in the order in which they are looked at and fixed."""
    words = {match[1]: match[0] for match in _WORD.finditer(_read("requirements/words.sql").text)}
    requirements_read = []
    for file in _folder("requirements"):
        if file.name.endswith("words.sql"):
            continue
        starts = [*_NAME.finditer(file.text)]
        ends = [*(start.start() for start in starts[1:]), len(file.text)]
        for start, end in zip(starts, ends, strict=True):
            query = file.text[start.end() : end].strip().removesuffix(";")
            requirements_read.append(Requirement(start["id"], start["title"], start["kind"], with_words(query, words)))
    return tuple(requirements_read)


def record_installed() -> str:
    """The statements that remember each object as it was installed."""
    words = {match[1]: match[0] for match in _WORD.finditer(_read("requirements/words.sql").text)}
    query = with_words(
        "insert into tick.installed (object, digest) select o.object, md5(o.text) from our_object as o"
        " union all select 'PostgreSQL', (current_setting('server_version_num')::integer / 10000)::text",
        words,
    )
    return f"delete from tick.installed; {query}"  # noqa: S608 - our own files


def with_words(query: str, words: dict[str, str]) -> str:
    """Return a query after the words that it uses."""
    used: list[str] = []
    for word, explanation in reversed(list(words.items())):
        if re.search(rf"\b{word}\b", "".join((query, *used))):
            used.insert(0, explanation)
    return f"with recursive {', '.join(used)} {query}" if used else query


def _folder(folder: str) -> tuple[SqlFile, ...]:
    entries = sorted(entry.name for entry in files(__package__).joinpath(folder).iterdir())
    return tuple(_read(f"{folder}/{name}") for name in entries if name.endswith(".sql"))


def _read(name: str) -> SqlFile:
    return SqlFile(name, files(__package__).joinpath(name).read_text(encoding="utf-8"))
