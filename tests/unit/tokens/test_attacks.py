"""Every known way to get a token past a careless verifier, and what it gets here."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tickctl.core.tokens import KeySet, Reason, StaticKeys, TokenVerifier

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
NIL = "00000000-0000-0000-0000-000000000000"
SECONDS_PER_YEAR = 365 * 24 * 3600


class Attack(NamedTuple):
    """A token to be built and the verdict that it must get."""

    name: str
    build: Callable[[Any], Any]
    reason: Reason


def claim(name: str, value: Any, reason: Reason = Reason.MALFORMED_CLAIM, label: str = "") -> Attack:
    """Replace a claim; `...` takes it away."""
    shown = label or ("missing" if value is ... else json.dumps(value)[:30])
    return Attack(f"{name} {shown}", lambda forge: forge.token(**{name: value}), reason)


def literal(name: str, text: str, reason: Reason) -> Attack:
    """Write a claim's value as JSON text that no serialiser would write."""
    return Attack(
        f"{name} {text[:20]}",
        lambda forge: forge.raw(forge.payload(**{name: "@"}).replace(b'"@"', text.encode())),
        reason,
    )


def header(name: str, value: Any, reason: Reason = Reason.MALFORMED) -> Attack:
    """Change a name of the header; the signature covers the change."""
    shown = "missing" if value is ... else json.dumps(value)[:30]
    return Attack(f"header {name} {shown}", lambda forge: forge.token(header={name: value}), reason)


def payload(label: str, change: Callable[[bytes], bytes]) -> Attack:
    """Sign something that is not quite a JSON object."""
    return Attack(f"payload {label}", lambda forge: forge.raw(change(forge.payload())), Reason.MALFORMED)


def signature(label: str, make: Callable[[bytes], bytes | str], reason: Reason) -> Attack:
    """Replace a good ES256 signature by what `make` makes of it."""

    def build(forge: Any) -> str:
        token = forge.token()
        return forge.resigned(token, make(forge.sign(token.rpartition(".")[0])))

    return Attack(f"signature {label}", build, reason)


def text(label: str, change: Callable[[str], Any], reason: Reason = Reason.MALFORMED) -> Attack:
    """Change the text of a good token."""
    return Attack(f"text {label}", lambda forge: change(forge.token()), reason)


def confusion(label: str, key: Callable[[Any], bytes], kid: str, reason: Reason) -> Attack:
    """Sign with HS256, the secret being a public key that everybody can read."""

    def build(forge: Any) -> str:
        token = forge.token("HS256", header={"kid": kid})
        return forge.resigned(token, forge.sign(token.rpartition(".")[0], "HS256", key=key(forge)))

    return Attack(f"HS256 with the public key as {label}, kid {kid}", build, reason)


def pem(forge: Any) -> bytes:
    """Return the public RSA key as everybody can have it."""
    return forge.rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def der(forge: Any) -> bytes:
    """Return the same in binary."""
    return forge.rsa.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def as_der_signature(raw: bytes) -> bytes:
    """Write an ECDSA signature as X.509 does."""
    return encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))


def stray_bits(text: str) -> str:
    """Set a bit that belongs to no byte in the last character of 64 encoded bytes."""
    return text[:-1] + {"A": "B", "Q": "R", "g": "h", "w": "x"}[text[-1]]


