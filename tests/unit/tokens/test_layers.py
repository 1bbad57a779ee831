"""Each layer proves its own part, and the whole is no more than the parts."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from jwt.algorithms import ECAlgorithm

from tickctl.core.secret import Secret
from tickctl.core.tokens import KeySet, Policy, Reason, Refusal, StaticKeys, check_claims, verify_jws


def test_layer_one_knows_no_claims(forge: Any) -> None:
    """It returns the payload as it was signed, whatever it says, even if it is no JSON."""
    payload = forge.payload(exp=0, role="anon")
    assert verify_jws(forge.raw(payload), forge.key_set()) == payload
    assert verify_jws(forge.raw(b"\x00\xff"), forge.key_set()) == b"\x00\xff"


def test_layer_one_refuses_without_keys(forge: Any) -> None:
    """No key, no yes."""
    with pytest.raises(Refusal) as caught:
        verify_jws(forge.token(), KeySet())
    assert caught.value.reason is Reason.UNKNOWN_KEY


def test_layer_two_needs_no_token(forge: Any, make_policy: Callable[..., Policy], now: int) -> None:
    """It judges claims at a time, and returns them typed."""
    user = check_claims(forge.claims(), make_policy(), now)
    assert user.subject == forge.claims()["sub"]
    with pytest.raises(Refusal) as caught:
        check_claims(forge.claims(), make_policy(), now + 10**6)
    assert caught.value.reason is Reason.EXPIRED


def test_layer_two_checks_types_without_an_issuer_to_compare(
    forge: Any, make_policy: Callable[..., Policy], now: int
) -> None:
    """The issuer is optional then, not arbitrary."""
    assert check_claims(forge.claims(iss=...), make_policy(issuer=None), now).issuer is None


def test_a_second_secret_covers_a_rotation(forge: Any, make_verifier: Any, now: int) -> None:
    """Tokens of the old and of the new secret pass, others don't."""
    new = KeySet.from_secret(Secret("the next secret, which is being rolled out"))
    verifier = make_verifier(keys=StaticKeys(new.merge(forge.key_set())))
    token = forge.token("HS256")
    rolled = forge.resigned(
        token, forge.sign(token.rpartition(".")[0], "HS256", key=b"the next secret, which is being rolled out")
    )
    foreign = forge.resigned(token, forge.sign(token.rpartition(".")[0], "HS256", key=b"z" * 40))
    assert verifier.verify(token, now).valid
    assert verifier.verify(rolled, now).valid
    assert verifier.verify(foreign, now).reason is Reason.BAD_SIGNATURE


def test_several_nameless_keys_are_tried(forge: Any, make_verifier: Any, now: int) -> None:
    """A token without kid is tried with the keys without one of its algorithm."""
    other = ECAlgorithm.to_jwk(generate_private_key(SECP256R1()).public_key(), as_dict=True)
    mine = {name: value for name, value in forge.jwk("es").items() if name != "kid"}
    keys = KeySet.from_jwks(json.dumps({"keys": [other, mine]}), allow_symmetric=False)
    verifier = make_verifier(keys=StaticKeys(keys))
    assert verifier.verify(forge.token(header={"kid": ...}), now).valid
    assert verifier.verify(forge.token("RS256", header={"kid": ...}), now).reason is Reason.UNSUPPORTED_ALGORITHM
    assert verifier.verify(forge.token(), now).reason is Reason.UNKNOWN_KEY
