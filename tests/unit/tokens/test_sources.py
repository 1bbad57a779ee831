"""Published keys: asked for seldom, by one thread at a time, and trusted for a bounded time."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tickctl.core.secret import Secret
from tickctl.core.tokens import Algorithm, Header, KeySet, Reason, RemoteKeys, StaticKeys, TokenVerifier
from tickctl.core.tokens.sources import MAX_AGE
from tickctl.errors import ConfigurationError, UnreachableError

ES = Header(Algorithm.ES256, "es")
UNKNOWN = Header(Algorithm.ES256, "unknown")
HS = Header(Algorithm.HS256, "hs")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class KeyServer:
    """Answers with the documents in their order, the last one again and again; counts."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests = 0

    def __call__(self) -> bytes:
        """Return or raise the next answer."""
        self.requests += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return json.dumps({"keys": answer}).encode() if isinstance(answer, list) else answer


class Copy:
    """A copy on an imaginary disk."""

    def __init__(self, kept: tuple[bytes, float] | None = None) -> None:
        self.kept = kept
        self.loads = 0
        self.saved: list[tuple[bytes, float]] = []

    def load(self) -> tuple[bytes, float] | None:
        """Return what is kept."""
        self.loads += 1
        return self.kept

    def save(self, document: bytes, fetched_at: float) -> None:
        """Note what is to be kept."""
        self.saved.append((document, fetched_at))


DOWN = UnreachableError("no connection")


@pytest.fixture
def clock() -> Clock:
    """A clock to be moved by hand."""
    return Clock()


def ids(keys: KeySet) -> list[str | None]:
    """Return the ids in a set."""
    return [key.key_id for key in keys.keys]


def until_fetched(source: RemoteKeys) -> None:
    """Wait for the fetch in the background, if there is one."""
    fetch = source.fetching(MAX_AGE)
    if fetch is not None:
        fetch.result(10)


def test_set_is_fetched_once_and_used_for_ten_minutes(forge: Any, clock: Clock) -> None:
    """Not earlier and not later is it renewed."""
    server = KeyServer([forge.jwk("es")], [forge.jwk("rs")])
    source = RemoteKeys(server, clock=clock)
    assert server.requests == 0
    assert ids(source.current(ES)) == ["es"]
    clock.now += 599.9
    assert ids(source.current(ES)) == ["es"]
    assert server.requests == 1
    clock.now += 0.1
    assert ids(source.current(ES)) == ["rs"]
    assert server.requests == 2


def test_unknown_kid_buys_one_request_in_thirty_seconds(forge: Any, clock: Clock) -> None:
    """However often it is shown; the requests for other reasons count too."""
    server = KeyServer([forge.jwk("es")])
    source = RemoteKeys(server, clock=clock)
    source.current(UNKNOWN)
    for _ in range(100):
        source.refreshed(UNKNOWN)
    assert server.requests == 1
    clock.now += 29.9
    source.refreshed(UNKNOWN)
    assert server.requests == 1
    clock.now += 0.1
    for _ in range(100):
        source.refreshed(UNKNOWN)
    assert server.requests == 2


def test_failing_requests_for_an_unknown_kid_are_as_rare(forge: Any, clock: Clock) -> None:
    """An attacker can't hammer a server that is down."""
    server = KeyServer([forge.jwk("es")], DOWN)
    source = RemoteKeys(server, clock=clock)
    source.current(ES)
    clock.now += 30
    for _ in range(100):
        with pytest.raises(UnreachableError, match="no connection"):
            source.refreshed(UNKNOWN)
    assert ids(source.current(ES)) == ["es"]
    assert server.requests == 2
    clock.now += 29.9
    with pytest.raises(UnreachableError):
        source.refreshed(UNKNOWN)
    assert server.requests == 2


