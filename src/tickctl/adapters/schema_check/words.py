"""The words that the check's queries use, as `tickctl/sql/check/words.sql` explains them."""

import json
import re
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from typing import Final

from psycopg import sql

from tickctl.adapters.schema_check.expected import functions, indexes, installed_files

# Each explanation ends with the first bracket at the beginning of a line.
_EXPLANATION: Final = re.compile(r"^(\w+) as \(\n.*?^\)", re.MULTILINE | re.DOTALL)


def words() -> Mapping[str, str]:
    """Return what explains each word, with this version's facts in it; it uses no later word than itself."""
    text = _file("words")
    for place, fact in {":functions": functions(), ":files": installed_files(), ":indexes": indexes()}.items():
        text = text.replace(place, sql.Literal(json.dumps(fact)).as_string())
    return {found[1]: found[0] for found in _EXPLANATION.finditer(text)}


def query(name: str, explained: Mapping[str, str]) -> str:
    """Return the query of an assertion after the words that it uses; PostgreSQL would take the time to read all.

    Args:
        name: of the assertion.
        explained: what `words` returned.
    """
    return explain(f"({_file(name)})".replace(":version", sql.Literal(version("tickctl")).as_string()), explained)


def explain(text: str, explained: Mapping[str, str]) -> str:
    """Return a text after the words that it uses."""
    used: list[str] = []
    for word, explanation in reversed(list(explained.items())):
        if re.search(rf"\b{word}\b", "".join((text, *used))):
            used.insert(0, explanation)
    return f"with recursive {', '.join(used)} {text}" if used else text


def mentions(name: str, *these: str) -> bool:
    """Whether the query of an assertion uses one of these words itself."""
    return re.search(rf"\b({'|'.join(these)})\b", _file(name)) is not None


def _file(name: str) -> str:
    return (files("tickctl.sql") / "check" / f"{name}.sql").read_text(encoding="utf-8")
