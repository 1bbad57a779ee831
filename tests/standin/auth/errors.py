"""How Supabase Auth says no: a status, a stable code and a sentence; the body's shape depends on the version asked for.

https://supabase.com/docs/guides/auth/debugging/error-codes
"""

from dataclasses import dataclass, field
from typing import Any

from standin.http import Answer, json_answer

VERSION_HEADER = "X-Supabase-Api-Version"
_CODES_SINCE = "2024-01-01"


@dataclass
class AuthError(Exception):
    """A refusal on its way to the client."""

    status: int
    code: str
    message: str
    more: dict[str, Any] = field(default_factory=dict)

    def answer(self, api_version: str | None) -> Answer:
        """Return the answer in the shape of an API version."""
        headers = [("x-sb-error-code", self.code)]
        if api_version is not None and api_version >= _CODES_SINCE:
            headers.append((VERSION_HEADER, _CODES_SINCE))
            return json_answer(self.status, {"code": self.code, "message": self.message, **self.more}, *headers)
        body = {"code": self.status, "error_code": self.code, "msg": self.message, **self.more}
        return json_answer(self.status, body, *headers)
