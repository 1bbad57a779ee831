"""Where a page of the list of users ended, as opaque text."""

import base64
import binascii
import json
from dataclasses import dataclass
from uuid import UUID

from tickctl.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last user of a page; lists are ordered by e-mail and id."""

    email: str | None
    user_id: str

    def to_text(self) -> str:
        """Return the cursor as characters that need no quoting in a shell or a URL."""
        return base64.urlsafe_b64encode(json.dumps([self.email, self.user_id]).encode()).decode().rstrip("=")

    @classmethod
    def from_text(cls, text: str) -> "Cursor":
        """Read a cursor that `to_text` made; anything else raises `InvalidInputError`."""
        try:
            value = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
            email, user_id = value
            if (email is None or isinstance(email, str)) and isinstance(user_id, str):
                return cls(email, str(UUID(user_id)))
        except (binascii.Error, TypeError, ValueError, RecursionError):
            pass
        raise InvalidInputError("the cursor is not one that a list gave", hint="start again without a cursor")
