"""Passwords as they lie in auth.users: hashed, with a salt. Cheap on purpose, since these protect nothing."""

import base64
import hashlib
import hmac
import secrets


def hashed(password: str) -> str:
    """Return what is stored of a password."""
    salt = secrets.token_bytes(8)
    return f"standin-scrypt${_text(salt)}${_text(_derived(password, salt))}"


def fits(password: str, stored: str | None) -> bool:
    """Whether the password is the one that was stored."""
    kind, salt, digest = [*(stored or "").split("$"), "", ""][:3]
    if kind != "standin-scrypt":
        return False
    return hmac.compare_digest(digest, _text(_derived(password, base64.b64decode(salt))))


def _derived(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=16, r=1, p=1, dklen=24)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
