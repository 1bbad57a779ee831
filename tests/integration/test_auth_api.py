"""Signing in over real HTTP on loopback: what is sent, what each answer leads to, and what is kept in between."""

import json
import os
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tickctl.adapters.auth_api import AuthApi
from tickctl.adapters.session_file import SessionFile
from tickctl.adapters.signed_in import MARGIN, current_session, end_session, keep_session
from tickctl.core.auth import AuthSession, SecondFactor
from tickctl.core.secret import Secret
from tickctl.errors import ConfigurationError, CredentialsRefusedError, InvalidInputError, UnreachableError

API_KEY = Secret("sb_publishable_for_these_tests")
PASSWORD = Secret("correct horse \u2013 battery")
USER_ID = "6f1f1c2e-0d3b-4b57-9d3e-0a4f1c7c9a11"
NOW = 1_800_000_000.0
SESSION = AuthSession(
    user_id=USER_ID,
    email="ada@example.com",
    access_token=Secret("header.payload.signature-0"),
    refresh_token=Secret("refresh-0"),
    expires_at=NOW + 3600,
    second_factor=SecondFactor.NONE,
)
FACTOR_ID = "5b1d8a3e-7d2f-4c55-9f3f-0a4f1c7c9a22"
CHALLENGE_ID = "9c3f6a10-7d2f-4c55-9f3f-0a4f1c7c9a44"
OVER = (400, {"code": "refresh_token_already_used", "message": "m"})


@dataclass
class FakeAuth:
    """Gives out numbered sessions, or the answers that a test has put in line; keeps what it was sent."""

    url: str = ""
    answers: list[tuple[int, object]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    user_id: str = USER_ID

    def answer(self, path: str, headers: dict[str, str], body: Any) -> tuple[int, object]:
        """Return status and body."""
        self.requests.append((path, headers, body))
        if self.answers:
            return self.answers.pop(0)
        if path.startswith("/auth/v1/logout"):
            return 204, None
        if path == "/auth/v1/resend":
            return 200, {}
        if path.endswith("/challenge"):
            return 200, {"id": CHALLENGE_ID, "type": "totp", "expires_at": 5}
        return 200, self.session(len(self.requests))

    def session(self, number: int) -> dict[str, object]:
        """Return what signing in answers."""
        return {
            "access_token": f"header.payload.signature-{number}",
            "refresh_token": f"refresh-{number}",
            "expires_in": 3600,
            "user": {"id": self.user_id, "email": "ada@example.com"},
        }


@pytest.fixture
def fake() -> Iterator[FakeAuth]:
    """A running Auth server of the simplest kind."""
    auth = FakeAuth()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, members = auth.answer(self.path, headers, json.loads(body))
            text = b"" if members is None else members if isinstance(members, bytes) else json.dumps(members).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    auth.url = f"http://127.0.0.1:{server.server_port}"
    yield auth
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def api(fake: FakeAuth) -> AuthApi:
    """What speaks with it."""
    return AuthApi(fake.url, API_KEY, clock=lambda: NOW)


@pytest.fixture
def file(fake: FakeAuth, tmp_path: Path) -> SessionFile:
    """Where its session is kept."""
    return SessionFile(tmp_path / "state" / "sessions", fake.url)


def test_sign_in_sends_the_documented_request(fake: FakeAuth, api: AuthApi) -> None:
    """Address and password in the body, where no log of addresses keeps them."""
    session = api.sign_in("ada@example.com", PASSWORD)
    ((path, headers, body),) = fake.requests
    assert path == "/auth/v1/token?grant_type=password"
    assert headers["apikey"] == API_KEY.reveal()
    assert "authorization" not in headers
    assert body == {"email": "ada@example.com", "password": PASSWORD.reveal()}
    assert (session.user_id, session.email, session.expires_at) == (USER_ID, "ada@example.com", NOW + 3600)


def test_refresh_spends_the_refresh_token(fake: FakeAuth, api: AuthApi) -> None:
    """And nothing else is shown for it."""
    renewed = api.refresh(SESSION)
    ((path, headers, body),) = fake.requests
    assert path == "/auth/v1/token?grant_type=refresh_token"
    assert "authorization" not in headers
    assert body == {"refresh_token": "refresh-0"}
    assert renewed is not None
    assert renewed.refresh_token.reveal() == "refresh-1"


def test_second_factor_is_a_challenge_and_a_code(fake: FakeAuth, api: AuthApi) -> None:
    """Both as the user who has shown the password."""
    session = api.show_second_factor(replace(SESSION, authenticator=FACTOR_ID), Secret("123456"))
    challenge, verification = fake.requests
    assert challenge[0] == f"/auth/v1/factors/{FACTOR_ID}/challenge"
    assert verification[0] == f"/auth/v1/factors/{FACTOR_ID}/verify"
    assert verification[2] == {"challenge_id": CHALLENGE_ID, "code": "123456"}
    assert {headers["authorization"] for _, headers, _ in fake.requests} == {"Bearer header.payload.signature-0"}
    assert session.refresh_token.reveal() == "refresh-2"


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([(422, {"code": "mfa_verification_failed"})], CredentialsRefusedError),
        ([(200, b"<html>")], UnreachableError),
        ([(200, {"id": CHALLENGE_ID}), (422, {"code": "mfa_verification_failed"})], CredentialsRefusedError),
        ([(200, {"id": CHALLENGE_ID}), (200, b"<html>")], UnreachableError),
        ([(200, {"id": CHALLENGE_ID}), (500, b"")], UnreachableError),
    ],
    ids=["challenge refused", "challenge page", "code refused", "code page", "code outage"],
)
def test_half_a_second_factor_is_none(
    fake: FakeAuth, api: AuthApi, answers: list[tuple[int, object]], error: type[Exception]
) -> None:
    """Whatever is answered in its place."""
    fake.answers = answers
    with pytest.raises(error):
        api.show_second_factor(replace(SESSION, authenticator=FACTOR_ID), Secret("123456"))


