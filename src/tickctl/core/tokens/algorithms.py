"""The admitted signature algorithms, and a key that verifies with the one that it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import Algorithm as PyJwtAlgorithm
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

KeyMaterial: TypeAlias = bytes | RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


class Algorithm(StrEnum):
    """What Supabase Auth signs with (RFC 7518 section 3.1, RFC 8037 section 3.1); nothing else is ever tried."""

    HS256 = "HS256"
    RS256 = "RS256"
    ES256 = "ES256"
    EDDSA = "EdDSA"


# RFC 9864 names the curve in the algorithm: "Ed25519" is the only EdDSA that is admitted here.
ALGORITHM_NAMES: Final[Mapping[str, Algorithm]] = {
    **{algorithm.value: algorithm for algorithm in Algorithm},
    "Ed25519": Algorithm.EDDSA,
}

_VERIFIERS: Final[Mapping[Algorithm, PyJwtAlgorithm]] = {
    Algorithm.HS256: HMACAlgorithm(HMACAlgorithm.SHA256),
    Algorithm.RS256: RSAAlgorithm(RSAAlgorithm.SHA256),
    Algorithm.ES256: ECAlgorithm(ECAlgorithm.SHA256, SECP256R1),
    Algorithm.EDDSA: OKPAlgorithm(),
}


@dataclass(frozen=True, slots=True)
class Key:
    """One verification key: bytes for HS256, a public key for the others; `key_id` is its `kid`, if it has one."""

    algorithm: Algorithm
    key_id: str | None
    material: KeyMaterial = field(repr=False)

    def verifies(self, signing_input: bytes, signature: bytes) -> bool:
        """Return whether `signature` (raw, as a JWS carries it) was made over `signing_input` with this key."""
        return _VERIFIERS[self.algorithm].verify(signing_input, self.material, signature)
