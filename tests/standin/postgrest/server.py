"""PostgREST as an application: from a request to a statement, from its rows to an answer."""

from collections.abc import Sequence
from dataclasses import replace

from psycopg.sql import SQL, Composed

from standin.http import JSON, Answer, Request, json_answer
from standin.postgrest import changes, missing, statements
from standin.postgrest.config import Config
from standin.postgrest.errors import RestError
from standin.postgrest.pool import Listener, Pool
from standin.postgrest.preferences import parse as parse_preferences
from standin.postgrest.query import Query
from standin.postgrest.query import parse as parse_query
from standin.postgrest.ranges import content_range, limited, status_of
from standin.postgrest.resolution import Body, choose, read_body
from standin.postgrest.schema_cache import Function, SchemaCache, Table
from standin.postgrest.statements import Statement
from standin.postgrest.tokens import Identity, identify
from standin.postgrest.transaction import Context, Rows, planned, run

_OBJECT = "application/vnd.pgrst.object+json"
_MEDIA = ("application/json", "text/csv", _OBJECT, f"{_OBJECT};nulls=stripped")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_EXPOSED = (
    "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server,"
    " Transfer-Encoding, Range-Unit"
)


class PostgREST:
    """A stand-in for PostgREST 12 or 14, as far as the recorded transcripts show it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.repeated: list[str] = []
        """Where 40001 was raised: the real ones repeat that for ever, so nobody would get this answer."""
        self._pool = Pool(config)
        self._listener = Listener(config)

    @property
    def server_name(self) -> str:
        """What it calls itself in the header `Server`."""
        return "postgrest/12.2.12" if self.config.version < 14 else "postgrest/14.17"

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        if request.method == "OPTIONS" and request.header("access-control-request-method"):
            return _preflight(request)
        try:
            answer = self._answer(request)
        except RestError as error:
            if error.code == "40001":
                self.repeated.append(request.path)
            answer = error.answer(self.config.version)
        if request.header("origin"):
            answer = answer.adding(("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", _EXPOSED))
        if self.config.server_trace_header:
            name = self.config.server_trace_header
            answer = answer.adding((name, request.header(name) or ""))
        return answer

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()
        self._listener.close()

    def _answer(self, request: Request) -> Answer:
        identity = identify(request.header("authorization"), self.config)
        cache = self._listener.cache()
        if request.method not in _METHODS:
            raise RestError("PGRST117", f"Unsupported HTTP method: {request.method}")
        schema = self._schema(request)
        match request.path.strip("/").split("/"):
            case ["rpc", name]:
                return self._call(request, identity, cache, schema, name)
            case [name] if name:
                return self._table(request, identity, cache, schema, name)
            case _:
                return missing.path(self.config.version)

    def _schema(self, request: Request) -> str:
        reading = request.method in {"GET", "HEAD"}
        asked = request.header("accept-profile" if reading else "content-profile")
        if asked is None:
            return self.config.db_schemas[0]
        if asked not in self.config.db_schemas:
            raise missing.schema(asked, self.config)
        return asked

    # Functions

    def _call(self, request: Request, identity: Identity, cache: SchemaCache, schema: str, name: str) -> Answer:
        if request.method in {"PUT", "PATCH", "DELETE"}:
            raise RestError("PGRST101", f"Cannot use the {request.method} method on RPC")
        preferences = parse_preferences(request.header("prefer"), self.config, cache.time_zones)
        query = parse_query(request.query, function_call=request.method != "POST")
        body = read_body(request, query, preferences)
        function, body = choose(cache, schema, name, body, self.config.version)
        media = self._media(request)
        query = limited(query, request, self.config.db_max_rows)
        wanted = media.startswith(_OBJECT) and function.returns_rows and function.returns_set
        one = wanted or not function.returns_set
        statement = Statement(
            statements.of_call(query),
            statements.body(media, scalar=not function.returns_rows, single=one),
            statements.counted_of_call(query) if preferences.get("count") == "exact" else None,
            _called(function, body),
        )
        context = Context(
            identity,
            request,
            schema,
            request.method != "POST" or function.read_only,
            {**cache.role_settings.get(identity.role, {}), **function.settings},
            preferences,
        )
        rows = run(statement, context, self._pool, self.config, single=wanted)
        headers = (
            ("Content-Range", content_range(rows, query.offset)),
            *preferences.applied("count", "params", "tx", "timezone"),
        )
        if function.returns_void:
            return Answer(rows.status or 204, (*headers, *rows.headers))
        return _answer(rows, status_of(rows, query.offset), media, headers)

    # Tables

    def _table(self, request: Request, identity: Identity, cache: SchemaCache, schema: str, name: str) -> Answer:
        table = cache.tables.get((schema, name))
        if table is None:
            raise missing.table(cache, schema, name, self.config.version)
        if request.method == "OPTIONS":
            allowed = "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"
            return Answer(200, (("Access-Control-Allow-Origin", "*"), ("Allow", allowed)))
        preferences = parse_preferences(request.header("prefer"), self.config, cache.time_zones)
        query = parse_query(request.query)
        if query.embeds:
            raise missing.relationship(table, query.embeds[0])
        context = Context(
            identity,
            request,
            schema,
            request.method in {"GET", "HEAD"},
            cache.role_settings.get(identity.role, {}),
            preferences,
        )
        if context.read_only:
            return self._read(table, query, context)
        return self._change(table, query, context)

    def _read(self, table: Table, query: Query, context: Context) -> Answer:
        request, preferences = context.request, context.preferences
        media = self._media(request)
        whole = query
        query = limited(query, request, self.config.db_max_rows)
        single = media.startswith(_OBJECT)
        statement = Statement(statements.read(table, query), statements.body(media, scalar=False, single=single))
        counting = preferences.get("count")
        if counting == "exact":
            statement = replace(statement, total=statements.counted(table, query))
        elif counting is not None:
            expected = planned(statements.read(table, replace(whole, limit=None, offset=0)), context, self._pool)
            statement = replace(statement, total=SQL("{}::bigint").format(expected))
        rows = run(statement, context, self._pool, self.config, single=single)
        location = f"/{table.name}?{query.canonical}" if query.canonical else f"/{table.name}"
        headers = (
            ("Content-Range", content_range(rows, query.offset)),
            ("Content-Location", location),
            *preferences.applied("count", "tx", "timezone"),
        )
        status = status_of(rows, query.offset)
        if status == 416:
            details = f"An offset of {query.offset} was requested, but there are only {rows.total} rows."
            # Found out after the query, so it comes without the header that errors have since version 14.
            body = RestError("PGRST103", "Requested range not satisfiable", details).body
            return json_answer(status, body, *headers)
        return _answer(rows, status, media, headers)

    def _change(self, table: Table, query: Query, context: Context) -> Answer:
        return changes.change(table, query, context, self._pool, self.config, self._media(context.request))

    def _media(self, request: Request) -> str:
        asked = [part.strip() for part in (request.header("accept") or "*/*").split(",")]
        for media in asked:
            kind = media.partition(";")[0] if "nulls=stripped" not in media else media
            if kind in ("*/*", "application/*"):
                return "application/json"
            if kind in _MEDIA:
                return kind
        shown = ", ".join(asked)
        raise RestError("PGRST107", f"None of these media types are available: {shown}")


def _called(function: Function, body: Body) -> Composed:
    if body.unnamed is not None:
        return statements.call_unnamed(function, body.unnamed)
    return statements.call(function, body.names, body.document)


def _answer(rows: Rows, status: int, media: str, headers: Sequence[tuple[str, str]]) -> Answer:
    content_type = JSON if media == "application/json" else f"{media}; charset=utf-8"
    given = (*headers, ("Content-Type", content_type), *rows.headers)
    return Answer(rows.status or status, given, rows.body.encode())


def _preflight(request: Request) -> Answer:
    asked = request.header("access-control-request-headers") or ""
    return Answer(
        200,
        (
            ("Access-Control-Allow-Origin", "*"),
            ("Access-Control-Allow-Methods", "GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD"),
            ("Access-Control-Allow-Headers", f"Authorization, {asked}, Accept, Accept-Language, Content-Language"),
            ("Access-Control-Max-Age", "86400"),
        ),
    )
