"""Bearer tokens as PostgREST reads them: which claims it takes, and how each version words a refusal."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from standin.postgrest.config import Config
from standin.postgrest.errors import RestError

LEEWAY = 30
"""Seconds that clocks may differ."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a request runs as."""

    role: str
    claims: Mapping[str, Any]
    anonymous: bool
    """Whether the role is the anonymous one, however it came about."""


def identify(authorization: str | None, config: Config) -> Identity:
    """Return the identity that an Authorization header gives.

    Raises:
        RestError: PGRST300, PGRST301, PGRST302, PGRST303.
    """
    token = _bearer(authorization)
    claims: dict[str, Any] = {}
    if token is not None and (token or config.version >= 14):
        claims = _verified(token, config)
    role = _role(claims, config.jwt_role_claim_key)
    if role is None:
        role = config.db_anon_role
    if role is None:
        raise RestError("PGRST302", "Anonymous access is disabled")
    if config.version < 14:
        # The claims as the library of that version understood them: a null audience is none.
        claims = {name: value for name, value in claims.items() if (name, value) != ("aud", None)}
    return Identity(role, {**claims, "role": role}, role == config.db_anon_role)


def _bearer(authorization: str | None) -> str | None:
    """Return the token, "" for an empty one, None where none is meant."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    return token.strip()


def _role(claims: Mapping[str, Any], path: tuple[str, ...]) -> str | None:
    value: Any = claims
    for step in path:
        if not isinstance(value, Mapping) or step not in value:
            return None
        value = value[step]
    return value if isinstance(value, str) else json.dumps(value)


def _verified(token: str, config: Config) -> dict[str, Any]:
    if config.jwt_keys is None:
        raise RestError("PGRST300", "Server lacks JWT secret")
    old = config.version < 14
    if not token:
        raise _refused("PGRST301", "Empty JWT is sent in Authorization header")
    parts = token.split(".")
    if len(parts) != 3:
        got = f"Expected 3 parts; got {len(parts)}"
        raise _refused(
            "PGRST301",
            f"JWSError (CompactDecodeError Invalid number of parts: {got})"
            if old
            else f"Expected 3 parts in JWT; got {len(parts)}",
        )
    header = _header(parts[0], old=old)
    _check_signature(token, header, config)
    payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
    return _claims(payload, config)


def _header(segment: str, *, old: bool) -> Mapping[str, Any]:
    try:
        header = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (binascii.Error, ValueError):
        header = None
    if not isinstance(header, dict):
        raise _refused(
            "PGRST301",
            'JWSError (JSONDecodeError "Not valid base64url")' if old else "JWT cryptographic operation failed",
        )
    return header


def _check_signature(token: str, header: Mapping[str, Any], config: Config) -> None:
    old = config.version < 14
    algorithm, key_id = header.get("alg"), header.get("kid")
    if algorithm == "none":
        if old:
            raise _refused("PGRST301", "JWSError JWSNoSignatures")
        raise _refused(
            "PGRST301",
            "Wrong or unsupported encoding algorithm",
            "JWT is unsecured but expected 'alg' was not 'none'",
        )
    assert config.jwt_keys is not None
    fitting = [
        key
        for key in config.jwt_keys["keys"]
        if key.get("alg", algorithm) == algorithm and (old or key_id is None or key.get("kid") == key_id)
    ]
    for key in fitting:
        try:
            jwt.api_jws.decode(token, jwt.PyJWK(key), algorithms=[key["alg"]])
        except jwt.InvalidTokenError:
            continue
        return
    if old:
        raise _refused("PGRST301", "JWSError JWSInvalidSignature")
    tried = "None of the keys was able to decode the JWT" if fitting else "No suitable key was found to decode the JWT"
    raise _refused("PGRST301", "No suitable key or wrong key type", tried)


def _claims(payload: bytes, config: Config) -> dict[str, Any]:
    old = config.version < 14
    code = "PGRST301" if old else "PGRST303"
    try:
        claims = json.loads(payload)
    except ValueError:
        shown = payload.decode(errors="replace")
        failed = f"Error in $: Failed reading: not a valid json value at '{shown}'"
        raise _refused(code, _set_error(failed) if old else "Parsing claims failed") from None
    if not isinstance(claims, dict):
        failed = f"Error in $: parsing JWT Claims Set failed, expected Object, but encountered {_kind(claims)}"
        raise _refused(code, _set_error(failed) if old else "Parsing claims failed")
    _check_times(claims, config, code)
    _check_audience(claims, config, code)
    return claims


def _check_times(claims: Mapping[str, Any], config: Config, code: str) -> None:
    old = config.version < 14
    now = config.now()
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            failed = f"Error in $.{name}: parsing NumericDate failed, expected Number, but encountered {_kind(value)}"
            raise _refused(code, _set_error(failed) if old else f"The JWT '{name}' claim must be a number")
        if name == "exp" and (value < now - LEEWAY or (isinstance(value, float) and not old)):
            raise _refused(code, "JWT expired")
        if name == "nbf" and value > now + LEEWAY:
            raise _refused(code, "JWTNotYetValid" if old else "JWT not yet valid")
        if name == "iat" and value > now + LEEWAY:
            raise _refused(code, "JWTIssuedAtFuture" if old else "JWT issued at future")


def _check_audience(claims: Mapping[str, Any], config: Config, code: str) -> None:
    old = config.version < 14
    value = claims.get("aud")
    if value is None:
        return
    audiences = value if isinstance(value, list) else [value]
    if not all(isinstance(audience, str) for audience in audiences):
        failed = f"Error in $.aud: parsing StringOrURI failed, expected String, but encountered {_kind(value)}"
        worded = "The JWT 'aud' claim must be a string or an array of strings"
        raise _refused(code, _set_error(failed) if old else worded)
    if config.jwt_aud is not None and config.jwt_aud not in audiences:
        raise _refused(code, "JWTNotInAudience" if old else "JWT not in audience")


def _set_error(text: str) -> str:
    return f'JWTClaimsSetDecodeError "{text}"'


def _kind(value: Any) -> str:
    """Return JSON's name for a value's type, as version 12 has it in its messages."""
    if value is None:
        return "Null"
    kinds = {bool: "Boolean", int: "Number", float: "Number", str: "String", list: "Array", dict: "Object"}
    return kinds[type(value)]


def _refused(code: str, message: str, details: str | None = None) -> RestError:
    quoted = message.replace('"', '\\"')
    challenge = f'error="invalid_token", error_description="{quoted}"'
    return RestError(code, message, details, challenge=challenge)
