"""What an OpenAPI document says about the gate: the header that it reads, and its answers.

The header is no parameter of the dependency, where FastAPI would read it for each request, to no purpose.
"""

from collections.abc import Iterator, Mapping
from http import HTTPMethod
from types import MappingProxyType
from typing import Any, Final

from tickctl.gateway.problem import MEDIA_TYPE, TITLES
from tickctl.gateway.refusals import DECISIONS, VERDICTS

_NAMES: Final = ("Problem", "GateProblem")
_METHODS: Final = tuple(method.value.lower() for method in HTTPMethod)
_MARK: Final = "RFC 9457 problem details: why the request was not carried out."

_MEANINGS: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "Several Authorization or Idempotency-Key headers, an unusable key, or a body of another length than said",
        401: "No access token, or none that counts any more: sign in again",
        403: "The user may not do this",
        408: "The body did not come in time",
        409: "The Idempotency-Key was used before",
        413: "The body is too long",
        415: "The body is not application/json, or is compressed",
        422: "The body is not a JSON object with a whole number of ticks",
        429: "Not enough ticks are left for today, or too many requests of the user wait already",
        503: "It can't be told at the moment whether the request may go on; nothing was carried out",
    }
)
"""Every status that the gate answers with."""
_OF_BODY: Final = frozenset({408, 413, 415, 422})
"""Those that a request without a body doesn't get."""

_QUOTA_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "RateLimit-Policy": 'The ticks of a day, such as `"daily-ticks";q=32;w=86400`; not sent to unlimited users.',
        "RateLimit": "The ticks that are left, and the seconds until there are new ones, such as"
        ' `"daily-ticks";r=27;t=73260`; not sent to unlimited users.',
    }
)
_RETRY_AFTER: Final[Mapping[str, str]] = MappingProxyType(
    {"Retry-After": "Seconds to wait; not sent where waiting does not help."}
)
_HEADERS: Final[Mapping[int, Mapping[str, str]]] = MappingProxyType(
    {
        401: {"WWW-Authenticate": "`Bearer`, with an `error` where credentials were sent (RFC 6750)."},
        429: {**_QUOTA_HEADERS, **_RETRY_AFTER},
        503: _RETRY_AFTER,
    }
)

_IDEMPOTENCY_KEY: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": "A string in double quotes, new for each task: a request that is sent again with the same key is"
        " neither charged nor carried out again.",
    }
)


def describe(schema: dict[str, Any], scheme: str) -> None:
    """Add header and answers to the operations that want a security scheme, beside what they say themselves.

    What an operation says already stays, so a document may be described again.

    Args:
        schema: an OpenAPI 3 document; it is changed.
        scheme: the name of the security scheme.
    """
    guarded = [operation for operation in _operations(schema) if _wants(operation, scheme)]
    if not guarded:
        return
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    # The application may have a model of its own by that name.
    name = next(name for name in _NAMES if schemas.setdefault(name, _problem()).get("description") == _MARK)
    for operation in guarded:
        _add_key(operation)
        responses = operation.setdefault("responses", {})
        for status, response in responses.items():
            if status.startswith("2"):
                _add_headers(response, _QUOTA_HEADERS)
        for status, meaning in _MEANINGS.items():
            if status in _OF_BODY and "requestBody" not in operation:
                continue
            response = responses.setdefault(str(status), {"description": _with_codes(status, meaning)})
            if "$ref" not in response:
                content = response.setdefault("content", {})
                content.setdefault(MEDIA_TYPE, {"schema": {"$ref": f"#/components/schemas/{name}"}})
                _add_headers(response, _HEADERS.get(status, {}))


def _operations(schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path in schema.get("paths", {}).values():
        yield from (path[method] for method in _METHODS if method in path)


def _wants(operation: Mapping[str, Any], scheme: str) -> bool:
    return any(scheme in alternative for alternative in operation.get("security", ()))


def _add_key(operation: dict[str, Any]) -> None:
    parameters = operation.setdefault("parameters", [])
    if not any(parameter.get("name", "").lower() == _IDEMPOTENCY_KEY["name"].lower() for parameter in parameters):
        parameters.append(dict(_IDEMPOTENCY_KEY))


def _add_headers(response: dict[str, Any], headers: Mapping[str, str]) -> None:
    if "$ref" in response or not headers:
        return
    described = response.setdefault("headers", {})
    for name, meaning in headers.items():
        described.setdefault(name, {"description": meaning, "schema": {"type": "string"}})


def _with_codes(status: int, meaning: str) -> str:
    codes = {reason.value for reason, answer in VERDICTS.items() if answer == status}
    codes |= {refusal[1] for refusal in DECISIONS.values() if refusal is not None and refusal[0] == status}
    return f"{meaning}: {', '.join(f'`{code}`' for code in sorted(codes))}" if codes else meaning


def _problem() -> dict[str, Any]:
    """Return the JSON schema of `Problem.body`."""
    integer, nullable = {"type": "integer"}, {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    return {
        "title": "Problem",
        "description": _MARK,
        "type": "object",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer", "enum": sorted(TITLES)},
            "detail": {"type": "string", "description": "For developers; it may change."},
            "code": {"type": "string", "description": "What programs may branch on; one for each cause."},
            "violated-policies": {"type": "array", "items": {"type": "string"}, "description": "With 429."},
            "daily_tick_limit": {**nullable, "description": "With 429: ticks a day."},
            "ticks_granted": {**integer, "description": "With 429: ticks granted for today on top of that."},
            "ticks_used": {**integer, "description": "With 429: ticks used today."},
            "ticks_remaining": {**nullable, "description": "With 429: ticks left today."},
            "resets_at": {"type": "string", "format": "date-time", "description": "With 429: when the day ends."},
        },
    }