def test_new_key_is_found_by_its_first_token(forge: Any, clock: Clock, make_verifier: Any, now: int) -> None:
    """A rotation is noticed at once, at the price of one request."""
    server = KeyServer([forge.jwk("rs")], [forge.jwk("rs"), forge.jwk("es")])
    verifier = make_verifier(keys=RemoteKeys(server, clock=clock))
    assert verifier.verify(forge.token("RS256"), now).valid
    assert verifier.verify(forge.token(), now).reason is Reason.UNKNOWN_KEY
    clock.now += 30
    assert verifier.verify(forge.token(), now).valid
    assert server.requests == 2


def test_last_good_set_survives_an_outage_for_an_hour(forge: Any, clock: Clock) -> None:
    """After that a revoked key could still be trusted, so nothing is."""
    server = KeyServer([forge.jwk("es")], DOWN)
    source = RemoteKeys(server, clock=clock)
    source.current(ES)
    clock.now += 3599.9
    assert ids(source.current(ES)) == ["es"]
    clock.now += 0.1
    with pytest.raises(UnreachableError):
        source.current(ES)


def test_outage_is_asked_about_every_thirty_seconds(forge: Any, clock: Clock) -> None:
    """While an old set serves, requests don't wait for a server that is down."""
    server = KeyServer([forge.jwk("es")], DOWN)
    source = RemoteKeys(server, clock=clock)
    source.current(ES)
    clock.now += 600
    for _ in range(10):
        assert ids(source.current(ES)) == ["es"]
        until_fetched(source)
    assert server.requests == 2
    clock.now += 30
    source.current(ES)
    until_fetched(source)
    assert server.requests == 3


def test_known_keys_do_not_wait_for_a_slow_server(forge: Any, clock: Clock) -> None:
    """Keys of more than ten minutes are used while others are fetched."""
    answer = threading.Event()
    server = KeyServer([forge.jwk("es")], [forge.jwk("rs")])

    def slow() -> bytes:
        assert server.requests == 0 or answer.wait(10)
        return server()

    source = RemoteKeys(slow, clock=clock)
    source.current(ES)
    clock.now += 600
    assert ids(source.current(ES)) == ["es"]
    answer.set()
    until_fetched(source)
    assert ids(source.current(ES)) == ["rs"]


def test_first_failure_is_retried_after_five_seconds(forge: Any, clock: Clock) -> None:
    """Nothing is held, so nobody can be admitted: try again soon, but not at each token."""
    server = KeyServer(DOWN, [forge.jwk("es")])
    source = RemoteKeys(server, clock=clock)
    for _ in range(10):
        with pytest.raises(UnreachableError):
            source.current(ES)
    assert server.requests == 1
    clock.now += 5
    assert ids(source.current(ES)) == ["es"]


@pytest.mark.parametrize("rubbish", [b"<html>", b"{}", b"[]", b"\xff", b'{"keys": 1}'])
def test_rubbish_is_an_outage(rubbish: bytes, forge: Any, clock: Clock) -> None:
    """It replaces no good set, and alone it is a cannot-tell."""
    server = KeyServer([forge.jwk("es")], rubbish)
    source = RemoteKeys(server, clock=clock)
    source.current(ES)
    clock.now += 600
    assert ids(source.current(ES)) == ["es"]
    with pytest.raises(UnreachableError):
        RemoteKeys(KeyServer(rubbish), clock=clock).current(ES)


def test_clock_set_back_makes_the_set_old(forge: Any, clock: Clock) -> None:
    """A set from the future would never age."""
    server = KeyServer([forge.jwk("es")], [forge.jwk("rs")])
    source = RemoteKeys(server, clock=clock)
    source.current(ES)
    clock.now -= 1000
    assert ids(source.current(ES)) == ["rs"]


def test_hs256_causes_no_request(forge: Any, make_verifier: Any, now: int) -> None:
    """Neither one that the secret verifies nor one that it does not, with and without a secret."""
    server = KeyServer([forge.jwk("es")])
    secret = KeySet.from_secret(Secret(forge.secret.decode()))
    verifier = make_verifier(keys=RemoteKeys(server, local=secret))
    token = forge.token("HS256")
    assert verifier.verify(token, now).valid
    assert verifier.verify(forge.resigned(token, bytes(32)), now).reason is Reason.BAD_SIGNATURE
    assert make_verifier(keys=RemoteKeys(server)).verify(token, now).reason is Reason.UNKNOWN_KEY
    assert server.requests == 0


def test_published_symmetric_key_is_never_used(forge: Any, make_verifier: Any, now: int) -> None:
    """Everybody can read it, so everybody could sign."""
    oct_key = {"kty": "oct", "kid": "hs", "k": "YW4gSFMyNTYgc2VjcmV0IHRoYXQgb25seSB0aGVzZSB0ZXN0cyBrbm93"}
    verifier = make_verifier(keys=RemoteKeys(KeyServer([oct_key, forge.jwk("es")])))
    assert verifier.verify(forge.token(), now).valid
    assert verifier.verify(forge.token("HS256"), now).reason is Reason.UNKNOWN_KEY


def test_configured_keys_need_no_request(forge: Any) -> None:
    """What was given by hand decides; the published set is asked only for other keys."""
    server = KeyServer([forge.jwk("rs")])
    local = KeySet.from_jwks(json.dumps({"keys": [forge.jwk("es")]}), allow_symmetric=False)
    source = RemoteKeys(server, local=local)
    assert source.current(ES) is local
    assert source.refreshed(ES) is local
    assert server.requests == 0
    assert ids(source.current(UNKNOWN)) == ["es", "rs"]


def test_configured_keys_without_kid_hide_no_published_ones(forge: Any) -> None:
    """A token without kid may have been signed with a published key that has none either."""
    nameless = {name: value for name, value in forge.jwk("es").items() if name != "kid"}
    secret = KeySet.from_secret(Secret(forge.secret.decode()))
    server = KeyServer([nameless])
    source = RemoteKeys(server, local=secret)
    assert len(source.current(Header(Algorithm.ES256, None)).keys) == 2
    assert server.requests == 1


def test_same_keys_stay_the_same_object(forge: Any, clock: Clock) -> None:
    """A renewal that brings nothing new keeps what was remembered; it counts as a renewal all the same."""
    server = KeyServer([forge.jwk("es")], [forge.jwk("es")], [forge.jwk("rs")])
    source = RemoteKeys(server, clock=clock)
    first = source.current(ES)
    clock.now += 600
    assert source.current(ES) is first
    until_fetched(source)
    clock.now += 599
    assert source.current(ES) is first
    assert server.requests == 2
    clock.now += 1
    source.current(ES)
    until_fetched(source)
    assert source.current(ES) is not first


def test_many_threads_make_one_request(forge: Any, clock: Clock) -> None:
    """All of them wait for the one that asks, and get its set."""
    entered, answer = threading.Event(), threading.Event()
    server = KeyServer([forge.jwk("es")])

    def slow() -> bytes:
        entered.set()
        assert answer.wait(10)
        return server()

    source = RemoteKeys(slow, clock=clock)
    found: list[KeySet] = []
    start = threading.Barrier(9)

    def want() -> None:
        start.wait(10)
        found.append(source.current(ES))

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    start.wait(10)
    assert entered.wait(10)
    assert not found
    answer.set()
    for thread in threads:
        thread.join(10)
    assert len(found) == 8
    assert all(keys is found[0] for keys in found)
    assert server.requests == 1


def test_threads_after_a_failure_make_no_further_request(clock: Clock) -> None:
    """Those who waited in vain don't ask one after the other."""
    server = KeyServer(DOWN)
    source = RemoteKeys(server, clock=clock)
    start = threading.Barrier(8)
    failed: list[str] = []

    def want() -> None:
        start.wait(10)
        try:
            source.current(ES)
        except UnreachableError as error:
            failed.append(error.message)

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(failed) == 8
    assert server.requests == 1


