"""Measures what verifying a token costs, as ratios to known work that is timed side by side with it."""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.algorithms import ECAlgorithm

from tickctl.core.secret import Secret
from tickctl.core.tokens import KeySet, Policy, RememberedTokens, StaticKeys, TokenVerifier

ROUNDS = 61
CALLS = 200
TOKENS = 200

NOW = int(time.time())
ISSUER = "https://abcdefghijklmnopqrst.supabase.co/auth/v1"
SECRET = "a secret that only this measurement knows about"  # noqa: S105 - made up
POLICY = Policy(issuer=ISSUER, confirmed_claim=("app_metadata", "email_confirmed"))


def claims(number: int) -> dict[str, object]:
    """Return the claims of a typical access token, different for each number."""
    subject = str(UUID(int=0x4000_8000_0000_0000_0000 + number))
    return {
        "iss": ISSUER,
        "sub": subject,
        "aud": "authenticated",
        "exp": NOW + 3600,
        "iat": NOW,
        "email": f"user{number}@example.com",
        "phone": "",
        "app_metadata": {"provider": "email", "providers": ["email"], "email_confirmed": True},
        "user_metadata": {"email": f"user{number}@example.com", "email_verified": True, "sub": subject},
        "role": "authenticated",
        "aal": "aal1",
        "amr": [{"method": "password", "timestamp": NOW}],
        "session_id": str(UUID(int=0x8000_8000_0000_0000_0000 + number)),
        "is_anonymous": False,
    }


def ratio(ours: Callable[[], object], known: Callable[[], object]) -> float:
    """Return the median over rounds of time(known) / time(ours), the two taking turns."""
    ratios = []
    for _ in range(ROUNDS):
        known_time = _time(known)
        ratios.append(known_time / _time(ours))
    return statistics.median(ratios)


def _time(work: Callable[[], object]) -> float:
    start = time.thread_time()  # the processor's time, so that other processes disturb less
    for _ in range(CALLS):
        work()
    return time.thread_time() - start


def measure() -> Iterator[tuple[str, float, str]]:
    """Yield the measurements."""
    tokens = [jwt.encode(claims(n), SECRET, algorithm="HS256", headers={"kid": "hs"}) for n in range(TOKENS)]
    keys = StaticKeys(KeySet.from_secret(Secret(SECRET)))
    afresh, cached = TokenVerifier(keys, POLICY, remembered=RememberedTokens(0)), TokenVerifier(keys, POLICY)

    def decode(token: str) -> object:
        return jwt.decode(token, SECRET, algorithms=["HS256"], audience="authenticated", issuer=ISSUER)

    turns = cycle(tokens)
    known_turns = cycle(tokens)
    assert all(cached.verify(token, NOW).valid for token in tokens)  # noqa: S101 - fills the cache, too
    known = lambda: decode(next(known_turns))  # noqa: E731
    yield ("HS256, against jwt.decode", ratio(lambda: afresh.verify(next(turns), NOW), known), ">= 2.5")
    yield ("remembered, against jwt.decode", ratio(lambda: cached.verify(next(turns), NOW), known), ">= 20")
    yield _es256()


def _es256() -> tuple[str, float, str]:
    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key()
    jwk = ECAlgorithm.to_jwk(public, as_dict=True) | {"kid": "es"}
    keys = StaticKeys(KeySet.from_jwks(json.dumps({"keys": [jwk]}), allow_symmetric=False))
    verifier = TokenVerifier(keys, POLICY, remembered=RememberedTokens(0))
    tokens = [jwt.encode(claims(n), private, algorithm="ES256", headers={"kid": "es"}) for n in range(TOKENS)]
    prepared = cycle([_signature(token) for token in tokens])
    turns = cycle(tokens)
    assert verifier.verify(tokens[0], NOW).valid  # noqa: S101

    def bare() -> None:
        signing_input, signature = next(prepared)
        public.verify(signature, signing_input, ec.ECDSA(SHA256()))

    return "ES256, against the bare signature check", ratio(lambda: verifier.verify(next(turns), NOW), bare), ">= 0.8"


def _signature(token: str) -> tuple[bytes, bytes]:
    signing_input, _, text = token.rpartition(".")
    raw = jwt.utils.base64url_decode(text)
    return signing_input.encode(), encode_dss_signature(*(int.from_bytes(raw[i : i + 32]) for i in (0, 32)))
