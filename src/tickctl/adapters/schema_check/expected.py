"""Who may call what: written down once more, apart from the grants in `tickctl/sql`, so that a mistake there shows."""

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from tickctl.core.json import JsonObject
from tickctl.sql import SUPERSEDED, access_token_hook, function_sources, migrations, repeatables

_VIEW: Final = re.compile(
    r"^create (?:or replace )?view (tick\.\w+) with \([^)]*\) as\s(.*?);$", re.MULTILINE | re.DOTALL
)
_INDEX: Final = re.compile(r"^create (?:unique )?index (?:if not exists )?(\w+)\s+on (\w+)\.(\w+)", re.MULTILINE)
_HEADER: Final = re.compile(
    r"^create or replace function (?P<name>[a-z_.]+)\((?P<header>.*?)\bas \$", re.MULTILINE | re.DOTALL
)
HOOK: Final = "tick.access_token_hook"
_USERS: Final = ("authenticated",)
_OPERATORS: Final = ("authenticated", "service_role")
_SECRET_KEY: Final = ("service_role",)


def callers(function: str) -> tuple[str, ...]:
    """Return the roles that may call a function, by its qualified name.

    A signed-in user may be an administrator or the gateway, which only the functions themselves can find out. Who
    makes administrators must have the secret key: a stolen token of one could otherwise make itself permanent.
    """
    schema, _, name = function.partition(".")
    if name in {"consume_ticks", "my_ticks"}:
        return _USERS
    if name == "settle_ticks":
        return _OPERATORS
    name = name.removeprefix("tick_") if schema == "public" else name
    if name in {"admin_add", "admin_remove"}:
        return _SECRET_KEY
    return _OPERATORS if name.startswith("admin_") else ()


def functions() -> list[JsonObject]:
    """Return this version's functions, as `check/words.sql` wants them; digests are the SHA-256 of bodies."""
    texts = [file.text for file in (*repeatables(), access_token_hook())]
    headers = {found["name"]: found["header"] for text in texts for found in _HEADER.finditer(text)}
    return [
        {
            "schema": name.split(".")[0],
            "name": name.split(".")[1],
            "digest": hashlib.sha256(body.encode()).hexdigest(),
            "definer": "security definer" in headers[name],
            "volatility": _volatility(headers[name]),
            "settings": sorted({*re.findall(r"\bset (\w+) =", headers[name])} - {"search_path"}),
            "callers": list(callers(name)),
            "optional": name == HOOK,
        }
        for name, body in function_sources().items()
    ]


def _volatility(header: str) -> str:
    """Return what pg_proc.provolatile says of a function that is declared so."""
    declared = re.search(r"\b(immutable|stable)\b", header)
    return declared[1][0] if declared else "v"


def installed_files() -> list[JsonObject]:
    """Return the files that an up-to-date database has run: name, and the digests of texts that are as good."""
    return [{"name": file.name, "digests": [file.digest, *SUPERSEDED]} for file in (*migrations(), *repeatables())]


def indexes() -> list[JsonObject]:
    """Return the indexes that migrations create by name, with their tables."""
    made = [found for file in migrations() for found in _INDEX.findall(file.text)]
    return [{"schema": schema, "relation": relation, "name": name} for name, schema, relation in made]


def views() -> Mapping[str, str]:
    """Return the query of each of this version's views by its qualified name."""
    return {name: query for file in repeatables() for name, query in _VIEW.findall(file.text)}
