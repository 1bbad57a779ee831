"""Key sets: one bad key never spoils the others, and no bad key ever verifies."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.utils import to_base64url_uint

from tickctl.core.tokens import Algorithm, KeySet
from tickctl.errors import ConfigurationError

RSA_1024 = RSAAlgorithm.to_jwk(generate_rsa_key(65537, 1024).public_key(), as_dict=True)  # noqa: S505 - weak on purpose
RSA_2047 = {"kty": "RSA", "n": to_base64url_uint((1 << 2046) + 1).decode(), "e": "AQAB"}
P384 = ECAlgorithm.to_jwk(generate_private_key(SECP384R1()).public_key(), as_dict=True)
SECP256K1_KEY = ECAlgorithm.to_jwk(generate_private_key(SECP256K1()).public_key(), as_dict=True)
OCT = {"kty": "oct", "k": "a" * 44}


def read(*jwks: Any, allow_symmetric: bool = False) -> KeySet:
    """Read a set of these."""
    return KeySet.from_jwks(json.dumps({"keys": jwks}), allow_symmetric=allow_symmetric)


def es(forge: Any, **changes: Any) -> dict[str, Any]:
    """Return the forge's EC key, changed; `...` takes a member away."""
    return {name: value for name, value in {**forge.jwk("es"), **changes}.items() if value is not ...}


UNUSABLE: dict[str, Any] = {
    "an RSA key of 1024 bits": lambda _: {**RSA_1024, "kid": "x"},
    "an RSA key of 2047 bits": lambda _: {**RSA_2047, "kid": "x"},
    "an RSA key with e = 1": lambda f: {**f.jwk("rs"), "kid": "x", "e": "AQ"},
    "an RSA key with an even e": lambda f: {**f.jwk("rs"), "kid": "x", "e": "BA"},
    "an RSA key without n": lambda f: {"kty": "RSA", "kid": "x", "e": "AQAB"},
    "an RSA key with an empty n": lambda f: {"kty": "RSA", "kid": "x", "e": "AQAB", "n": ""},
    "an RSA key for PS256": lambda f: {**f.jwk("rs"), "kid": "x", "alg": "PS256"},
    "an RSA key for RS512": lambda f: {**f.jwk("rs"), "kid": "x", "alg": "RS512"},
    "a point off the curve": lambda f: es(f, kid="x", y=f.jwk("es")["x"]),
    "a short coordinate": lambda f: es(f, kid="x", x="AAAA"),
    "a coordinate in the standard alphabet": lambda f: es(f, kid="x", x="+" * 43),
    "a padded coordinate": lambda f: es(f, kid="x", x=f.jwk("es")["x"] + "="),
    "a coordinate that is a number": lambda f: es(f, kid="x", x=7),
    "a key for encryption": lambda f: es(f, kid="x", use="enc"),
    "a use that is null": lambda f: es(f, kid="x", use=None),
    "operations without verify": lambda f: es(f, kid="x", key_ops=["encrypt"]),
    "operations that are a string": lambda f: es(f, kid="x", key_ops="verify"),
    "operations that are a number": lambda f: es(f, kid="x", key_ops=7),
    "operations that are null": lambda f: es(f, kid="x", key_ops=None),
    "an alg that is a list": lambda f: es(f, kid="x", alg=["ES256"]),
    "a kid outside ASCII": lambda f: es(f, kid="schl\u00fcssel"),
    "an EC key for ES384": lambda f: es(f, kid="x", alg="ES384"),
    "an EC key for HS256": lambda f: es(f, kid="x", alg="HS256"),
    "an alg that is a number": lambda f: es(f, kid="x", alg=256),
    "the curve P-384": lambda _: {**P384, "kid": "x"},
    "the curve secp256k1": lambda _: {**SECP256K1_KEY, "kid": "x"},
    "P-384 coordinates called P-256": lambda _: {**P384, "kid": "x", "crv": "P-256"},
    "no curve": lambda f: es(f, kid="x", crv=...),
    "the curve Ed448": lambda f: {**f.jwk("ed"), "kid": "x", "crv": "Ed448"},
    "the curve X25519": lambda f: {**f.jwk("ed"), "kid": "x", "crv": "X25519"},
    "a short Ed25519 key": lambda f: {**f.jwk("ed"), "kid": "x", "x": "AAAA"},
    "an unknown kty": lambda _: {"kty": "AKP", "kid": "x"},
    "no kty": lambda f: es(f, kid="x", kty=...),
    "a kty that is a list": lambda f: es(f, kid="x", kty=["EC"]),
    "a kid that is a number": lambda f: es(f, kid=7),
    "an empty kid": lambda f: es(f, kid=""),
    "a kid with an escape sequence": lambda f: es(f, kid="\x1b[2J"),
    "a kid of 257 characters": lambda f: es(f, kid="k" * 257),
    "a symmetric key": lambda _: {**OCT, "kid": "x"},
    "a string": lambda _: "key",
    "null": lambda _: None,
}


