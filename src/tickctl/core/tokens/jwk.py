"""Single JSON Web Keys (RFC 7517), read with the care that decides whether a key may verify anything."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeGuard, cast

from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from tickctl.core.json import Json, JsonObject
from tickctl.core.tokens.algorithms import ALGORITHM_NAMES, Algorithm, Key, KeyMaterial
from tickctl.core.tokens.encoding import EncodingError, decode_base64url
from tickctl.core.tokens.hmac_secret import MIN_BYTES, is_key_text
from tickctl.core.tokens.verdict import quoted

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

MIN_RSA_BITS: Final = 2048
MAX_KEY_ID: Final = 256


class UnusableKeyError(ValueError):
    """This key can't verify tokens; the message says why and holds no key material."""


def is_key_id(value: Json) -> TypeGuard[str]:
    """Return whether a value can be a `kid`: printable ASCII, 1 to 256 characters."""
    return isinstance(value, str) and 0 < len(value) <= MAX_KEY_ID and value.isascii() and value.isprintable()


def key_from_jwk(jwk: JsonObject, *, allow_symmetric: bool) -> Key:
    """Read the public part of one JWK; private members, certificates and unknown members are ignored.

    Args:
        jwk: the members.
        allow_symmetric: whether an `oct` key may be used. Never so for keys that came from a URL: who can
            read it could sign.

    Raises:
        UnusableKeyError: an unknown, weak, malformed or foreign key, or one that is not for signatures.
    """
    key_id = jwk.get("kid")
    if key_id is not None and not is_key_id(key_id):
        raise UnusableKeyError("its kid is not a short printable string")
    kind = jwk.get("kty")
    if kind == "oct" and not allow_symmetric:
        raise UnusableKeyError("it is a symmetric key, which a published set never holds")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise UnusableKeyError("its kty is not one that Supabase signs with")
    algorithm, read = reader
    _check_purpose(jwk, algorithm)
    try:
        return Key(algorithm, key_id if is_key_id(key_id) else None, read(jwk))
    except EncodingError:
        raise UnusableKeyError("a member is not canonical base64url") from None
    # PyJWT and cryptography say in these what is wrong with the numbers: the point, the exponent, the length.
    except (InvalidKeyError, ValueError) as error:
        raise UnusableKeyError(f"it is not a sound {kind} key: {error}") from None


def _check_purpose(jwk: JsonObject, algorithm: Algorithm) -> None:
    if jwk.get("use", "sig") != "sig":
        raise UnusableKeyError("its use is not sig")
    operations = jwk.get("key_ops", ["verify"])
    # Private keys list "sign" only; their public half is what verifies.
    if not isinstance(operations, Sequence) or not {"sign", "verify"}.intersection(map(str, operations)):
        raise UnusableKeyError("its key_ops don't include verify")
    named = jwk.get("alg", algorithm.value)
    if not isinstance(named, str) or ALGORITHM_NAMES.get(named) is not algorithm:
        raise UnusableKeyError(f"its alg is not {algorithm.value}")


def _member(jwk: JsonObject, name: str) -> str:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise UnusableKeyError(f"its member {name} is missing or not a string")
    decode_base64url(value.encode("utf-8"))
    return value


# PyJWT makes private keys of JWKs, too; from these members it can only be a public one.


def _read_rsa(jwk: JsonObject) -> KeyMaterial:
    members = {"kty": "RSA", "n": _member(jwk, "n"), "e": _member(jwk, "e")}
    key = cast("RSAPublicKey", RSAAlgorithm.from_jwk(members))
    if key.key_size < MIN_RSA_BITS:
        raise UnusableKeyError(f"an RSA key of {key.key_size} bits is too weak, {MIN_RSA_BITS} are the least")
    return key


def _read_ec(jwk: JsonObject) -> KeyMaterial:
    if jwk.get("crv") != "P-256":
        raise UnusableKeyError("its curve is not P-256")
    members = {"kty": "EC", "crv": "P-256", "x": _member(jwk, "x"), "y": _member(jwk, "y")}
    return cast("EllipticCurvePublicKey", ECAlgorithm.from_jwk(members))


def _read_okp(jwk: JsonObject) -> KeyMaterial:
    if jwk.get("crv") != "Ed25519":
        raise UnusableKeyError("its curve is not Ed25519")
    members = {"kty": "OKP", "crv": "Ed25519", "x": _member(jwk, "x")}
    return cast("Ed25519PublicKey", OKPAlgorithm.from_jwk(members))


def _read_oct(jwk: JsonObject) -> KeyMaterial:
    key = decode_base64url(_member(jwk, "k").encode("utf-8"))
    if len(key) < MIN_BYTES:
        raise UnusableKeyError(f"a symmetric key of {len(key)} bytes is too short, {MIN_BYTES} are the least")
    if is_key_text(key):
        raise UnusableKeyError("it is the text of an asymmetric key, whose readers could sign tokens")
    return key


_READERS: Final[Mapping[str, tuple[Algorithm, Callable[[JsonObject], KeyMaterial]]]] = {
    "oct": (Algorithm.HS256, _read_oct),
    "RSA": (Algorithm.RS256, _read_rsa),
    "EC": (Algorithm.ES256, _read_ec),
    "OKP": (Algorithm.EDDSA, _read_okp),
}


def describe(jwk: Json, position: int) -> str:
    """Return what to call a key in a note: by its `kid` where that is fit to print, else by its place."""
    key_id = jwk.get("kid") if isinstance(jwk, Mapping) else None
    return f"key {quoted(key_id)}" if is_key_id(key_id) else f"key number {position}"
