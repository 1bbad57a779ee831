"""Every way in which PostgREST says no: its own codes, and PostgreSQL's SQLSTATEs, each with its HTTP status.

Held to the recorded transcripts; the rules are described in PostgREST's documentation under "Errors".
"""

import json
from dataclasses import dataclass
from typing import Any

from standin.http import JSON, Answer, json_answer
from standin.postgrest.config import Version

# PostgREST's own codes.
STATUS_BY_CODE = {
    "PGRST000": 503,
    "PGRST001": 503,
    "PGRST002": 503,
    "PGRST003": 504,
    "PGRST100": 400,
    "PGRST101": 405,
    "PGRST102": 400,
    "PGRST103": 416,
    "PGRST106": 406,
    "PGRST107": 406,
    "PGRST112": 500,
    "PGRST116": 406,
    "PGRST117": 405,
    "PGRST121": 500,
    "PGRST122": 400,
    "PGRST124": 400,
    "PGRST125": 404,
    "PGRST200": 400,
    "PGRST202": 404,
    "PGRST203": 300,
    "PGRST204": 400,
    "PGRST205": 404,
    "PGRST300": 500,
    "PGRST301": 401,
    "PGRST302": 401,
    "PGRST303": 401,
}

# SQLSTATEs, by the whole code or else by the class in its first two characters; 400 where neither is listed.
STATUS_BY_SQLSTATE = {
    "08": 503,
    "09": 500,
    "0L": 403,
    "0P": 403,
    "21": 500,
    "23503": 409,
    "23505": 409,
    "25": 500,
    "25006": 405,
    "28": 403,
    "2D": 500,
    "38": 500,
    "39": 500,
    "3B": 500,
    "40": 500,
    "42883": 404,
    "42P01": 404,
    "42P17": 500,
    "53": 503,
    "53400": 500,
    "54": 500,
    "55": 500,
    "57": 500,
    "57P01": 503,
    "58": 500,
    "F0": 500,
    "HV": 500,
    "P0": 500,
    "P0001": 400,
    "XX": 500,
}

_SHORTEST_STATUS, _LONGEST_STATUS = 100, 999


@dataclass
class RestError(Exception):
    """A refusal on its way to the client."""

    code: str
    message: str
    details: str | None = None
    hint: str | None = None
    status: int | None = None
    reason: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    challenge: str | None = None
    """What `WWW-Authenticate` says beyond the scheme."""

    @property
    def body(self) -> dict[str, str | None]:
        """The JSON document."""
        return {"code": self.code, "details": self.details, "hint": self.hint, "message": self.message}

    def answer(self, version: Version) -> Answer:
        """Return the answer as a version of PostgREST words it."""
        status = self.status or STATUS_BY_CODE.get(self.code, 400)
        headers = [*self.headers]
        if version >= 14:
            headers.append(("Proxy-Status", f"PostgREST; error={self.code}"))
        if status == 503:
            headers.append(("Retry-After", "0"))
        if status == 401:
            headers.append(("WWW-Authenticate", f"Bearer {self.challenge}" if self.challenge else "Bearer"))
        if status == 204:
            return Answer(status, (*headers, ("Content-Type", JSON)), reason=self.reason)
        return json_answer(status, self.body, *headers, reason=self.reason)


def from_sqlstate(
    code: str, message: str, details: str | None, hint: str | None, *, anonymous: bool, version: Version
) -> RestError:
    """Return what becomes of an error that PostgreSQL raised.

    Args:
        code: the SQLSTATE.
        message: the primary message.
        details: the detail, if there is one.
        hint: the hint, if there is one.
        anonymous: whether the request ran as the anonymous role, which may still identify itself: 401, not 403.
        version: of PostgREST.
    """
    if code == "PGRST":
        return _custom(message, details)
    error = RestError(code, message, details, hint)
    if code.startswith("PT") and len(code) == 5:
        digits = code[2:]
        status = int(digits) if digits.isascii() and digits.isdigit() else 500
        return RestError(code, message, details, hint, status, reason=message if digits.isdigit() else None)
    if code == "42501":
        error.status = 401 if anonymous else 403
    elif code == "22023" and version >= 14 and message.startswith('role "'):
        error.status = 401
    else:
        error.status = STATUS_BY_SQLSTATE.get(code, STATUS_BY_SQLSTATE.get(code[:2], 400))
    return error


def _custom(message: str, details: str | None) -> RestError:
    """Read the two JSON documents of `raise sqlstate 'PGRST'`."""
    wrong = "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error"
    body = _object(message)
    if not {"code", "message"} <= body.keys():
        keys = "obligatory keys: 'code', 'message' and optional keys: 'details', 'hint'."
        hint = f"MESSAGE must be a JSON object with {keys}"
        return RestError("PGRST121", wrong, f"Invalid JSON value for MESSAGE: '{message}'", hint)
    hint = "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'."
    if details is None:
        return RestError("PGRST121", wrong, "DETAIL is missing in the RAISE statement", hint)
    head = _object(details)
    if not {"status", "headers"} <= head.keys():
        return RestError("PGRST121", wrong, f"Invalid JSON value for DETAIL: '{details}'", hint)
    return RestError(
        body["code"],
        body["message"],
        body.get("details"),
        body.get("hint"),
        head["status"],
        head.get("status_text"),
        tuple(head["headers"].items()),
    )


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