def test_sign_out_ends_this_session_only(fake: FakeAuth, api: AuthApi) -> None:
    """The user's browser stays signed in."""
    api.sign_out(SESSION)
    ((path, headers, _),) = fake.requests
    assert path == "/auth/v1/logout?scope=local"
    assert headers["authorization"] == "Bearer header.payload.signature-0"


@pytest.mark.parametrize("code", ["session_not_found", "session_expired", "user_not_found"])
def test_session_that_is_over_is_signed_out(fake: FakeAuth, api: AuthApi, code: str) -> None:
    """There is nothing left to do."""
    fake.answers = [(403, {"code": code, "message": "m"})]
    api.sign_out(SESSION)
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, b"<html>Welcome</html>"), UnreachableError),
        ((200, {}), UnreachableError),
        ((200, {"code": "session_not_found"}), UnreachableError),
        ((403, {"code": "bad_jwt", "message": "m"}), CredentialsRefusedError),
        ((401, {"message": "Invalid API key"}), CredentialsRefusedError),
        ((503, b""), UnreachableError),
    ],
    ids=["page", "200", "200 with a code", "bad_jwt", "api key", "503"],
)
def test_only_auth_itself_ends_a_session(
    fake: FakeAuth, api: AuthApi, answer: tuple[int, object], error: type[Exception]
) -> None:
    """Whoever believes that a session is over doesn't look after it any more."""
    fake.answers = [answer]
    with pytest.raises(error):
        api.sign_out(SESSION)


def test_resend_asks_for_the_mail_of_a_sign_up(fake: FakeAuth, api: AuthApi) -> None:
    """With the publishable key alone."""
    api.resend_confirmation("ada@example.com")
    ((path, headers, body),) = fake.requests
    assert (path, body) == ("/auth/v1/resend", {"type": "signup", "email": "ada@example.com"})
    assert "authorization" not in headers


def test_web_page_sends_no_mail(fake: FakeAuth, api: AuthApi) -> None:
    """A captive portal answers 200 to everything."""
    fake.answers = [(200, b"<html>Welcome</html>")]
    with pytest.raises(UnreachableError):
        api.resend_confirmation("ada@example.com")


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
def test_no_error_holds_password_or_key(fake: FakeAuth, api: AuthApi, status: int) -> None:
    """Not even where the server echoes what it was sent."""
    fake.answers = [(status, {"message": PASSWORD.reveal(), "key": API_KEY.reveal()})]
    with pytest.raises(Exception, match=r".") as caught:
        api.sign_in("ada@example.com", PASSWORD)
    error = caught.value
    shown = f"{error!r} {getattr(error, 'hint', '')} {error.__cause__!r} {error.__context__!r}"
    assert PASSWORD.reveal() not in shown
    assert API_KEY.reveal() not in shown


def test_password_that_is_no_text_is_not_sent(fake: FakeAuth, api: AuthApi) -> None:
    """Bytes of another encoding arrive as lone surrogates."""
    with pytest.raises(InvalidInputError):
        api.sign_in("ada@example.com", Secret("\udcff"))
    assert fake.requests == []


def test_saved_session_comes_back(file: SessionFile) -> None:
    """All of it."""
    assert file.load() is None
    file.save(SESSION)
    assert file.load() == SESSION
    file.save(replace(SESSION, email=None, second_factor=SecondFactor.SHOWN))
    assert file.load() == replace(SESSION, email=None, second_factor=SecondFactor.SHOWN)
    assert file.remove()
    assert not file.remove()
    assert file.load() is None


def test_session_is_private(file: SessionFile) -> None:
    """Whatever the umask says."""
    before = os.umask(0)
    try:
        file.save(SESSION)
        with file.locked():
            modes = {path: stat.S_IMODE(path.stat().st_mode) for path in file.path.parent.iterdir()}
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o600}
    assert len(modes) == 2
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


def test_failed_save_leaves_the_session_before(file: SessionFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no half of the new one under any name."""
    file.save(SESSION)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigurationError, match="No space left"):
        file.save(replace(SESSION, refresh_token=Secret("refresh-1")))
    assert file.load() == SESSION
    assert [path.name for path in file.path.parent.iterdir()] == [file.path.name]


def test_projects_have_sessions_of_their_own(tmp_path: Path) -> None:
    """Also where only the port differs."""
    one, other = SessionFile(tmp_path / "s", "http://127.0.0.1:1"), SessionFile(tmp_path / "s", "http://127.0.0.1:2")
    one.save(SESSION)
    assert other.load() is None
    one.path.rename(other.path)
    with pytest.raises(ConfigurationError, match="something else"):
        other.load()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610])
def test_session_that_others_may_have_read_is_refused(file: SessionFile, mode: int) -> None:
    """And says how to mend it."""
    file.save(SESSION)
    file.path.chmod(mode)
    with pytest.raises(ConfigurationError, match="others") as caught:
        file.load()
    assert f"chmod 600 {file.path}" in str(caught.value.hint)


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_folder_that_others_may_enter_is_refused(file: SessionFile, mode: int) -> None:
    """For reading as for writing."""
    file.save(SESSION)
    file.path.parent.chmod(mode)
    for use in (file.load, lambda: file.save(SESSION)):
        with pytest.raises(ConfigurationError, match="not yours alone"):
            use()


def test_links_are_not_followed(file: SessionFile, tmp_path: Path) -> None:
    """Neither for reading nor for writing: what they lead to stays as it is."""
    file.save(SESSION)
    elsewhere = file.path.rename(tmp_path / "elsewhere")
    before = elsewhere.read_bytes()
    file.path.symlink_to(elsewhere)
    with pytest.raises(ConfigurationError, match="can't be used"):
        file.load()
    file.save(replace(SESSION, email="eve@example.com"))
    assert not file.path.is_symlink()
    assert elsewhere.read_bytes() == before


def test_session_of_another_account_is_refused(file: SessionFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even to be ended: whoever owns the file decides whose session it is."""
    file.save(SESSION)
    us = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: us + 1)
    with pytest.raises(ConfigurationError, match="not yours alone"):
        file.load()
    with pytest.raises(ConfigurationError, match="somebody else"):
        file.load(private=False)