def encoded(raw: bytes) -> str:
    """Encode as a JWS does."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def in_standard_alphabet(token: str) -> str:
    """Return a token whose payload is written with + or / instead of - or _."""
    head, body, tail = token.split(".")
    changed = body.replace("-", "+").replace("_", "/")
    assert changed != body
    return f"{head}.{changed}.{tail}"


def nested(levels: int) -> bytes:
    """Return an object that nests lists so deep."""
    return b'{"a":' + b"[" * levels + b"]" * levels + b"}"


TIMES = [
    *(claim("exp", value) for value in ("1800003600", " 1800003600 ", "1_800_003_600", "\u0661\u0668\u0660\u0660")),
    *(claim("exp", value) for value in (1800003600.0, True, None, [1800003600], 10**30, -1, 2**53)),
    *(literal("exp", number, Reason.MALFORMED) for number in ("1e400", "-1e400", "NaN", "Infinity", "9" * 5000)),
    literal("exp", "1.8e9", Reason.MALFORMED_CLAIM),
    claim("exp", ..., Reason.MISSING_CLAIM),
    claim("exp", 1_800_000_000 - 31, Reason.EXPIRED, "31 seconds ago"),
    claim("exp", 1_800_000_000 - 30, Reason.EXPIRED, "exactly the leeway ago"),
    claim("exp", 1_800_000_000 + 10 * SECONDS_PER_YEAR, Reason.LIFETIME_TOO_LONG, "in ten years"),
    claim("exp", 1_800_000_000 - 60 + 7 * 24 * 3600 + 1, Reason.LIFETIME_TOO_LONG, "a second beyond a week"),
    claim("iat", 1_800_000_000 + 31, Reason.NOT_YET_VALID, "31 seconds ahead"),
    claim("iat", "1800000000"),
    claim("iat", 0, Reason.LIFETIME_TOO_LONG),
    claim("iat", False),
    claim("iat", ..., Reason.MISSING_CLAIM),
    claim("nbf", 1_800_000_000 + 31, Reason.NOT_YET_VALID, "31 seconds ahead"),
    claim("nbf", "0"),
    claim("nbf", None),
]
IDENTITY = [
    claim("aud", ..., Reason.MISSING_CLAIM),
    claim("aud", "anon", Reason.WRONG_AUDIENCE),
    claim("aud", ["anon"], Reason.WRONG_AUDIENCE),
    claim("aud", [""], Reason.WRONG_AUDIENCE),
    claim("aud", []),
    claim("aud", ["authenticated", "anon"]),
    claim("aud", ["authenticated", "authenticated"]),
    claim("aud", [["authenticated"]]),
    claim("aud", [None]),
    claim("aud", [{"authenticated": True}]),
    claim("aud", None),
    claim("aud", {"authenticated": True}),
    claim("aud", "Authenticated", Reason.WRONG_AUDIENCE),
    claim("aud", "authenticated-not", Reason.WRONG_AUDIENCE),
    claim("aud", "auth", Reason.WRONG_AUDIENCE),
    claim("aud", "", Reason.WRONG_AUDIENCE),
    claim("iss", ..., Reason.MISSING_CLAIM),
    claim("iss", "https://tsrqponmlkjihgfedcba.supabase.co/auth/v1", Reason.WRONG_ISSUER),
    claim("iss", "https://abcdefghijklmnopqrst.supabase.co/auth/v1/", Reason.WRONG_ISSUER, "with a slash"),
    claim("iss", "https://abcdefghijklmnopqrst.supabase.co/auth/v", Reason.WRONG_ISSUER, "a prefix"),
    claim("iss", "HTTPS://abcdefghijklmnopqrst.supabase.co/auth/v1", Reason.WRONG_ISSUER),
    claim("iss", ["https://abcdefghijklmnopqrst.supabase.co/auth/v1"]),
    claim("iss", None),
    claim("role", "service_role", Reason.NOT_A_USER_TOKEN),
    claim("role", "anon", Reason.NOT_A_USER_TOKEN),
    claim("role", "supabase_admin", Reason.NOT_A_USER_TOKEN),
    claim("role", "postgres", Reason.NOT_A_USER_TOKEN),
    claim("role", "", Reason.NOT_A_USER_TOKEN),
    claim("role", ..., Reason.MISSING_CLAIM),
    claim("role", None),
    claim("role", ["authenticated"]),
    claim("sub", ..., Reason.MISSING_CLAIM),
    claim("sub", "ada"),
    claim("sub", 7),
    claim("sub", None),
    claim("sub", NIL),
    claim("sub", "6f1f1c2e-0d3b-4b57-9d3e-0a4f1c7c9a1\u0000"),
    claim("sub", "6f1f1c2e-0d3b-4b57-9d3e-0a4f1c7c9a11\n"),
    claim("sub", "6f1f1c2e-0d3b-4b57-9d3e-0a4f1c7c9a1\u0661"),
    claim("sub", "{6f1f1c2e-0d3b-4b57-9d3e-0a4f1c7c9a11}"),
    claim("session_id", ..., Reason.MISSING_CLAIM),
    claim("session_id", ""),
    claim("session_id", NIL),
    claim("is_anonymous", True, Reason.ANONYMOUS),
    claim("is_anonymous", "true"),
    claim("is_anonymous", "false"),
    claim("is_anonymous", None),
    claim("is_anonymous", 0),
    claim("email", None),
    claim("email", ["ada@example.com"]),
    claim("phone", 49),
    claim("aal", 1),
    claim("client_id", "9b2f0d7e-6a51-4b0e-8f43-3f1c52f0a7aa", Reason.NOT_A_USER_TOKEN),
    claim("client_id", "", Reason.NOT_A_USER_TOKEN),
    claim("client_id", None),
    claim("scope", ["email"]),
    Attack(
        "an OIDC ID token",
        lambda forge: forge.token(role=..., session_id=..., is_anonymous=..., aud="client", nonce="n"),
        Reason.NOT_A_USER_TOKEN,
    ),
    *(
        Attack(
            f"the legacy {role} key signed with {alg}",
            lambda forge, role=role, alg=alg: forge.raw(
                json.dumps({"iss": "supabase", "ref": "abc", "role": role, "iat": 1, "exp": 2}).encode(), alg
            ),
            Reason.NOT_A_USER_TOKEN,
        )
        for role in ("anon", "service_role")
        for alg in ("HS256", "ES256")
    ),
]
CONFIRMATION = [
    Attack(
        "confirmed by user_metadata only",
        lambda forge: forge.token(app_metadata={}, email_verified=True, confirmed_at="2026-01-01T00:00:00Z"),
        Reason.CONFIRMATION_UNKNOWN,
    ),
    Attack("no app_metadata", lambda forge: forge.token(app_metadata=...), Reason.CONFIRMATION_UNKNOWN),
    *(
        Attack(
            f"confirmation {json.dumps(value)}",
            lambda forge, value=value: forge.token(app_metadata={"email_confirmed": value}),
            reason,
        )
        for value, reason in [
            (False, Reason.EMAIL_NOT_CONFIRMED),
            (None, Reason.EMAIL_NOT_CONFIRMED),
            ("true", Reason.MALFORMED_CLAIM),
            (1, Reason.MALFORMED_CLAIM),
            (1_700_000_000, Reason.MALFORMED_CLAIM),
            ("", Reason.MALFORMED_CLAIM),
            ([True], Reason.MALFORMED_CLAIM),
            ({}, Reason.MALFORMED_CLAIM),
            ("yesterday", Reason.MALFORMED_CLAIM),
            ("2026-01-01", Reason.MALFORMED_CLAIM),
            ("20260101T000000Z", Reason.MALFORMED_CLAIM),
            ("2026-01-01T00:00:00", Reason.MALFORMED_CLAIM),
            ("2026-13-01T00:00:00Z", Reason.MALFORMED_CLAIM),
            ("0001-01-01T00:00:00Z", Reason.MALFORMED_CLAIM),
        ]
    ),
    *(
        Attack(
            f"app_metadata {json.dumps(value)}",
            lambda forge, value=value: forge.token(app_metadata=value),
            Reason.MALFORMED_CLAIM,
        )
        for value in (None, [], True, "email_confirmed")
    ),
]
PAYLOADS = [
    *(
        payload(f"with two {name}", lambda body, name=name: body[:-1] + f',"{name}":1}}'.encode())
        for name in ("exp", "sub", "role", "email")
    ),
    payload("with two names in a nested object", lambda body: body[:-1] + b',"x":{"a":1,"a":1}}'),
    payload("with a duplicate written as an escape", lambda body: body[:-1] + b',"\\u0065xp":9999999999}'),
    payload("an array", lambda body: b"[" + body + b"]"),
    payload("a string", lambda _: b'"sub"'),
    payload("null", lambda _: b"null"),
    payload("not JSON", lambda _: b"sub=1"),
    payload("a space", lambda _: b" "),
    payload("with a byte-order mark", lambda body: b"\xef\xbb\xbf" + body),
    payload("UTF-16", lambda body: body.decode().encode("utf-16")),
    payload("UTF-16 without a mark", lambda body: body.decode().encode("utf-16-le")),
    payload("bad UTF-8", lambda body: body.replace(b"ada", b"\xff")),
    payload("overlong UTF-8", lambda body: body.replace(b"ada", b"\xc1\xa1")),
    payload("an encoded surrogate", lambda body: body.replace(b"ada", b"\xed\xa0\x80")),
    payload("a lone surrogate", lambda body: body.replace(b"ada", b"\\ud800")),
    payload("a lone surrogate in a name", lambda body: body[:-1] + b',"\\udfff":1}'),
    payload("trailing garbage", lambda body: body + b"x"),
    payload("two objects", lambda body: body + body),
    payload("a trailing NUL", lambda body: body + b"\x00"),
    payload("a trailing comma", lambda body: body[:-1] + b",}"),
    payload("a comment", lambda body: body + b"//"),
    payload("single quotes", lambda body: body.replace(b'"', b"'")),
    payload("a raw control character", lambda body: body.replace(b"ada", b"a\x01a")),
    payload("NaN deep inside", lambda body: body[:-1] + b',"x":{"a":[NaN]}}'),
    payload("-Infinity", lambda body: body[:-1] + b',"x":-Infinity}'),
    payload("an infinite float elsewhere", lambda body: body[:-1] + b',"x":1e999}'),
    payload("33 levels deep", lambda body: body[:-1] + b"," + nested(32)[1:]),
    payload("900 levels deep", lambda _: nested(900)),
    payload("5000 levels deep", lambda _: nested(5000)),
    payload("100 000 levels deep", lambda _: nested(100_000)),
    payload("2 MB", lambda body: body[:-1] + b',"x":"' + b"x" * 2_000_000 + b'"}'),
]
HEADERS = [
    *(header("crit", value) for value in (["unknown"], [], None, ["exp"], ["b64"])),
    header("b64", False),
    header("b64", True),
    Attack(
        "header b64 false, understood as critical",
        lambda forge: forge.token(header={"b64": False, "crit": ["b64"]}),
        Reason.MALFORMED,
    ),
    header("jku", "https://attacker.example/jwks.json"),
    header("x5u", "https://attacker.example/cert.pem"),
    header("x5c", ["MIIB"]),
    header("x5t", "abc"),
    header("jwk", {"kty": "oct", "k": "AAAA"}),
    header("zip", "DEF"),
    header("cty", "JWT"),
    header("enc", "A256GCM"),
    header("foo", 1),
    header("typ", "at+jwt"),
    header("typ", "JWS"),
    header("typ", ""),
    header("typ", 1),
    header("typ", None),
    header("kid", ..., Reason.UNSUPPORTED_ALGORITHM),
    header("kid", "unknown", Reason.UNKNOWN_KEY),
    header("kid", "ES", Reason.UNKNOWN_KEY),
    header("kid", "../../dev/null", Reason.UNKNOWN_KEY),
    header("kid", "' or 1=1; --", Reason.UNKNOWN_KEY),
    header("kid", "rs", Reason.UNSUPPORTED_ALGORITHM),
    header("kid", 1),
    header("kid", None),
    header("kid", ["es"]),
    header("kid", {"es": 1}),
    header("kid", ""),
    header("kid", "es\u0000"),
    header("kid", "es\n"),
    header("kid", "\u202ees"),
    header("kid", "schl\u00fcssel"),
    header("kid", "k" * 256, Reason.UNKNOWN_KEY),
    header("kid", "k" * 257),
    header("kid", "k" * 1_000_000),
    header("alg", ...),
    header("alg", None),
    header("alg", 256),
    header("alg", ["ES256"]),
    header("alg", {"ES256": 1}),
    *(
        header("alg", alg, Reason.UNSUPPORTED_ALGORITHM)
        for alg in ("es256", "ES256 ", "", "ES384", "ES512", "ES256K", "HS384", "HS512", "RS512", "PS256", "Ed448")
    ),
    *(
        header("alg", alg, Reason.UNSUPPORTED_ALGORITHM)
        for alg in ("none", "None", "NONE", "nOnE", " none", "none ", "none\u0000", "n\u043ene", "non\u0435")
    ),
    *(
        Attack(
            f"alg {alg!r} without a signature",
            lambda forge, alg=alg: forge.resigned(forge.token(header={"alg": alg}), ""),
            Reason.MALFORMED,
        )
        for alg in ("none", "ES256", "HS256")
    ),
    Attack(
        "two alg",
        lambda forge: forge.raw(forge.payload(), header=b'{"alg":"none","alg":"ES256","kid":"es"}'),
        Reason.MALFORMED,
    ),
    Attack(
        "two kid",
        lambda forge: forge.raw(forge.payload(), header=b'{"alg":"ES256","kid":"es","kid":"es"}'),
        Reason.MALFORMED,
    ),
    Attack("header an array", lambda forge: forge.raw(forge.payload(), header=b'["ES256"]'), Reason.MALFORMED),
    Attack("header not JSON", lambda forge: forge.raw(forge.payload(), header=b"ES256"), Reason.MALFORMED),
    Attack(
        "header with a byte-order mark",
        lambda forge: forge.raw(forge.payload(), header=b'\xef\xbb\xbf{"alg":"ES256","kid":"es"}'),
        Reason.MALFORMED,
    ),
    Attack(
        "header one character too long",
        lambda forge: forge.raw(forge.payload(), header=b'{"alg":"ES256","kid":"es"}'.ljust(1921)),
        Reason.MALFORMED,
    ),
]
CONFUSION = [
    attack
    for kid, reason in [("rs", Reason.UNSUPPORTED_ALGORITHM), ("hs", Reason.BAD_SIGNATURE)]
    for attack in [
        confusion("PEM", pem, kid, reason),
        confusion("PEM without its lines", lambda f: b"".join(pem(f).splitlines()[1:-1]), kid, reason),
        confusion("DER", der, kid, reason),
        confusion("JWK", lambda f: json.dumps(f.jwk("rs")).encode(), kid, reason),
        confusion("nothing", lambda _: b"", kid, reason),
    ]
]
SIGNATURES = [
    signature("empty", lambda _: "", Reason.MALFORMED),
    signature("of zeros", lambda _: bytes(64), Reason.BAD_SIGNATURE),
    signature("of 65 bytes", lambda raw: raw + b"\x00", Reason.BAD_SIGNATURE),
    signature("of 63 bytes", lambda raw: raw[:-1], Reason.BAD_SIGNATURE),
    signature("in DER", as_der_signature, Reason.BAD_SIGNATURE),
    signature("with a flipped bit", lambda raw: bytes([raw[0] ^ 1]) + raw[1:], Reason.BAD_SIGNATURE),
    signature("with stray bits", lambda raw: stray_bits(encoded(raw)), Reason.MALFORMED),
    signature("padded", lambda raw: encoded(raw) + "==", Reason.MALFORMED),
    signature("with a newline", lambda raw: encoded(raw)[:40] + "\n" + encoded(raw)[40:], Reason.MALFORMED),
    signature("with !!", lambda raw: encoded(raw) + "!!", Reason.MALFORMED),
    signature("with a + in place of a character", lambda raw: "+" + encoded(raw)[1:], Reason.MALFORMED),
    signature("with a / in place of a character", lambda raw: "/" + encoded(raw)[1:], Reason.MALFORMED),
    signature("with one character too many", lambda raw: encoded(raw) + "AAA", Reason.MALFORMED),
    Attack(
        "signature of another token",
        lambda forge: forge.resigned(forge.token(email="eve@example.com"), forge.token().rpartition(".")[2]),
        Reason.BAD_SIGNATURE,
    ),
    Attack(
        "HS256 with another secret",
        lambda forge: forge.resigned(
            forge.token("HS256"), forge.sign(forge.token("HS256").rpartition(".")[0], "HS256", key=b"x" * 40)
        ),
        Reason.BAD_SIGNATURE,
    ),
    Attack(
        "HS256 cut to 16 bytes",
        lambda forge: forge.resigned(
            forge.token("HS256"), forge.sign(forge.token("HS256").rpartition(".")[0], "HS256")[:16]
        ),
        Reason.BAD_SIGNATURE,
    ),
]
TEXTS = [
    text("with a leading space", lambda token: " " + token),
    text("with a trailing newline", lambda token: token + "\n"),
    text("with a trailing NUL", lambda token: token + "\x00"),
    text("with Bearer before it", lambda token: "Bearer " + token),
    text("with bearer in bytes before it", lambda token: b"bearer " + token.encode()),
    text("with 2 segments", lambda token: token.rpartition(".")[0]),
    text("with 4 segments", lambda token: token + ".AAAA"),
    text("with 5 segments", lambda token: token + ".AAAA.AAAA"),
    text("with an empty payload", lambda token: token.split(".")[0] + ".." + token.split(".")[2]),
    text("with an empty header", lambda token: "." + token.partition(".")[2]),
    text("of dots only", lambda _: ".."),
    text("of 16 000 dots", lambda _: "." * 16_000),
    text("empty", lambda _: ""),
    text("empty bytes", lambda _: b""),
    text("with a letter outside ASCII", lambda token: "é" + token[1:]),
    text("with a lone surrogate", lambda token: "\ud800" + token[1:]),
    text("in UTF-16", lambda token: token.encode("utf-16")),
    text("with fullwidth dots", lambda token: token.replace(".", "\uff0e")),
    text(
        "as JSON",
        lambda token: json.dumps(dict(zip(("protected", "payload", "signature"), token.split("."), strict=True))),
    ),
    text("padded to 16 KiB and one", lambda token: token + "A" * (16 * 1024 + 1 - len(token))),
    text("of 2 MB in bytes", lambda token: token.encode() + b"A" * 2_000_000),
    text("no token but a number", lambda _: 7),
    text("no token but None", lambda _: None),
    text("a publishable key", lambda _: "sb_publishable_abcdefghijklmnopqrstuv_12345678", Reason.API_KEY),
    text("a secret key", lambda _: "sb_secret_abcdefghijklmnopqrstuv_12345678", Reason.API_KEY),
    text("a secret key in bytes", lambda _: b"sb_secret_abcdefghijklmnopqrstuv_12345678", Reason.API_KEY),
    Attack(
        "payload in the standard alphabet",
        lambda forge: in_standard_alphabet(forge.token(nickname="???>>>~~~ÿ")),
        Reason.MALFORMED,
    ),
]
ATTACKS = [*TIMES, *IDENTITY, *CONFIRMATION, *PAYLOADS, *HEADERS, *CONFUSION, *SIGNATURES, *TEXTS]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_gets_its_verdict(attack: Attack, forge: Any, verifier: TokenVerifier, now: int) -> None:
    """The exact code comes back, nobody is admitted, and asking again changes nothing."""
    token = attack.build(forge)
    verdict = verifier.verify(token, now)
    assert verdict.reason is attack.reason
    assert not verdict.valid
    assert verdict == verifier.verify(token, now)


def malleated(forge: Any) -> str:
    """Return a token whose ECDSA signature is the other valid one, n - s."""
    token = forge.token()
    raw = forge.sign(token.rpartition(".")[0])
    r, s = decode_dss_signature(as_der_signature(raw))
    return forge.resigned(token, r.to_bytes(32) + (P256_ORDER - s).to_bytes(32))


def padded(forge: Any, length: int) -> str:
    """Return a token of exactly this length, the payload filled up with white space."""
    head, _, signature = forge.raw(forge.payload()).split(".")
    room = length - len(head) - len(signature) - 2
    return forge.raw(forge.payload().ljust(room * 3 // 4))


ACCEPTED: dict[str, Callable[[Any], Any]] = {
    "ES256": lambda forge: forge.token(),
    "RS256": lambda forge: forge.token("RS256"),
    "EdDSA": lambda forge: forge.token("EdDSA"),
    "EdDSA by its other name": lambda forge: forge.token("EdDSA", header={"alg": "Ed25519"}),
    "HS256 without kid": lambda forge: forge.token("HS256", header={"kid": ...}),
    "HS256 with a kid that nobody publishes": lambda forge: forge.token("HS256", header={"kid": "aB+/9="}),
    "bytes": lambda forge: forge.token().encode(),
    "typ missing": lambda forge: forge.token(header={"typ": ...}),
    "typ in lower case": lambda forge: forge.token(header={"typ": "jwt"}),
    "white space around the payload": lambda forge: forge.raw(b" \r\n\t" + forge.payload() + b" \n"),
    "a malleated signature": malleated,
    "only what is required": lambda forge: forge.token(
        phone=..., aal=..., amr=..., is_anonymous=..., user_metadata=..., email=...
    ),
    "a user without e-mail address": lambda forge: forge.token(email=""),
    "expired within the leeway": lambda forge: forge.token(exp=1_800_000_000 - 29),
    "issued within the leeway": lambda forge: forge.token(iat=1_800_000_000 + 30),
    "a lifetime of exactly a week": lambda forge: forge.token(exp=1_800_000_000 - 60 + 7 * 24 * 3600),
    "begun": lambda forge: forge.token(nbf=1_800_000_000),
    "a UUID in capitals": lambda forge: forge.token(sub="6F1F1C2E-0D3B-4B57-9D3E-0A4F1C7C9A11"),
    "a token of exactly 16 KiB": lambda forge: padded(forge, 16 * 1024),
    "a header of exactly the longest length": lambda forge: forge.raw(
        forge.payload(), header=b'{"alg":"ES256","kid":"es"}'.ljust(1920)
    ),
    "a surrogate pair": lambda forge: forge.raw(forge.payload()[:-1] + b',"x":"\\ud83d\\ude00"}'),
    "brackets inside strings": lambda forge: forge.token(x='[{"\\' * 100),
    "32 levels": lambda forge: forge.raw(forge.payload()[:-1] + b"," + nested(31)[1:]),
    "many shallow lists": lambda forge: forge.token(x=[[]] * 100),
    "confirmed at a time": lambda forge: forge.token(
        app_metadata={"email_confirmed": "2026-02-03T04:05:06.789012+00:00"}
    ),
}


@pytest.mark.parametrize("build", ACCEPTED.values(), ids=ACCEPTED)
def test_sound_token_is_accepted(build: Callable[[Any], Any], forge: Any, verifier: TokenVerifier, now: int) -> None:
    """What RFC and Supabase allow is not refused out of caution, and stays accepted when asked again."""
    token = build(forge)
    assert verifier.verify(token, now).reason is Reason.VALID
    assert verifier.verify(token, now).reason is Reason.VALID


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: "", "no token"),
        (lambda token: f"Bearer {token}", "Bearer"),
        (lambda token: f"bearer {token}", "Bearer"),
        (lambda token: f"Bearer {token.partition('.')[0]}", "Bearer"),
        (lambda token: f"{token}.AAAA.AAAA", "encrypted"),
        (lambda token: f"{token}.AAAA", "three segments"),
        (lambda token: token.partition(".")[0], "three segments"),
        (lambda token: f"{token}é", "ASCII"),
        (lambda token: f"{token}=", "base64url"),
    ],
)
def test_common_mistakes_are_told_apart(
    change: Callable[[str], str], message: str, forge: Any, verifier: TokenVerifier, now: int
) -> None:
    """Who pasted the wrong thing learns what it was."""
    assert message in verifier.verify(change(forge.token()), now).message


def test_unknown_key_says_what_to_configure(forge: Any, make_verifier: Callable[..., TokenVerifier], now: int) -> None:
    """For HS256 the secret is missing, for the others the project may be the wrong one."""
    verifier = make_verifier(keys=StaticKeys(KeySet()))
    by_secret = verifier.verify(forge.token("HS256", header={"kid": ...}), now)
    by_kid = verifier.verify(forge.token(), now)
    assert "without a key id" in by_secret.message
    assert "SUPABASE_JWT_SECRET" in str(by_secret.hint)
    assert "'es'" in by_kid.message
    assert "SUPABASE_JWT_SECRET" not in str(by_kid.hint)


def test_no_message_repeats_a_hostile_text(forge: Any, verifier: TokenVerifier, now: int) -> None:
    """Escape sequences and long texts from claims never reach a message; short plain ones do."""
    hostile = verifier.verify(forge.token(iss="\x1b[2J" + "x" * 5000), now)
    plain = verifier.verify(forge.token(iss="https://other.example"), now)
    long = verifier.verify(forge.token(iss="y" * 5000), now)
    assert "\x1b" not in hostile.message
    assert "x" * 10 not in hostile.message
    assert "'https://other.example'" in plain.message
    assert len(long.message) < 300