@pytest.mark.parametrize("build", UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_key_is_skipped_with_a_note(build: Any, forge: Any) -> None:
    """The key is left out, one note says why, and the key beside it still verifies."""
    keys = read(build(forge), forge.jwk("es"))
    assert [key.key_id for key in keys.keys] == ["es"]
    assert len(keys.notes) == 1
    assert "left out" in keys.notes[0]
    assert keys.notes[0].isprintable()
    assert keys.candidates("es", Algorithm.ES256)


@pytest.mark.parametrize(
    ("jwk", "algorithm"),
    [
        ({"alg": "ES256", "use": "sig", "key_ops": ["verify"]}, Algorithm.ES256),
        ({"key_ops": ["sign"], "d": "AAAA", "ext": True, "x5c": ["MIIB"], "anything": {"else": 1}}, Algorithm.ES256),
        ({"kid": ...}, Algorithm.ES256),
    ],
    ids=["fully described", "private", "nameless"],
)
def test_unneeded_members_are_ignored(jwk: dict[str, Any], algorithm: Algorithm, forge: Any) -> None:
    """Private parts, certificates and unknown members change nothing, not even when they are wrong."""
    (key,) = read(es(forge, **jwk)).keys
    assert key.algorithm is algorithm
    assert key.material == forge.ec.public_key()


def test_algorithm_comes_from_the_type_of_the_key(forge: Any) -> None:
    """Without alg each type has exactly one; EdDSA may be called Ed25519."""
    keys = read(*map(forge.jwk, ("es", "rs")), {**forge.jwk("ed"), "alg": "Ed25519"})
    assert [key.algorithm for key in keys.keys] == [Algorithm.ES256, Algorithm.RS256, Algorithm.EDDSA]


def test_symmetric_keys_need_permission() -> None:
    """A set from a file may hold one; weak ones and the text of a public key stay out."""
    (key,) = read({**OCT, "kid": "hs", "alg": "HS256"}, allow_symmetric=True).keys
    assert key.algorithm is Algorithm.HS256
    for bad in (
        {"kty": "oct", "k": "a" * 40},
        {**OCT, "alg": "HS512"},
        {"kty": "oct"},
        {"kty": "oct", "k": "LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0AAAAAAAAAAAAAAAAA"},
    ):
        assert not read(bad, allow_symmetric=True).keys


def test_limits_themselves_are_allowed(forge: Any) -> None:
    """A kid of 256 characters, a symmetric key of 32 bytes."""
    assert read(es(forge, kid="k" * 256)).keys
    assert read({"kty": "oct", "k": "a" * 42 + "Y"}, allow_symmetric=True).keys


def test_note_names_the_key_if_it_can(forge: Any) -> None:
    """By its kid where that is fit to print, else by its place in the set."""
    notes = read(es(forge, kid="old", use="enc"), forge.jwk("rs"), es(forge, kid="\x1b[2J"), "key").notes
    assert [note.split(" is left out")[0] for note in notes] == ["key 'old'", "key number 3", "key number 4"]


@pytest.mark.parametrize("times", [2, 3])
def test_duplicate_kid_disqualifies_all(times: int, forge: Any) -> None:
    """Nobody can tell which is meant; the other keys remain."""
    keys = read(*[forge.jwk("es")] * times, {**forge.jwk("rs"), "kid": "es"}, forge.jwk("ed"))
    assert [key.key_id for key in keys.keys] == ["ed"]
    assert keys.notes == ("key 'es' is left out: it appears more than once",)
    assert keys.candidates("es", Algorithm.ES256) == ()


@pytest.mark.parametrize(
    "document",
    ["", "[]", "{}", "null", '{"keys": {}}', '{"keys": "abc"}', '{"keys": null}', '{"keys": [], "keys": []}', "<html>"],
)
def test_what_is_no_key_set_is_a_configuration_error(document: str) -> None:
    """Nothing is guessed from a document of another kind."""
    with pytest.raises(ConfigurationError):
        KeySet.from_jwks(document, allow_symmetric=False)


def test_key_set_is_bounded() -> None:
    """256 KiB and no more."""
    filler = json.dumps({"keys": [], "x": "y" * (256 * 1024)})
    with pytest.raises(ConfigurationError, match="256 KiB"):
        KeySet.from_jwks(filler, allow_symmetric=False)
    assert KeySet.from_jwks(b'{"keys": []}' + b" " * (256 * 1024 - 12), allow_symmetric=False).keys == ()


def test_surrogates_in_a_document_are_an_error() -> None:
    """A text that is not Unicode is no key set; it raises what every other bad document does."""
    with pytest.raises(ConfigurationError):
        KeySet.from_jwks('{"keys": ["\ud800"]}', allow_symmetric=False)


def test_candidates_by_kid(forge: Any) -> None:
    """Known kid: that key. No kid: the nameless. Unknown kid: nothing, but for HS256 the configured secrets."""
    nameless = es(forge, kid=...)
    keys = forge.key_set().merge(read(nameless))
    secret, ec = keys.candidates(None, Algorithm.HS256)
    assert (secret.algorithm, ec.algorithm) == (Algorithm.HS256, Algorithm.ES256)
    assert [key.key_id for key in keys.candidates("rs", Algorithm.HS256)] == ["rs"]
    assert keys.candidates("unknown", Algorithm.HS256) == (secret,)
    assert keys.candidates("unknown", Algorithm.ES256) == ()


def test_merging_counts_a_key_once(forge: Any) -> None:
    """The same key in both sets stays usable; another key of the same kid disqualifies both."""
    first = read(forge.jwk("es"))
    assert first.merge(read(forge.jwk("es"))).keys == first.keys
    assert first.merge(read({**forge.jwk("rs"), "kid": "es"})).keys == ()


def test_equality_is_about_the_keys(forge: Any) -> None:
    """Two readings of the same keys are equal, notes aside; another key makes a difference."""
    assert read(forge.jwk("es")) == read(forge.jwk("es"), {"kty": "AKP"})
    assert read(forge.jwk("es")) != read(forge.jwk("rs"))


def test_key_material_is_not_shown(forge: Any) -> None:
    """A key set in a log shows no secret."""
    assert forge.secret.decode() not in repr(forge.key_set())


def test_public_key_in_der_is_rejected_as_oct(forge: Any) -> None:
    """Neither does a symmetric key hide a public one in binary."""
    der = forge.rsa.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    jwk = {"kty": "oct", "k": urlsafe_b64encode(der).rstrip(b"=").decode()}
    assert read(jwk, allow_symmetric=True).notes
