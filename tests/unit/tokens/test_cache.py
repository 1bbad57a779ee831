"""Remembered tokens: quick, bounded, and never more trusted than when they came first."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pytest

from tickctl.core.json import JsonObject
from tickctl.core.tokens import (
    Algorithm,
    Header,
    KeySet,
    Reason,
    RememberedTokens,
    StaticKeys,
    TokenVerifier,
    UserClaims,
    Verdict,
)
from tickctl.core.tokens.algorithms import Key
from tickctl.core.tokens.remembered import Passed
from tickctl.core.tokens.verdict import NO_CLAIMS
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


@dataclass
class Tokens:
    """Remembers made-up tokens, and counts how often one was there."""

    remembered: RememberedTokens
    hits: int = 0

    def come(self, number: int, *, claims: JsonObject = NO_CLAIMS, expires_at: int = 100, now: int = 50) -> None:
        """Let a user's token come."""
        token = f"{number:0900}"
        if self.remembered.get(token) is not None:
            self.hits += 1
            return
        user = UserClaims("u", "s", "authenticated", "authenticated", None, None, 0, expires_at, None, False, None)
        verdict = Verdict(Reason.VALID, "", claims=MappingProxyType(dict(claims)))
        self.remembered.add(token, Passed(KeySet(), Header(Algorithm.ES256, None), user, verdict), now)


@pytest.mark.parametrize(("users", "share"), [(5000, 1.0), (11_000, 0.8)])
def test_users_in_turn_are_remembered(users: int, share: float) -> None:
    """By default each of ten thousand, and most of a few more: nobody is forgotten by the time of the next turn."""
    tokens = Tokens(RememberedTokens(chance=random.Random(1).random))  # noqa: S311 - no secret
    for _ in range(3):
        tokens.hits = 0
        for number in range(users):
            tokens.come(number)
    assert tokens.hits >= share * users


def test_memory_is_bounded_in_bytes() -> None:
    """Tokens may hold 16 KB of whatever a hook puts in; their size in memory counts, not that of their text."""
    tokens = Tokens(RememberedTokens(most_bytes=10_000_000))
    claims = {"app_metadata": {"teams": [{} for _ in range(4000)]}}
    for number in range(100):
        tokens.come(number, claims=claims)
    assert 20 < len(tokens.remembered) < 60
    assert tokens.remembered.bytes <= 10_000_000


def test_an_expired_token_makes_room() -> None:
    """For the newest, whoever else is in the way."""
    tokens = Tokens(RememberedTokens(2, chance=lambda: 1.0))
    tokens.come(1, expires_at=100)
    tokens.come(2, expires_at=200)
    tokens.come(3, expires_at=200)
    assert tokens.remembered.get(f"{3:0900}") is None
    tokens.come(3, expires_at=200, now=101)
    assert tokens.remembered.get(f"{3:0900}") is not None
    assert (len(tokens.remembered), tokens.remembered.get(f"{1:0900}")) == (2, None)


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
