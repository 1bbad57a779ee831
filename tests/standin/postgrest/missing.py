"""What is told of things that are not in the schema cache, in the words of each version."""

import difflib

from standin.http import Answer, json_answer
from standin.postgrest.config import Config, Version
from standin.postgrest.errors import RestError
from standin.postgrest.schema_cache import SchemaCache, Table

_CLOSE = 0.75


def path(version: Version) -> Answer:
    """Return the answer for a path that means nothing."""
    if version < 14:
        return json_answer(404, {})
    return RestError("PGRST125", "Invalid path specified in request URL").answer(version)


def schema(asked: str, config: Config) -> RestError:
    """Return the error for a schema that isn't exposed."""
    exposed = ", ".join(config.db_schemas)
    if config.version < 14:
        return RestError("PGRST106", f"The schema must be one of the following: {exposed}")
    return RestError("PGRST106", f"Invalid schema: {asked}", hint=f"Only the following schemas are exposed: {exposed}")


def table(cache: SchemaCache, in_schema: str, name: str, version: Version) -> RestError:
    """Return the error for an unknown table."""
    if version < 14:
        return RestError("42P01", f'relation "{in_schema}.{name}" does not exist', status=404)
    names = [known for known_schema, known in cache.tables if known_schema == in_schema]
    close = difflib.get_close_matches(name, names, 1, _CLOSE)
    hint = f"Perhaps you meant the table '{in_schema}.{close[0]}'" if close else None
    return RestError("PGRST205", f"Could not find the table '{in_schema}.{name}' in the schema cache", hint=hint)


def relationship(of: Table, other: str) -> RestError:
    """Return the error for rows of other tables embedded in these; the stand-in knows no such thing."""
    return RestError(
        "PGRST200",
        f"Could not find a relationship between '{of.name}' and '{other}' in the schema cache",
        f"Searched for a foreign key relationship between '{of.name}' and '{other}' in the schema '{of.schema}',"
        " but no matches were found.",
    )


def column(of: Table, name: str) -> RestError:
    """Return the error for an unknown column in a body."""
    return RestError("PGRST204", f"Could not find the '{name}' column of '{of.name}' in the schema cache")


def function(
    cache: SchemaCache, in_schema: str, name: str, arguments: list[str], searched: str, version: Version
) -> RestError:
    """Return the error for a function that is unknown, or known with other parameters only.

    `searched` is what was looked for besides the named arguments.
    """
    called = f"{in_schema}.{name}"
    with_arguments = f"({', '.join(arguments)})" if arguments else " without parameters"
    if not searched.startswith(" with a single unnamed"):
        plural = "s" if len(arguments) > 1 else ""
        listed = f" with parameter{plural} {', '.join(arguments)}" if arguments else " without parameters"
    else:
        listed, with_arguments = "", ""
    details = f"Searched for the function {called}{listed}{searched}, but no matches were found in the schema cache."
    message = f"Could not find the function {called}{with_arguments} in the schema cache"
    hint = _other_parameters(cache, in_schema, name) if arguments else None
    if hint is None and version < 14:
        known = {other.name for other in cache.functions if other.schema == in_schema} - {name}
        close = difflib.get_close_matches(name, sorted(known), 1, 0)
        if close and not cache.named(in_schema, name):
            hint = f"Perhaps you meant to call the function {in_schema}.{close[0]}"
    return RestError("PGRST202", message, details, hint)


def _other_parameters(cache: SchemaCache, in_schema: str, name: str) -> str | None:
    for known in cache.named(in_schema, name):
        parameters = ", ".join(parameter.name for parameter in known.parameters)
        return f"Perhaps you meant to call the function {in_schema}.{name}({parameters})"
    return None
