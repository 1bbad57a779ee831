"""A project's keys: the new API keys, the legacy ones, and what signs its users' tokens."""

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

Signing = Literal["HS256", "ES256"]

# Until 2033, as the legacy keys of hosted projects that live for ten years.
_FAR: int = 2_000_000_000


@dataclass(frozen=True)
class ProjectKeys:
    """Made afresh for each project: nothing here is a secret of anybody's.

    `signing` says which of the two signs new tokens. The other one stays known, as after a rotation.
    """

    signing: Signing = "HS256"
    jwt_secret: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    publishable: str = field(default_factory=lambda: f"sb_publishable_{secrets.token_urlsafe(16)}_standin1")
    secret: str = field(default_factory=lambda: f"sb_secret_{secrets.token_urlsafe(16)}_standin1")
    key_id: str = field(default_factory=lambda: secrets.token_hex(8))
    _private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def legacy_anon(self) -> str:
        """The legacy anon key: a JWT without a user."""
        return self.sign_with_secret({"iss": "supabase", "ref": "standin", "role": "anon", "exp": _FAR})

    @property
    def legacy_service_role(self) -> str:
        """The legacy service_role key."""
        return self.sign_with_secret({"iss": "supabase", "ref": "standin", "role": "service_role", "exp": _FAR})

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Sign a user's token with the key in use."""
        if self.signing == "HS256":
            return self.sign_with_secret(claims)
        return jwt.encode(dict(claims), self._private, algorithm="ES256", headers={"kid": self.key_id})

    def sign_with_secret(self, claims: Mapping[str, Any]) -> str:
        """Sign with the project's legacy JWT secret."""
        return jwt.encode(dict(claims), self.jwt_secret, algorithm="HS256")

    @property
    def public_set(self) -> dict[str, Any]:
        """The published keys (RFC 7517); empty where the shared secret signs, which is never published."""
        return {"keys": [self._public] if self.signing == "ES256" else []}

    @property
    def verifying_set(self) -> dict[str, Any]:
        """Every key that PostgREST verifies with, as Supabase configures it there."""
        shared = {"kty": "oct", "alg": "HS256", "k": base64url(self.jwt_secret.encode())}
        return {"keys": [shared, self._public]}

    @property
    def _public(self) -> dict[str, Any]:
        point = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._private.public_key()))
        return {**point, "kid": self.key_id, "alg": "ES256", "use": "sig", "key_ops": ["verify"], "ext": True}


def base64url(value: bytes) -> str:
    """Encode without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
