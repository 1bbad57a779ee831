"""Which function is meant: by its name and the names of the arguments, never by their types."""

import json
from dataclasses import dataclass
from urllib.parse import parse_qsl

from standin.http import Request
from standin.postgrest import missing
from standin.postgrest.config import Version
from standin.postgrest.errors import RestError
from standin.postgrest.preferences import Preferences
from standin.postgrest.query import Query
from standin.postgrest.schema_cache import Function, SchemaCache

_JSON_TYPES = ("json", "jsonb")
_BY_MEDIA = {"text/plain": ("text",), "application/octet-stream": ("bytea",)}


@dataclass(frozen=True, slots=True)
class Body:
    """A call's arguments: a JSON object's text and its names; or what a parameter without a name would take."""

    document: str
    names: tuple[str, ...]
    whole: str | None = None
    """The body for a parameter without a name, where the method and the type of the body allow one."""
    unnamed_types: tuple[str, ...] = ()
    named_too: bool = True
    """Whether named arguments may be meant at all."""
    unnamed: str | None = None
    """Set by `choose` to `whole` where the function takes it."""


def read_body(request: Request, query: Query, preferences: Preferences) -> Body:
    """Read a call's arguments.

    Raises:
        RestError: PGRST102.
    """
    if request.method != "POST":
        return Body(json.dumps(query.parameters), tuple(query.parameters))
    media = (request.header("content-type") or "application/json").partition(";")[0].strip()
    text = request.body.decode(errors="replace")
    if media in _BY_MEDIA:
        return Body("{}", (), text, _BY_MEDIA[media], named_too=False)
    if media == "application/x-www-form-urlencoded":
        given = dict(parse_qsl(text))
        return Body(json.dumps(given), tuple(given))
    if media != "application/json":
        raise RestError("PGRST102", f"Content-Type not acceptable: {media}")
    if not text:
        return Body("{}", (), "{}", _JSON_TYPES)
    value = parse_json(text)
    if preferences.get("params") == "single-object":
        return Body(text, (), text, _JSON_TYPES, named_too=False)
    named = value[0] if isinstance(value, list) and value else value
    document = text if named is value else json.dumps(named)
    names = tuple(sorted(named)) if isinstance(named, dict) else ()
    return Body(document if isinstance(named, dict) else "{}", names, text, _JSON_TYPES)


def parse_json(text: str) -> object:
    """Parse a body.

    Raises:
        RestError: PGRST102.
    """
    try:
        return json.loads(text)
    except ValueError:
        raise RestError("PGRST102", "Empty or invalid json") from None


def choose(cache: SchemaCache, schema: str, name: str, body: Body, version: Version) -> tuple[Function, Body]:
    """Return the one function that fits, and the arguments as it takes them.

    Raises:
        RestError: PGRST202 for none, PGRST203 for several.
    """
    known = cache.named(schema, name)
    fitting = [one for one in known if body.named_too and _takes(one, body.names)]
    if len(fitting) > 1:
        candidates = ", ".join(one.signature for one in fitting)
        raise RestError(
            "PGRST203",
            f"Could not choose the best candidate function between: {candidates}",
            hint="Try renaming the parameters or the function itself in the database so function overloading can be"
            " resolved",
        )
    if fitting:
        return fitting[0], body
    for one in known:
        alone = [parameter for parameter in one.parameters if not parameter.name]
        if body.whole is not None and len(alone) == len(one.parameters) == 1 and alone[0].type in body.unnamed_types:
            return one, Body(body.document, body.names, unnamed=body.whole)
    searched = ""
    if body.unnamed_types:
        single = f"a single unnamed {'/'.join(body.unnamed_types)} parameter"
        searched = f" or with {single}" if body.named_too else f" with {single}"
    raise missing.function(cache, schema, name, list(body.names), searched, version)


def _takes(function: Function, names: tuple[str, ...]) -> bool:
    parameters = {parameter.name for parameter in function.parameters}
    required = {parameter.name for parameter in function.parameters if parameter.required}
    return required <= set(names) <= parameters and "" not in parameters
