"""Problem details: what a refused request is answered with (RFC 9457)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from tickctl.core.json import JsonObject

MEDIA_TYPE: Final = "application/problem+json"
QUOTA_EXCEEDED: Final = "https://iana.org/assignments/http-problem-types#quota-exceeded"
"""draft-ietf-httpapi-ratelimit-headers-11, section 5."""
_QUOTA_TITLE: Final = "Quota Exceeded"
"""It goes with the type: the draft asks IANA to register both."""
POLICIES: Final = "violated-policies"
"""The member that problems of this type have."""

# Phrases of RFC 9110 section 15 and RFC 6585, as RFC 9457 section 4.2.1 wants them; Python's own differ between its
# versions.
TITLES: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "Bad Request",
        401: "Unauthorized",
        403: "Forbidden",
        408: "Request Timeout",
        409: "Conflict",
        413: "Content Too Large",
        415: "Unsupported Media Type",
        422: "Unprocessable Content",
        429: "Too Many Requests",
        503: "Service Unavailable",
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request is refused, in the words of HTTP; nothing in it is secret or internal.

    Attributes:
        status: of the answer; one of `TITLES`.
        code: what clients may branch on; one for each cause, the member `code` of the body.
        detail: a sentence for the client's developer.
        headers: fields of the answer beyond its content type.
        members: further members of the body, besides the standard ones.
    """

    status: int
    code: str
    detail: str
    headers: tuple[tuple[str, str], ...] = ()
    members: JsonObject = field(default_factory=dict)

    def fields(self, body: bytes) -> dict[str, str]:
        """Return the header fields of the answer with this body."""
        own = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), "Cache-Control": "no-store"}
        return {**own, **dict(self.headers)}

    def body(self) -> bytes:
        """Return the document, in UTF-8."""
        is_quota = POLICIES in self.members
        standard = {
            "type": QUOTA_EXCEEDED if is_quota else "about:blank",
            "title": _QUOTA_TITLE if is_quota else TITLES[self.status],
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        further = {name: value for name, value in self.members.items() if name not in standard}
        return json.dumps({**standard, **further}, separators=(",", ":")).encode()


class RefusedError(Exception):
    """A step of the gate refuses the request; the message is the problem's code."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem
