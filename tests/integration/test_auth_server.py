"""The Auth server over real HTTP on loopback: what is sent, and what each answer leads to."""

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tickctl.adapters.auth_server import AuthServer
from tickctl.core.secret import Secret
from tickctl.core.tokens import ConfirmationSource, Denial, UserState
from tickctl.errors import ConfigurationError, UnreachableError

SUBJECT = "6f1f1c2e-0d3b-4b57-9d3e-0a4f1c7c9a11"
SESSION = "c2a7b0de-57f3-4f0e-8a44-5a0d2f7a9b22"
TOKEN = Secret("head.body.signature-of-ada")
API_KEY = Secret("sb_publishable_for_these_tests")
USER = {
    "id": SUBJECT,
    "email": "ada@example.com",
    "email_confirmed_at": "2026-02-03T04:05:06Z",
    "is_anonymous": False,
}


class FakeAuth:
    """Answers every GET as told, and keeps what it was sent."""

    def __init__(self) -> None:
        self.status = 200
        self.body = json.dumps(USER).encode()
        self.headers = {"Content-Type": "application/json"}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.waiting = False
        self.released = threading.Event()
        self.url = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Send the answer, or keep silent until the test is over."""
        self.requests.append((handler.path, {name.lower(): value for name, value in handler.headers.items()}))
        if self.waiting:
            self.released.wait(10)
            return
        handler.send_response(self.status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(self.body)))
        handler.end_headers()
        handler.wfile.write(self.body)


@pytest.fixture
def auth() -> Iterator[FakeAuth]:
    """A running stand-in for the Auth server."""
    fake = FakeAuth()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(ConnectionError):  # the client has seen enough
                fake.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    yield fake
    fake.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


def ask(fake: FakeAuth, **options: Any) -> UserState | Denial:
    """Look the user up."""
    return AuthServer(fake.url, API_KEY, **options).lookup(SUBJECT, SESSION, TOKEN)


def test_request_is_the_documented_one(auth: FakeAuth) -> None:
    """Path, publishable key and the user's own token; a base URL with a slash makes no difference."""
    AuthServer(auth.url + "/", API_KEY).lookup(SUBJECT, SESSION, TOKEN)
    ((path, headers),) = auth.requests
    assert path == "/auth/v1/user"
    assert headers["apikey"] == API_KEY.reveal()
    assert headers["authorization"] == f"Bearer {TOKEN.reveal()}"


def test_user_comes_back(auth: FakeAuth) -> None:
    """As the core reads it."""
    state = ask(auth)
    assert isinstance(state, UserState)
    assert (state.user_id, state.email) == (SUBJECT, "ada@example.com")
    assert state.email_confirmed
    assert state.session_active
    assert AuthServer(auth.url, API_KEY).source is ConfirmationSource.AUTH_SERVER


@pytest.mark.parametrize("denial", Denial)
def test_denials_come_back(denial: Denial, auth: FakeAuth) -> None:
    """403 with one of the codes is a no."""
    auth.status, auth.body = 403, json.dumps({"code": 403, "error_code": denial.value, "msg": "m"}).encode()
    assert ask(auth) is denial


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 429, 500, 502, 503, 504])
def test_other_answers_are_a_cannot_tell(status: int, auth: FakeAuth) -> None:
    """Limits, outages, redirects and refused keys say nothing about the user."""
    auth.status = status
    auth.headers["Location"] = auth.url + "/elsewhere"
    with pytest.raises(UnreachableError, match=str(status)):
        ask(auth)
    assert len(auth.requests) == 1


def test_web_page_is_a_cannot_tell(auth: FakeAuth) -> None:
    """A captive portal answers 200 to everything."""
    auth.headers["Content-Type"], auth.body = "text/html", b"<html>Welcome"
    with pytest.raises(UnreachableError):
        ask(auth)


def test_huge_answer_is_a_cannot_tell(auth: FakeAuth) -> None:
    """Nothing beyond the limit is read."""
    auth.body = json.dumps({**USER, "user_metadata": {"x": "y" * 300_000}}).encode()
    with pytest.raises(UnreachableError, match="longer"):
        ask(auth)


def test_silence_is_a_cannot_tell(auth: FakeAuth) -> None:
    """Within the time-out."""
    auth.waiting = True
    with pytest.raises(UnreachableError, match="no answer within"):
        ask(auth, timeout=0.05)


def test_refused_connection_is_a_cannot_tell() -> None:
    """Nobody listens there any more."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
    with pytest.raises(UnreachableError, match="nothing listens there"):
        AuthServer(url, API_KEY).lookup(SUBJECT, SESSION, TOKEN)


def test_cookies_of_one_user_are_not_sent_with_another(auth: FakeAuth) -> None:
    """Each look-up stands by itself."""
    auth.headers["Set-Cookie"] = "session=of-ada; Path=/"
    server = AuthServer(auth.url, API_KEY)
    server.lookup(SUBJECT, SESSION, TOKEN)
    server.lookup(SUBJECT, SESSION, Secret("head.body.signature-of-eve"))
    assert all("cookie" not in headers for _, headers in auth.requests)


def test_token_goes_to_no_unencrypted_address() -> None:
    """Plain http is for loopback."""
    with pytest.raises(ConfigurationError, match="without encryption"):
        AuthServer("http://abc.supabase.co", API_KEY).lookup(SUBJECT, SESSION, TOKEN)


@pytest.mark.parametrize("key", ["", " key", "key\n", "key\r\nX-Other: 1", "k\u00e9y", "key\x00"])
def test_key_that_is_no_header_value_is_a_configuration_error(key: str) -> None:
    """Before anything is sent; the key is not repeated."""
    with pytest.raises(ConfigurationError) as caught:
        AuthServer("https://abc.supabase.co", Secret(key))
    assert "key\n" not in caught.value.message


@pytest.mark.parametrize("status", [200, 401, 500])
def test_no_error_holds_key_or_token(status: int, auth: FakeAuth) -> None:
    """Not in its message, its hint, nor in what it was raised from."""
    auth.status, auth.body = status, b"\xff"
    with pytest.raises(UnreachableError) as caught:
        ask(auth)
    shown = f"{caught.value!r} {caught.value.hint} {caught.value.__cause__!r}"
    assert API_KEY.reveal() not in shown
    assert TOKEN.reveal() not in shown


def test_server_shows_no_key() -> None:
    """A directory in a log or traceback keeps it to itself."""
    server = AuthServer("https://abc.supabase.co", API_KEY)
    assert API_KEY.reveal() not in f"{server!r} {vars(server)}"
