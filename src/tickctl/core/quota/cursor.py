"""Where a page of the list of users ended, as opaque text."""

import base64
import binascii
import json
from dataclasses import dataclass
from uuid import UUID

from tickctl.core.json import JsonObject
from tickctl.core.quota.rows import Row
from tickctl.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last user of a page. Lists are ordered by `key`, the e-mail in lower case or nothing, and id."""

    key: str
    user_id: str

    @classmethod
    def of_row(cls, fields: JsonObject) -> "Cursor":
        """Return the place of a `tick.user_overview`; rubbish raises `UnreachableError`."""
        row = Row(fields)
        return cls(row.text("list_key"), row.text("user_id"))

    def to_text(self) -> str:
        """Return the cursor as characters that need no quoting in a shell or a URL."""
        return base64.urlsafe_b64encode(json.dumps([self.key, self.user_id]).encode()).decode().rstrip("=")

    @classmethod
    def from_text(cls, text: str) -> "Cursor":
        """Read a cursor that `to_text` made; anything else raises `InvalidInputError`."""
        try:
            value = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
            key, user_id = value
            if isinstance(key, str) and isinstance(user_id, str):
                return cls(key, str(UUID(user_id)))
        except (binascii.Error, TypeError, ValueError, RecursionError):
            pass
        raise InvalidInputError("the cursor is not one that a list gave", hint="start again without a cursor")
