"""The rules for the HS256 secret: what must not be used as one, because others know it or can guess it."""

from base64 import b64decode
from binascii import Error as Base64Error
from typing import Final

from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError

from tickctl.core.secret import Secret
from tickctl.errors import ConfigurationError

# RFC 7518 section 3.2: a key of the size of the hash or larger.
MIN_BYTES: Final = 32

# Every local Supabase set-up that nobody has configured signs with this one.
_PUBLIC_DEMO_SECRET: Final = b"super-secret-jwt-token-with-at-least-32-characters-long"
_SSH_KEY: Final = (b"ssh-", b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-")


def hmac_secret(secret: Secret, *, loopback: bool = False) -> bytes:
    """Return the key for HS256: the raw bytes of the string, as Supabase Auth uses them, never base64-decoded.

    Args:
        secret: the value of `SUPABASE_JWT_SECRET`.
        loopback: whether the project's URL is on this machine, where the public demo secret does no harm.

    Raises:
        ConfigurationError: it is too short, public, or the text of an asymmetric key.
    """
    # An environment variable that is not UTF-8 reaches Python with its bytes escaped; these are the bytes again.
    key = secret.reveal().encode("utf-8", "surrogateescape")
    if key == _PUBLIC_DEMO_SECRET and not loopback:
        raise ConfigurationError(
            "the JWT secret is the public demo secret of local set-ups: anybody can sign tokens with it",
            hint="set the project's own secret in Supabase and in SUPABASE_JWT_SECRET",
        )
    if len(key) < MIN_BYTES:
        raise ConfigurationError(
            f"the JWT secret is too short: {len(key)} bytes, and HS256 needs at least {MIN_BYTES}",
            hint="copy the whole JWT secret from the project's settings",
        )
    if is_key_text(key):
        raise ConfigurationError(
            "the JWT secret is the text of an asymmetric key; used for HS256 it would let its readers sign tokens",
            hint="give public keys as a JWK set, and the HS256 secret alone as SUPABASE_JWT_SECRET",
        )
    return key


def is_key_text(key: bytes) -> bool:
    """Return whether bytes are a key in PEM, DER, JWK or OpenSSH form, or such a form in base64."""
    text = key.strip()
    if b"-----BEGIN" in text or text.startswith(_SSH_KEY):
        return True
    try:
        # A PEM file without its first and last line is base64 of DER.
        decoded = b64decode(text)
    except Base64Error:
        decoded = b""
    return not (_is_plain(text) and _is_plain(decoded or text))


def _is_plain(text: bytes) -> bool:
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(text)
    except InvalidKeyError:
        return False
    return True
