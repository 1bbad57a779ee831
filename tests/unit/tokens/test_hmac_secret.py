"""The HS256 secret: raw bytes, long enough, not public, and no asymmetric key in disguise."""

import json
from base64 import b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tickctl.core.secret import Secret
from tickctl.core.tokens import KeySet
from tickctl.core.tokens.hmac_secret import hmac_secret
from tickctl.errors import ConfigurationError

DEMO = "super-secret-jwt-token-with-at-least-32-characters-long"


def key_texts(forge: Any) -> dict[str, str]:
    """Return public keys in the forms in which people have them at hand."""
    public = forge.rsa.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ec_der = forge.ec.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ssh = forge.ed.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return {
        "PEM": pem,
        "PEM, indented": "  " + pem,
        "PEM, cut": pem[:60],
        "PEM without its lines": "".join(pem.splitlines()[1:-1]),
        "PEM without its lines, wrapped": "\n".join(pem.splitlines()[1:-1]),
        "EC in base64": b64encode(ec_der).decode(),
        "DER": der.decode("utf-8", "surrogateescape"),
        "JWK": json.dumps(forge.jwk("es")),
        "JWK set": json.dumps({"keys": [forge.jwk("es")]}),
        "JWK in base64": b64encode(json.dumps(forge.jwk("es")).encode()).decode(),
        "OpenSSH": ssh,
        "OpenSSH on a security key": "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5",
        "PKCS#1": "-----BEGIN RSA PUBLIC KEY-----\nMIIBCgKCAQEA\n-----END RSA PUBLIC KEY-----",
    }


@pytest.mark.parametrize(
    "form",
    [
        "PEM",
        "PEM, indented",
        "PEM, cut",
        "PEM without its lines",
        "PEM without its lines, wrapped",
        "EC in base64",
        "DER",
        "JWK",
        "JWK set",
        "JWK in base64",
        "OpenSSH",
        "OpenSSH on a security key",
        "PKCS#1",
    ],
)
def test_text_of_an_asymmetric_key_is_refused(form: str, forge: Any) -> None:
    """With such a secret, everybody who can read the public key could sign tokens."""
    text = key_texts(forge)[form]
    with pytest.raises(ConfigurationError, match="asymmetric") as caught:
        KeySet.from_secret(Secret(text))
    assert text[:20] not in caught.value.message


@pytest.mark.parametrize("text", ["", "x" * 31, "ä" * 15])
def test_short_secret_is_refused(text: str) -> None:
    """32 bytes at least (RFC 7518 section 3.2); bytes, not characters."""
    with pytest.raises(ConfigurationError, match="too short"):
        KeySet.from_secret(Secret(text))


def test_demo_secret_is_for_loopback_only() -> None:
    """It is printed in public; on this machine it does no harm."""
    with pytest.raises(ConfigurationError, match="public demo secret"):
        KeySet.from_secret(Secret(DEMO))
    assert KeySet.from_secret(Secret(DEMO), loopback=True).keys


@pytest.mark.parametrize(
    "text",
    [
        "x" * 32,
        "ä" * 16,
        "MIIB" + "x" * 84 + "==",
        "{not JSON at all, but thirty-two bytes long}",
        "8Kf3kUO4yCwQm5nTzq0vSxJ2hLr7dYbE1gAaPpNcIiM9uWtRoGfHjVlZeXsBDy6Q",
        "  with white space around it, which belongs to it  ",
    ],
)
def test_secret_is_the_raw_bytes_of_the_string(text: str) -> None:
    """Never decoded from base64, never stripped."""
    assert hmac_secret(Secret(text)) == text.encode()


def test_secret_from_a_foreign_encoding_keeps_its_bytes() -> None:
    """Python hands over undecodable environment bytes as surrogates."""
    raw = b"\xff\xfe" + b"x" * 32
    assert hmac_secret(Secret(raw.decode("utf-8", "surrogateescape"))) == raw