def test_folder_that_is_a_link_is_refused(file: SessionFile, tmp_path: Path) -> None:
    """It may be turned elsewhere at any time."""
    file.save(SESSION)
    file.path.parent.symlink_to(file.path.parent.rename(tmp_path / "elsewhere"))
    with pytest.raises(ConfigurationError, match="not yours alone"):
        file.load()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000, b'{"form": 2}', b" " * 70_000])
def test_other_files_are_no_session(file: SessionFile, content: bytes) -> None:
    """They are left alone, and the way out is told."""
    file.save(SESSION)
    file.path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        file.load()
    assert "login --logout" in str(caught.value.hint)
    assert file.path.read_bytes() == content


def test_good_session_asks_nobody(fake: FakeAuth, api: AuthApi, file: SessionFile) -> None:
    """Until a minute before its end."""
    file.save(SESSION)
    assert current_session(file, api, now=SESSION.expires_at - MARGIN) == SESSION
    assert fake.requests == []


def test_nobody_signed_in_is_nobody(fake: FakeAuth, api: AuthApi, file: SessionFile) -> None:
    """And nothing is made on disk for it."""
    assert current_session(file, api, now=NOW) is None
    assert end_session(file, api, now=NOW) is None
    assert not file.path.parent.exists()
    assert fake.requests == []


def test_ending_session_is_renewed_and_kept(api: AuthApi, file: SessionFile) -> None:
    """The next command goes on with the new one."""
    file.save(SESSION)
    renewed = current_session(file, api, now=SESSION.expires_at - MARGIN + 1)
    assert renewed is not None
    assert renewed.refresh_token.reveal() == "refresh-1"
    assert file.load() == renewed


def test_two_commands_at_once_spend_one_refresh_token(fake: FakeAuth, api: AuthApi, file: SessionFile) -> None:
    """Spent twice, it would end the session for both."""
    file.save(replace(SESSION, expires_at=NOW))
    both = threading.Barrier(2)

    class Met(SessionFile):
        """Lets nobody go on before both have read the old session."""

        met = False

        def load(self, *, private: bool = True) -> AuthSession | None:
            session = super().load(private=private)
            if not self.met:
                self.met = True
                both.wait(10)
            return session

    def command() -> AuthSession | None:
        return current_session(Met(file.path.parent, fake.url), api, now=NOW)

    with ThreadPoolExecutor(2) as pool:
        sessions = [each.result(20) for each in [pool.submit(command) for _ in range(2)]]
    assert len(fake.requests) == 1
    assert sessions[0] == sessions[1] == file.load()


def test_session_that_is_over_says_to_sign_in_again(fake: FakeAuth, api: AuthApi, file: SessionFile) -> None:
    """The server has the last word."""
    file.save(replace(SESSION, expires_at=NOW))
    fake.answers = [OVER]
    with pytest.raises(CredentialsRefusedError, match="over") as caught:
        current_session(file, api, now=NOW)
    assert "sign in again" in str(caught.value.hint)


@pytest.mark.parametrize("answer", [(503, b""), (429, {}), (200, b"<html>"), (409, {"code": "conflict"})], ids=repr)
def test_trouble_while_renewing_leaves_the_session(
    fake: FakeAuth, api: AuthApi, file: SessionFile, answer: tuple[int, object]
) -> None:
    """When the network is back, the next command goes on."""
    ending = replace(SESSION, expires_at=NOW)
    file.save(ending)
    fake.answers = [answer]
    with pytest.raises(UnreachableError):
        current_session(file, api, now=NOW)
    assert file.load() == ending


def test_session_of_somebody_else_is_refused(fake: FakeAuth, api: AuthApi, file: SessionFile) -> None:
    """A mixed-up cache between us and the server must not change who we are."""
    file.save(replace(SESSION, expires_at=NOW))
    fake.user_id = "11111111-1111-4111-8111-111111111111"
    with pytest.raises(UnreachableError, match="somebody else"):
        current_session(file, api, now=NOW)


NEW = replace(SESSION, access_token=Secret("header.payload.signature-9"), refresh_token=Secret("refresh-9"))


