"""Remembered tokens: quick, bounded, and never more trusted than when they came first."""

from collections.abc import Callable
from typing import Any

import pytest

from tickctl.core.tokens import Algorithm, Header, KeySet, Reason, StaticKeys, TokenVerifier
from tickctl.core.tokens.algorithms import Key
from tickctl.errors import UnreachableError

MakeVerifier = Callable[..., TokenVerifier]


class Keys:
    """A key source whose set can be exchanged; it may also fail."""

    def __init__(self, keys: KeySet) -> None:
        self.keys = keys
        self.failing = False

    def current(self, header: Header) -> KeySet:
        """Return the set of the moment."""
        if self.failing:
            raise UnreachableError("no keys")
        return self.keys

    refreshed = current


@pytest.fixture
def signature_checks(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Collect what signatures are checked, to see what came from the cache."""
    seen: list[bytes] = []
    verifies = Key.verifies

    def counting(self: Key, signing_input: bytes, signature: bytes) -> bool:
        seen.append(signing_input)
        return verifies(self, signing_input, signature)

    monkeypatch.setattr(Key, "verifies", counting)
    return seen


def test_same_token_costs_one_signature_check(
    forge: Any, verifier: TokenVerifier, now: int, signature_checks: list[bytes]
) -> None:
    """As text and as bytes."""
    token = forge.token()
    first = verifier.verify(token, now)
    assert verifier.verify(token, now) is first
    assert verifier.verify(token.encode(), now) is first
    assert len(signature_checks) == 1


def test_times_are_checked_again(forge: Any, verifier: TokenVerifier, now: int) -> None:
    """A remembered token expires when it expires, and was not valid before its time."""
    token = forge.token(exp=now + 10, nbf=now - 10)
    assert verifier.verify(token, now).valid
    assert verifier.verify(token, now + 39).valid
    assert verifier.verify(token, now + 40).reason is Reason.EXPIRED
    assert verifier.verify(token, now - 41).reason is Reason.NOT_YET_VALID
    assert verifier.verify(token, now).valid


def test_key_change_forgets(forge: Any, make_verifier: MakeVerifier, now: int) -> None:
    """A token of a key that was withdrawn is not admitted because it was known."""
    keys = Keys(forge.key_set())
    verifier = make_verifier(keys=keys)
    token = forge.token()
    assert verifier.verify(token, now).valid
    keys.keys = KeySet()
    assert verifier.verify(token, now).reason is Reason.UNKNOWN_KEY
    keys.failing = True
    assert verifier.verify(token, now).reason is Reason.UNREACHABLE


def test_lost_keys_are_not_outlived(forge: Any, make_verifier: MakeVerifier, now: int) -> None:
    """When the keys can't be had any more, remembered tokens are a cannot-tell as well."""
    keys = Keys(forge.key_set())
    verifier = make_verifier(keys=keys)
    token = forge.token()
    assert verifier.verify(token, now).valid
    keys.failing = True
    assert verifier.verify(token, now).reason is Reason.UNREACHABLE


def test_only_the_whole_token_is_remembered(
    forge: Any, verifier: TokenVerifier, now: int, signature_checks: list[bytes]
) -> None:
    """Another signature over the same content is checked by itself."""
    token = forge.token()
    assert verifier.verify(token, now).valid
    forged = forge.resigned(token, bytes(64))
    assert verifier.verify(forged, now).reason is Reason.BAD_SIGNATURE
    assert verifier.verify(forged, now).reason is Reason.BAD_SIGNATURE
    assert len(signature_checks) == 3


def test_refused_tokens_are_not_remembered(
    forge: Any, verifier: TokenVerifier, now: int, signature_checks: list[bytes]
) -> None:
    """They take no room, so that nobody can push good ones out with bad ones."""
    good, bad = forge.token(), [forge.token(exp=now - 100 - n) for n in range(20)]
    assert verifier.verify(good, now).valid
    for token in bad:
        assert not verifier.verify(token, now).valid
    signature_checks.clear()
    assert verifier.verify(good, now).valid
    assert signature_checks == []


def test_memory_is_bounded(forge: Any, make_verifier: MakeVerifier, now: int, signature_checks: list[bytes]) -> None:
    """The oldest goes when there is no room for the newest."""
    verifier = make_verifier(cache_size=2)
    tokens = [forge.token("HS256", email=f"{n}@example.com") for n in range(3)]
    for token in tokens:
        verifier.verify(token, now)
    signature_checks.clear()
    verifier.verify(tokens[1], now)
    verifier.verify(tokens[2], now)
    assert signature_checks == []
    verifier.verify(tokens[0], now)
    assert len(signature_checks) == 1
    assert len(verifier._cache) == 2


def test_cache_can_be_switched_off(
    forge: Any, make_verifier: MakeVerifier, now: int, signature_checks: list[bytes]
) -> None:
    """Size 0 remembers nothing."""
    verifier = make_verifier(cache_size=0)
    token = forge.token()
    assert verifier.verify(token, now).valid
    assert verifier.verify(token, now).valid
    assert len(signature_checks) == 2


def test_two_key_sets_in_turn_don_t_empty_the_cache(
    forge: Any, make_verifier: MakeVerifier, now: int, signature_checks: list[bytes]
) -> None:
    """During a move from HS256 to ES256 tokens of both kinds come."""
    by_algorithm = {Algorithm.HS256: forge.key_set(), Algorithm.ES256: forge.key_set()}

    class Both:
        def current(self, header: Header) -> KeySet:
            return by_algorithm[header.algorithm]

        refreshed = current

    verifier = make_verifier(keys=Both())
    tokens = [forge.token("HS256"), forge.token("ES256")]
    for token in tokens * 3:
        assert verifier.verify(token, now).valid
    assert len(signature_checks) == 2


def test_static_keys_share_no_cache(forge: Any, make_verifier: MakeVerifier, now: int) -> None:
    """Two verifiers know nothing of each other."""
    token = forge.token()
    assert make_verifier().verify(token, now).valid
    assert make_verifier(keys=StaticKeys(KeySet())).verify(token, now).reason is Reason.UNKNOWN_KEY
