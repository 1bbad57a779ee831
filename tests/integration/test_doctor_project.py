"""What doctor asks a project: little, without anything secret, and with an open ear for every kind of answer."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate

import pytest

from http_support import Received, TestServer, http, serving
from quota_support import Database
from standin import StandIn, standing_in
from standin.faults import Fault
from standin.keys import ProjectKeys, base64url
from tickctl.adapters.doctor.looks import attempt
from tickctl.adapters.doctor.project import (
    address,
    ask_auth,
    configured_keys,
    fetch_keys,
    missing_functions,
    user_headers,
)
from tickctl.adapters.project import jwks_url
from tickctl.core.doctor.facts import AuthAnswer, Keys, Problem, Unread
from tickctl.core.quota import PARAMETERS
from tickctl.core.secret import Secret
from tickctl.settings import Settings

KEY = {"apikey": "sb_publishable_x"}


@contextmanager
def answering(*answers: bytes) -> Iterator[TestServer]:
    """Serve these answers, one after the other, the last one again and again."""
    left = list(answers)

    def script(_server: TestServer, _line: object, _request: Received) -> bytes:
        return left.pop(0) if len(left) > 1 else left[0]

    with serving(script) as server:
        yield server


def settings_of(project: StandIn) -> Settings:
    """Return the settings of somebody who has the publishable key."""
    return Settings(supabase_url=project.url, anon_key=Secret(project.anon_key))


def headers_of(project: StandIn) -> dict[str, str]:
    """Return the headers that doctor sends."""
    headers = user_headers(settings_of(project))
    assert isinstance(headers, dict)
    return headers


def test_auth_tells_its_public_settings(standin: StandIn) -> None:
    """With the publishable key, in one request."""
    answer = ask_auth(standin.url, headers_of(standin))
    assert answer.accepted is True
    assert answer.settings is not None
    assert answer.settings["mailer_autoconfirm"] is False
    assert answer.seconds_apart == 0
    [request] = standin.faults.requests
    assert (request.method, request.path) == ("GET", "/auth/v1/settings")


def test_without_a_key_auth_is_only_there(standin: StandIn) -> None:
    """Its settings want one, and that it wants one says that it is there."""
    assert ask_auth(standin.url, None) == AuthAnswer(None, None, 0)
    with answering(http(200, b'{"name": "GoTrue"}')) as server:
        assert ask_auth(server.url, None) == AuthAnswer(None, None, None)


def test_key_that_auth_refuses(standin: StandIn) -> None:
    """The project is there, and doesn't know it."""
    assert ask_auth(standin.url, {"apikey": "sb_publishable_other"}).accepted is False


def test_secret_key_in_the_publishable_one_s_place_is_never_sent(standin: StandIn) -> None:
    """It is known by its looks, legacy keys as well."""
    for key in (standin.secret_key, standin.service_role_key):
        settings = Settings(supabase_url=standin.url, anon_key=Secret(key))
        found = user_headers(settings)
        assert isinstance(found, Problem)
        assert "secret" in found.message
        assert key not in f"{found}"
    assert standin.faults.requests == []
    assert user_headers(Settings(supabase_url=standin.url)) is None


@pytest.mark.parametrize("url", ["https://supabase.com/dashboard/project/x", "https://x.supabase.co/auth/v1"])
def test_address_of_something_else_is_known_by_its_looks(url: str) -> None:
    """The dashboard, or one service of the project."""
    assert isinstance(address(Settings(supabase_url=url)), Problem)
    assert address(Settings(supabase_url="https://abcdefghijklmnopqrst.supabase.co")) is None


@pytest.mark.parametrize("ahead", [-120, 0, 120])
def test_clocks_are_compared_by_the_date_header(ahead: int) -> None:
    """At least so far apart: the header has whole seconds, and the answer took its time."""
    moment = 1_800_000_000.5
    date = f"Date: {formatdate(int(moment) + ahead, usegmt=True)}"
    with answering(http(200, b"{}", date)) as server:
        apart = ask_auth(server.url, KEY, now=lambda: moment).seconds_apart
    assert apart == pytest.approx({-120: -119.5, 0: 0, 120: 119.5}[ahead])


@pytest.mark.parametrize("date", ["Date: yesterday", "X: y"])
def test_server_without_a_time_leaves_the_clock_open(date: str) -> None:
    """Nothing can be said of it."""
    with answering(http(200, b"{}", date)) as server:
        assert ask_auth(server.url, KEY).seconds_apart is None


Ask = Callable[[str], object]
ASKED: list[Ask] = [
    lambda url: ask_auth(url, KEY),
    lambda url: fetch_keys(f"{url}/keys"),
    lambda url: missing_functions(url, KEY),
]