def test_new_session_ends_the_one_that_it_replaces(fake: FakeAuth, api: AuthApi, file: SessionFile) -> None:
    """Whoever signs in each morning would leave an open session behind each day."""
    keep_session(file, api, SESSION, now=NOW)
    assert fake.requests == []
    keep_session(file, api, NEW, now=NOW)
    assert file.load() == NEW
    ((path, headers, _),) = fake.requests
    assert path == "/auth/v1/logout?scope=local"
    assert headers["authorization"] == "Bearer header.payload.signature-0"


@pytest.mark.parametrize("content", [None, "{}"], ids=["session", "rubbish"])
def test_new_session_is_kept_whatever_becomes_of_the_old_one(
    fake: FakeAuth, api: AuthApi, file: SessionFile, content: str | None
) -> None:
    """A server in trouble, or a file that is no session."""
    file.save(SESSION)
    if content is not None:
        file.path.write_text(content)
    fake.answers = [(503, b"")]
    keep_session(file, api, NEW, now=NOW)
    assert file.load() == NEW


def test_session_that_cannot_be_kept_is_ended(
    fake: FakeAuth, api: AuthApi, file: SessionFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else would; the one before stays."""
    file.save(SESSION)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigurationError, match="No space left"):
        keep_session(file, api, NEW, now=NOW)
    ((path, headers, _),) = fake.requests
    assert path == "/auth/v1/logout?scope=local"
    assert headers["authorization"] == "Bearer header.payload.signature-9"
    assert file.load() == SESSION


def test_place_that_is_not_private_is_told_before_a_password_is_asked_for(file: SessionFile) -> None:
    """What can't be kept isn't begun."""
    file.path.parent.mkdir(parents=True)
    file.path.parent.chmod(0o755)
    with pytest.raises(ConfigurationError, match="not yours alone"):
        file.prepare()
    file.path.parent.chmod(0o700)
    file.prepare()


def test_logout_ends_the_session_here_and_there(fake: FakeAuth, api: AuthApi, file: SessionFile) -> None:
    """In this order: what could not be ended there is gone here nevertheless."""
    file.save(SESSION)
    assert end_session(file, api, now=NOW) is True
    assert file.load() is None
    assert [path for path, _, _ in fake.requests] == ["/auth/v1/logout?scope=local"]


def test_logout_renews_an_expired_session_to_end_it(fake: FakeAuth, api: AuthApi, file: SessionFile) -> None:
    """The refresh token would live on otherwise."""
    file.save(replace(SESSION, expires_at=NOW))
    assert end_session(file, api, now=NOW) is True
    assert [path.split("/")[-1] for path, _, _ in fake.requests] == [
        "token?grant_type=refresh_token",
        "logout?scope=local",
    ]
    assert fake.requests[1][1]["authorization"] == "Bearer header.payload.signature-1"


def test_logout_of_a_session_that_is_over_is_complete(fake: FakeAuth, api: AuthApi, file: SessionFile) -> None:
    """Nothing is left of it anywhere."""
    file.save(replace(SESSION, expires_at=NOW))
    fake.answers = [OVER]
    assert end_session(file, api, now=NOW) is True
    assert file.load() is None


@pytest.mark.parametrize("answer", [(503, b""), (401, {"message": "Invalid API key"})], ids=repr)
def test_logout_removes_the_file_also_without_the_server(
    fake: FakeAuth, api: AuthApi, file: SessionFile, answer: tuple[int, object]
) -> None:
    """And does not claim more than it did."""
    file.save(SESSION)
    fake.answers = [answer]
    assert end_session(file, api, now=NOW) is False
    assert not file.path.exists()


def test_logout_ends_a_session_that_others_may_have_read(fake: FakeAuth, api: AuthApi, file: SessionFile) -> None:
    """That one most of all."""
    file.save(SESSION)
    file.path.chmod(0o644)
    file.path.parent.chmod(0o755)
    assert end_session(file, api, now=NOW) is True
    assert len(fake.requests) == 1
    assert not file.path.exists()


def test_logout_removes_a_file_that_is_no_session(api: AuthApi, file: SessionFile) -> None:
    """It stands in the way of the next one."""
    file.save(SESSION)
    file.path.write_text("{}")
    assert end_session(file, api, now=NOW) is False
    assert not file.path.exists()
