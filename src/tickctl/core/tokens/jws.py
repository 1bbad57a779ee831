"""Layer 1: a compact JWS is what it claims to be, signed by a key that is trusted. Nothing about its claims.

RFC 7515 section 5.2 with the restrictions of RFC 8725. Nothing in an unverified token steers anything but the
choice among keys that are held already.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from tickctl.core.tokens.algorithms import ALGORITHM_NAMES, Algorithm, Key
from tickctl.core.tokens.encoding import EncodingError, decode_base64url, parse_object
from tickctl.core.tokens.jwk import is_key_id
from tickctl.core.tokens.keys import KeySet
from tickctl.core.tokens.verdict import Reason, Refusal, Step, quoted

MAX_TOKEN: Final = 16 * 1024
# Room for a `kid` of 256 characters, each written as an escape; also bounds what the memo below can hold.
MAX_HEADER: Final = 2560

_HEADER_NAMES: Final = frozenset({"alg", "typ", "kid"})
_API_KEY_PREFIXES: Final = ("sb_publishable_", "sb_secret_")
_JWS_SEGMENTS: Final = 3
_JWE_DOTS: Final = 4


@dataclass(frozen=True, slots=True)
class Header:
    """What a token says about its key; `key_id` is at most 256 characters of printable ASCII."""

    algorithm: Algorithm
    key_id: str | None


class CompactJws(NamedTuple):
    """The parts of a token, decoded; nothing of it is proven yet."""

    header: Header
    signing_input: bytes
    payload: bytes
    signature: bytes


def verify_jws(compact: str, keys: KeySet) -> bytes:
    """Return the payload of a compact JWS that one of `keys` has signed.

    Raises:
        Refusal: malformed, an API key, an algorithm that is not admitted, an unknown key, a bad signature.
    """
    jws = parse_compact(compact)
    check_signature(jws, keys)
    return jws.payload


def parse_compact(compact: str) -> CompactJws:
    """Split and decode a compact JWS (RFC 7515 section 7.1) and judge its header.

    Raises:
        Refusal: `malformed`, `api_key` or `unsupported_algorithm`.
    """
    if len(compact) > MAX_TOKEN:
        raise _malformed(f"the token is longer than {MAX_TOKEN // 1024} KiB")
    if compact.startswith(_API_KEY_PREFIXES):
        raise Refusal(
            Reason.API_KEY,
            Step.FORMAT,
            "this is a Supabase API key, not a user's token",
            "give the access_token of a signed-in user, and keep secret keys to yourself",
        )
    try:
        data = compact.encode("ascii")
    except UnicodeEncodeError:
        raise _malformed("the token has characters outside ASCII") from None
    segments = data.split(b".")
    if len(segments) != _JWS_SEGMENTS or not all(segments):
        raise _no_jws(data, "the token does not have three segments")
    header, payload, signature = segments
    try:
        return CompactJws(
            parse_header(header),
            data[: -len(signature) - 1],
            decode_base64url(payload),
            decode_base64url(signature),
        )
    except EncodingError as error:
        raise _no_jws(data, f"a part of the token is {error}") from None


# The same few headers come with every token of a project. Small and bounded, as anybody can send a new one.
@lru_cache(maxsize=64)
def parse_header(segment: bytes) -> Header:
    """Decode and judge the first segment.

    Raises:
        EncodingError: it is not canonical base64url.
        Refusal: its content is not that of a Supabase access token.
    """
    if len(segment) > MAX_HEADER:
        raise _malformed("the header is too long", Step.HEADER)
    data = decode_base64url(segment)
    try:
        members = parse_object(data)
    except EncodingError as error:
        raise _malformed(f"the header can't be read: {error}", Step.HEADER) from None
    # Among the others are those that make a verifier fetch or trust a foreign key (jku, jwk, x5u, x5c), and those
    # that change what is signed or how it must be understood (b64, crit, zip, cty).
    if foreign := sorted(members.keys() - _HEADER_NAMES):
        raise _malformed(f"the header holds {quoted(foreign[0])}, which no Supabase token has", Step.HEADER)
    kind = members.get("typ", "JWT")
    if not isinstance(kind, str) or kind.upper() != "JWT":
        raise _malformed("the header's typ is not JWT", Step.HEADER)
    key_id = members.get("kid")
    if "kid" in members and not is_key_id(key_id):
        raise _malformed("the header's kid is not a short printable string", Step.HEADER)
    name = members.get("alg")
    if not isinstance(name, str):
        raise _malformed("the header's alg is missing or not a string", Step.HEADER)
    algorithm = ALGORITHM_NAMES.get(name)
    if algorithm is None:
        raise _unsupported(f"the algorithm {quoted(name)} is not admitted", Step.HEADER)
    return Header(algorithm, key_id if is_key_id(key_id) else None)


def check_signature(jws: CompactJws, keys: KeySet) -> Key:
    """Return the key that has signed this.

    Raises:
        Refusal: `unknown_key`, `unsupported_algorithm` when the key is for another one, or `bad_signature`.
    """
    algorithm, key_id = jws.header.algorithm, jws.header.key_id
    named = keys.candidates(key_id, algorithm)
    if not named:
        raise _unknown_key(jws.header)
    agreeing = False
    for key in named:
        if key.algorithm is algorithm:
            agreeing = True
            if key.verifies(jws.signing_input, jws.signature):
                return key
    if not agreeing:
        raise _unsupported(f"the token says {algorithm.value}, its key is for another algorithm", Step.KEY)
    raise Refusal(
        Reason.BAD_SIGNATURE,
        Step.SIGNATURE,
        "the signature does not match",
        "the token was altered, or belongs to another project; check whose keys are configured",
    )


def _malformed(message: str, step: Step = Step.FORMAT, hint: str | None = None) -> Refusal:
    return Refusal(Reason.MALFORMED, step, message, hint)


def _unsupported(message: str, step: Step) -> Refusal:
    admitted = ", ".join(algorithm.value for algorithm in Algorithm)
    return Refusal(Reason.UNSUPPORTED_ALGORITHM, step, message, f"admitted are {admitted}, as the key demands")


def _unknown_key(header: Header) -> Refusal:
    key = "without a key id" if header.key_id is None else f"with the key id {quoted(header.key_id)}"
    hint = (
        "set SUPABASE_JWT_SECRET to the project's JWT secret"
        if header.algorithm is Algorithm.HS256
        else "check that the configured project is the one that issued the token; new keys take some minutes"
    )
    message = f"no known {header.algorithm.value} key fits a token {key}"
    return Refusal(Reason.UNKNOWN_KEY, Step.KEY, message, hint)


def _no_jws(data: bytes, problem: str) -> Refusal:
    """Return what is wrong with a text that is no compact JWS: a known mistake, or else the problem found."""
    if not data:
        return _malformed("there is no token")
    if data[:7].lower() == b"bearer ":
        return _malformed("the token begins with 'Bearer '", hint="give the token alone")
    if data.count(b".") == _JWE_DOTS:
        return _malformed("this is an encrypted token (JWE), which Supabase does not issue")
    return _malformed(problem, hint="copy the whole access_token, dots included, and nothing else")