@pytest.mark.parametrize("ask", ASKED)
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (http(404, b"{}"), Problem),
        (http(410, b"gone"), Problem),
        (http(429, b"{}"), Unread),
        (http(408, b"{}"), Unread),
        (http(500, b"{}"), Unread),
        (http(503, b"<html>"), Unread),
        (http(302, b"", "Location: https://elsewhere.example"), Unread),
        (b"", Unread),
    ],
)
def test_answers_that_are_none(ask: Ask, answer: bytes, kind: type) -> None:
    """A wrong address is wrong; a server in trouble leaves everything open."""

    def script(_server: TestServer, _line: object, _request: Received) -> bytes | None:
        return answer or None

    with serving(script) as server:
        assert isinstance(attempt(lambda: ask(server.url)), kind)


def test_nobody_at_the_address_leaves_everything_open() -> None:
    """A network that is down is no wrong setting."""
    with answering(b"") as server:
        url = server.url
    assert all(isinstance(attempt(lambda ask=ask: ask(url)), Unread) for ask in ASKED)


def test_settings_that_are_no_object_leave_everything_open() -> None:
    """A captive portal answers anything with 200."""
    with answering(http(200, b"<html>welcome</html>")) as server:
        assert isinstance(attempt(lambda: ask_auth(server.url, KEY)), Unread)


def test_published_keys_are_counted(database: Database) -> None:
    """Those that can be used; symmetric ones never."""
    with standing_in(database, keys=ProjectKeys(signing="ES256")) as project:
        url = jwks_url(settings_of(project))
        assert url is not None
        assert fetch_keys(url) == Keys(1)
    symmetric = {"kty": "oct", "alg": "HS256", "kid": "a", "k": base64url(b"0123456789abcdefghijklmnopqrstuv")}
    odd = json.dumps({"keys": [symmetric]}).encode()
    with answering(http(200, odd), http(200, b'{"keys": 1}')) as server:
        left_out = fetch_keys(server.url)
        assert (left_out.usable, len(left_out.notes)) == (0, 1)
        assert isinstance(attempt(lambda: fetch_keys(server.url)), Problem)


def test_configured_keys_are_read_alone() -> None:
    """Whatever else is configured, and without a request."""
    both = {"supabase_url": "https://nowhere.invalid", "jwt_secret": Secret("short")}
    assert configured_keys(Settings(jwks='{"keys": []}', **both)) == Keys(0)  # type: ignore[arg-type]
    assert isinstance(attempt(lambda: configured_keys(Settings(jwks="/nowhere"))), Problem)


def test_api_offers_the_functions(standin: StandIn) -> None:
    """It refuses to run each for nobody in particular, and so says that it is there."""
    assert missing_functions(standin.url, headers_of(standin)) == ()
    asked = {(request.method, request.path.partition("?")[0]) for request in standin.faults.requests}
    assert asked == {("GET", f"/rest/v1/rpc/{name}") for name in PARAMETERS}


def test_every_function_of_the_api_is_asked_for(database: Database) -> None:
    """With the parameters that have no default, by which PostgREST finds it."""
    with database.owner() as connection:
        rows = connection.execute(
            "select proname, proargnames[1:pronargs - pronargdefaults] as required from pg_proc as p"
            " where pronamespace = 'public'::regnamespace and prosrc ~ 'tick[.]'"
        ).fetchall()
    assert {row["proname"]: tuple(row["required"] or ()) for row in rows} == dict(PARAMETERS)


def test_api_that_has_not_read_the_schema_again_is_told(standin: StandIn) -> None:
    """Some functions are known, and the one that is new isn't: `schema apply` has it read again."""
    with standin.database.owner() as connection:
        connection.execute("drop function public.tick_admin_members")
        connection.execute("notify pgrst, 'reload schema'")
    assert missing_functions(standin.url, headers_of(standin)) == ("tick_admin_members",)


def test_api_without_the_functions(bare_database: Database) -> None:
    """What isn't installed, or not exposed, is not found."""
    with standing_in(bare_database) as project:
        assert missing_functions(project.url, headers_of(project)) == tuple(PARAMETERS)


def test_api_that_refuses_the_key(standin: StandIn) -> None:
    """The key is wrong, whatever there is behind it."""
    found = attempt(lambda: missing_functions(standin.url, {"apikey": "sb_publishable_other"}))
    assert isinstance(found, Problem)
    assert "refuses" in found.message


def test_api_that_lets_nobody_in_particular_in_is_none() -> None:
    """Something else answers there."""
    with answering(http(200, b"[]")) as server:
        assert isinstance(attempt(lambda: missing_functions(server.url, KEY)), Unread)


def test_api_in_trouble_leaves_it_open(standin: StandIn) -> None:
    """Behind it the database may be down."""
    with standin.faults.troubled(Fault(hang_up=True), "/rest"):
        assert isinstance(attempt(lambda: missing_functions(standin.url, headers_of(standin))), Unread)