def test_copy_spares_the_first_request(forge: Any, clock: Clock) -> None:
    """One of less than ten minutes is as good as a fetched set."""
    document = json.dumps({"keys": [forge.jwk("es")]}).encode()
    server = KeyServer([forge.jwk("rs")])
    copy = Copy((document, clock.now - 599))
    source = RemoteKeys(server, clock=clock, copy=copy)
    assert ids(source.current(ES)) == ["es"]
    assert server.requests == 0
    clock.now += 1
    assert ids(source.current(ES)) == ["rs"]
    assert [fetched_at for _, fetched_at in copy.saved] == [clock.now]
    assert copy.loads == 1


def test_pause_after_a_request_holds_across_processes(forge: Any, clock: Clock) -> None:
    """A loop over commands with an unknown kid asks no more often than one process would."""
    document = json.dumps({"keys": [forge.jwk("es")]}).encode()
    server = KeyServer([forge.jwk("rs")])
    source = RemoteKeys(server, clock=clock, copy=Copy((document, clock.now - 29)))
    assert ids(source.refreshed(UNKNOWN)) == ["es"]
    assert server.requests == 0
    clock.now += 1
    assert ids(source.refreshed(UNKNOWN)) == ["rs"]


def test_old_copy_serves_in_an_outage_for_an_hour(forge: Any, clock: Clock) -> None:
    """As the set in memory does."""
    document = json.dumps({"keys": [forge.jwk("es")]}).encode()
    source = RemoteKeys(KeyServer(DOWN), clock=clock, copy=Copy((document, clock.now - 3599)))
    assert ids(source.current(ES)) == ["es"]
    stale = RemoteKeys(KeyServer(DOWN), clock=clock, copy=Copy((document, clock.now - 3600)))
    with pytest.raises(UnreachableError):
        stale.current(ES)


@pytest.mark.parametrize(
    "kept", [None, (b"rubbish", 1_000_000.0), (b'{"keys": []}', 1_000_001.0), (b'{"keys": []}', 0.0)]
)
def test_useless_copy_is_no_copy(kept: tuple[bytes, float] | None, forge: Any, clock: Clock) -> None:
    """Missing, unreadable, from the future or ancient: the set is fetched."""
    server = KeyServer([forge.jwk("es")])
    source = RemoteKeys(server, clock=clock, copy=Copy(kept))
    assert ids(source.current(ES)) == ["es"]
    assert server.requests == 1


def test_rubbish_is_not_copied(clock: Clock) -> None:
    """Only a document that was read as a key set is kept."""
    copy = Copy()
    with pytest.raises(UnreachableError):
        RemoteKeys(KeyServer(b"<html>"), clock=clock, copy=copy).current(ES)
    assert copy.saved == []


def test_unreachable_keys_are_a_cannot_tell(forge: Any, make_verifier: Callable[..., TokenVerifier], now: int) -> None:
    """Not a no, and not an exception; the message says what happened."""
    verdict = make_verifier(keys=RemoteKeys(KeyServer(DOWN))).verify(forge.token(), now)
    assert verdict.reason is Reason.UNREACHABLE
    assert "no connection" in verdict.message
    assert verdict.hint
    assert verdict.not_checked[0] == "key"


def test_refused_address_is_a_cannot_tell_too(
    forge: Any, make_verifier: Callable[..., TokenVerifier], now: int
) -> None:
    """A fetch that may not even be tried admits nobody."""
    server = KeyServer(ConfigurationError("not https"))
    assert make_verifier(keys=RemoteKeys(server)).verify(forge.token(), now).reason is Reason.UNREACHABLE


def test_static_keys_are_never_renewed(forge: Any) -> None:
    """There is nowhere to ask."""
    keys = forge.key_set()
    assert StaticKeys(keys).current(ES) is keys
    assert StaticKeys(keys).refreshed(UNKNOWN) is keys
