"""Keys that exist for the tests only, and a forge that signs whatever it is told to."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

from tickctl.core.secret import Secret
from tickctl.core.tokens import KeySet, Policy, RememberedTokens, StaticKeys, TokenVerifier

NOW = 1_800_000_000
ISSUER = "https://abcdefghijklmnopqrst.supabase.co/auth/v1"
SUBJECT = "6f1f1c2e-0d3b-4b57-9d3e-0a4f1c7c9a11"
SESSION = "c2a7b0de-57f3-4f0e-8a44-5a0d2f7a9b22"
SECRET = "an HS256 secret that only these tests know"


class Forge:
    """Makes tokens: a good one, changed as told, signed with a real key. `...` takes a name away."""

    def __init__(self) -> None:
        self.ec = generate_private_key(SECP256R1())
        self.rsa = generate_rsa_key(65537, 2048)
        self.ed = Ed25519PrivateKey.generate()
        self.secret = SECRET.encode()

    def jwk(self, kid: str) -> dict[str, Any]:
        """Return the public JWK of the key that is called `es`, `rs` or `ed`."""
        algorithm, key = {"es": (ECAlgorithm, self.ec), "rs": (RSAAlgorithm, self.rsa), "ed": (OKPAlgorithm, self.ed)}[
            kid
        ]
        return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid}

    def key_set(self) -> KeySet:
        """Return the public keys and the secret."""
        published = json.dumps({"keys": [self.jwk("es"), self.jwk("rs"), self.jwk("ed")]})
        secret = KeySet.from_secret(Secret(SECRET))
        return secret.merge(KeySet.from_jwks(published, allow_symmetric=False))

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of a user whose e-mail a hook has called confirmed."""
        claims = {
            "iss": ISSUER,
            "sub": SUBJECT,
            "aud": "authenticated",
            "exp": NOW + 3600,
            "iat": NOW - 60,
            "email": "ada@example.com",
            "phone": "",
            "app_metadata": {"provider": "email", "email_confirmed": True},
            "user_metadata": {"email_verified": True},
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": NOW - 60}],
            "session_id": SESSION,
            "is_anonymous": False,
        }
        return {name: value for name, value in (claims | changes).items() if value is not ...}

    def payload(self, **changes: Any) -> bytes:
        """Return the claims as JSON."""
        return json.dumps(self.claims(**changes), separators=(",", ":")).encode()

    def token(self, alg: str = "ES256", *, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """Return a signed token with changed header names and claims."""
        return self.raw(self.payload(**changes), alg=alg, header=header)

    def raw(self, payload: bytes, alg: str = "ES256", *, header: dict[str, Any] | bytes | None = None) -> str:
        """Return a token over exactly these bytes; a `header` in bytes is used as it is."""
        if not isinstance(header, bytes):
            names = {"alg": alg, "kid": {"ES256": "es", "RS256": "rs", "EdDSA": "ed"}.get(alg, "hs"), "typ": "JWT"}
            changed = names | (header or {})
            header = json.dumps({name: value for name, value in changed.items() if value is not ...}).encode()
        signing_input = f"{b64(header)}.{b64(payload)}"
        return f"{signing_input}.{b64(self.sign(signing_input, alg))}"

    def sign(self, signing_input: str, alg: str = "ES256", *, key: bytes | None = None) -> bytes:
        """Return the raw signature; `key` takes the place of the secret."""
        message = signing_input.encode()
        match alg:
            case "ES256":
                return ECAlgorithm(ECAlgorithm.SHA256).sign(message, self.ec)
            case "RS256":
                return RSAAlgorithm(RSAAlgorithm.SHA256).sign(message, self.rsa)
            case "EdDSA":
                return OKPAlgorithm().sign(message, self.ed)
            case _:
                return HMACAlgorithm(HMACAlgorithm.SHA256).sign(message, self.secret if key is None else key)

    def resigned(self, token: str, signature: bytes | str) -> str:
        """Return the token with another signature: bytes are encoded, a string is put there as it is."""
        text = signature if isinstance(signature, str) else b64(signature)
        return f"{token.rpartition('.')[0]}.{text}"


def b64(data: bytes) -> str:
    """Encode as a JWS does."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture(scope="session")
def forge() -> Forge:
    """The one forge of the run: making RSA keys is slow."""
    return Forge()


@pytest.fixture
def now() -> int:
    """The time at which the forge's tokens are good, in epoch seconds."""
    return NOW


@pytest.fixture
def make_policy() -> Callable[..., Policy]:
    """Make the policy of the forge's project, changed as told."""

    def make(**changes: Any) -> Policy:
        return Policy(**{"issuer": ISSUER, "confirmed_claim": ("app_metadata", "email_confirmed"), **changes})

    return make


@pytest.fixture
def make_verifier(forge: Forge, make_policy: Callable[..., Policy]) -> Callable[..., TokenVerifier]:
    """Make a verifier with the forge's keys; `policy` changes go by name."""

    def make(*, keys: Any = None, directory: Any = None, cache_size: int = 16, **policy: Any) -> TokenVerifier:
        remembered = RememberedTokens(cache_size)
        return TokenVerifier(keys or StaticKeys(forge.key_set()), make_policy(**policy), directory, remembered)

    return make


@pytest.fixture
def verifier(make_verifier: Callable[..., TokenVerifier]) -> TokenVerifier:
    """A verifier of the forge's project, offline."""
    return make_verifier()
