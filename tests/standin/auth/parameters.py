"""What clients send to Auth, and what it makes of it."""

import json
import uuid
from typing import Any

from standin.auth.errors import AuthError
from standin.http import Request

SHORTEST_PASSWORD = 6


def parameters(request: Request) -> dict[str, Any]:
    """Return the JSON object of a body; an empty one gives an empty object.

    Raises:
        AuthError: 400 bad_json.
    """
    try:
        given = json.loads(request.body or b"{}")
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise AuthError(400, "bad_json", "Could not parse request body as JSON")
    return given


def email(given: dict[str, Any]) -> str:
    """Return the address as Auth stores it, in lower case.

    Raises:
        AuthError: 400 validation_failed.
    """
    address = str(given.get("email") or "").strip().lower()
    if address.count("@") != 1 or address.startswith("@") or address.endswith("@"):
        raise AuthError(400, "validation_failed", "Unable to validate email address: invalid format")
    return address


def password(given: dict[str, Any]) -> str:
    """Return a new password that is long enough.

    Raises:
        AuthError: 422 weak_password.
    """
    chosen = str(given.get("password") or "")
    if len(chosen) < SHORTEST_PASSWORD:
        message = f"Password should be at least {SHORTEST_PASSWORD} characters."
        raise AuthError(422, "weak_password", message, {"weak_password": {"reasons": ["length"]}})
    return chosen


def user_id(text: str) -> str:
    """Return a user's id out of a path.

    Raises:
        AuthError: 404 validation_failed.
    """
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise AuthError(404, "validation_failed", "user_id must be an UUID") from None
