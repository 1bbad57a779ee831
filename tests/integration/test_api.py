"""The port over HTTP: what is sent for each caller, what is shared and what is not, and what is repeated."""

import asyncio
import json
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from http_support import Received, TestServer, echo, http, serving
from tickctl.adapters.api import ApiFunctions, AsyncApiFunctions
from tickctl.adapters.api.address import rest_url
from tickctl.adapters.api.shared_http import REQUESTS
from tickctl.core.json import JsonObject
from tickctl.core.quota import READ_ONLY, Anonymous, Caller, ServiceRole, SignedInUser
from tickctl.core.secret import Secret
from tickctl.errors import ConfigurationError, CredentialsRefusedError, InvalidInputError, UnreachableError

PUBLISHABLE = Secret("sb_publishable_for_these_tests")
SECRET = Secret("sb_secret_for_these_tests")
# Payloads {"role":"anon"} and {"role":"service_role"}.
ANON = Secret("eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.c2lnbmF0dXJl")
SERVICE = Secret("eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl")
CALLERS = {"operator": ServiceRole(), "nobody": Anonymous()}


def user(name: str = "ada") -> SignedInUser:
    """Return a caller with a token of their own."""
    return SignedInUser(claims={"sub": name}, token=Secret(f"eyJhbGciOiJIUzI1NiJ9.e30.token-of-{name}"))


def call_and_wait(
    url: str, key: Secret, name: str, arguments: JsonObject, caller: Caller, **options: Any
) -> list[JsonObject]:
    """Call once, waiting."""
    with ApiFunctions(url, key, **options) as functions:
        return functions.call(name, arguments, caller=caller)


def call_in_a_loop(
    url: str, key: Secret, name: str, arguments: JsonObject, caller: Caller, **options: Any
) -> list[JsonObject]:
    """Call once, in an event loop."""

    async def call() -> list[JsonObject]:
        async with AsyncApiFunctions(url, key, **options) as functions:
            return await functions.call(name, arguments, caller=caller)

    return asyncio.run(call())


WAYS = [pytest.param(call_and_wait, id="waiting"), pytest.param(call_in_a_loop, id="loop")]
Way = Callable[..., list[JsonObject]]


@pytest.fixture(scope="module")
def echoing() -> Iterator[TestServer]:
    """A server that answers with what it received."""
    with serving(echo) as server:
        yield server


def sent(server: TestServer, key: Secret, caller: Caller, name: str = "my_ticks") -> dict[str, str]:
    """Return the headers that a call goes out with."""
    (row,) = call_and_wait(server.url, key, name, {}, caller)
    headers = row["headers"]
    assert isinstance(headers, dict)
    return headers


@pytest.mark.parametrize("way", WAYS)
def test_a_call_is_a_post_to_the_function(way: Way, echoing: TestServer) -> None:
    """With the arguments as one JSON object, for the schema that our functions are in."""
    arguments = {"ticks": 3, "request_key": "ü'\"\\😀", "nothing": None, "many": [{"a": [1.5, True]}]}
    (row,) = way(echoing.url, PUBLISHABLE, "consume_ticks", arguments, user())
    assert row["path"] == "/rest/v1/rpc/consume_ticks"
    assert row["body"] == arguments
    headers = row["headers"]
    assert isinstance(headers, dict)
    assert headers["content-type"] == headers["accept"] == "application/json"
    assert headers["content-profile"] == "public"
    assert headers["accept-encoding"] == "identity"


def test_an_address_with_a_slash_or_a_path_is_one(echoing: TestServer) -> None:
    """Self-hosted projects may lie under a path."""
    for path, wanted in [("/", ""), ("/supabase", "/supabase"), ("/supabase/", "/supabase")]:
        (row,) = call_and_wait(echoing.url + path, PUBLISHABLE, "my_ticks", {}, user())
        assert row["path"] == f"{wanted}/rest/v1/rpc/my_ticks"


@pytest.mark.parametrize("key", [PUBLISHABLE, ANON], ids=["publishable", "anon"])
def test_a_user_comes_with_the_own_token(echoing: TestServer, key: Secret) -> None:
    """The key says which project, the token who."""
    headers = sent(echoing, key, user())
    assert headers["apikey"] == key.reveal()
    assert headers["authorization"] == f"Bearer {user().token.reveal()}"


@pytest.mark.parametrize("key", [PUBLISHABLE, ANON], ids=["publishable", "anon"])
def test_nobody_comes_with_the_key_alone(echoing: TestServer, key: Secret) -> None:
    """PostgREST takes a call without a token for anon."""
    headers = sent(echoing, key, Anonymous())
    assert headers["apikey"] == key.reveal()
    assert "authorization" not in headers


def test_an_operator_comes_with_the_secret_key(echoing: TestServer) -> None:
    """New keys are no JWTs and would be refused as a token; from a legacy one PostgREST reads the role."""
    headers = sent(echoing, SECRET, ServiceRole())
    assert headers["apikey"] == SECRET.reveal()
    assert "authorization" not in headers
    headers = sent(echoing, SERVICE, ServiceRole())
    assert headers["apikey"] == SERVICE.reveal()
    assert headers["authorization"] == f"Bearer {SERVICE.reveal()}"


@pytest.mark.parametrize("name", sorted(READ_ONLY | {"consume_ticks"}))
def test_postgrest_is_made_to_count_lists(echoing: TestServer, name: str) -> None:
    """Else it would cut them off at its setting Max rows, and nobody would notice; counting needs no count."""
    assert (sent(echoing, SECRET, ServiceRole(), name).get("prefer") == "count=exact") is name.startswith("tick_admin")


def test_the_machine_s_particulars_are_not_sent(echoing: TestServer) -> None:
    """Which system and Python this is is nobody's business."""
    headers = sent(echoing, SECRET, ServiceRole())
    assert headers["user-agent"] == headers["x-client-info"] == "tickctl"


@pytest.mark.parametrize(
    "name", ["", "x/../../auth/v1/admin/users", "x?y=1", "my ticks", "Ä", 'a"b', "MY_TICKS", "my_ticks\n"]
)
def test_only_plain_names_are_called(echoing: TestServer, name: str) -> None:
    """Names are written by us; anything else is a mistake."""
    received = len(echoing.received)
    for called, arguments in [(name, {}), ("my_ticks", {name: 1})]:
        with pytest.raises(InvalidInputError):
            call_and_wait(echoing.url, SECRET, called, arguments, ServiceRole())
    assert len(echoing.received) == received


@pytest.mark.parametrize("way", WAYS)
def test_texts_that_are_no_utf8_are_refused(way: Way, echoing: TestServer) -> None:
    """Before anything is sent."""
    received = len(echoing.received)
    with pytest.raises(InvalidInputError) as caught:
        way(echoing.url, SECRET, "tick_admin_show", {"user_ref": "\ud800"}, ServiceRole())
    assert caught.value.__context__ is None
    assert len(echoing.received) == received


@pytest.mark.parametrize(
    ("key", "caller", "hint"),
    [
        (PUBLISHABLE, ServiceRole(), "SUPABASE_SECRET_KEY"),
        (ANON, ServiceRole(), "SUPABASE_SECRET_KEY"),
        (SECRET, user(), "SUPABASE_ANON_KEY"),
        (SERVICE, user(), "SUPABASE_ANON_KEY"),
        (SECRET, Anonymous(), "SUPABASE_ANON_KEY"),
        (SERVICE, Anonymous(), "SUPABASE_ANON_KEY"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_a_key_of_the_wrong_kind_goes_nowhere(echoing: TestServer, key: Secret, caller: Caller, hint: str) -> None:
    """A secret key with a user's call works until somebody puts it where users are."""
    received = len(echoing.received)
    with pytest.raises(ConfigurationError) as caught:
        call_and_wait(echoing.url, key, "my_ticks", {}, caller)
    assert hint in str(caught.value.hint)
    assert len(echoing.received) == received


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b",
        "a.b.c.d",
        "a.b.c\n",
        "a.b.c\r\nX-Role: admin",
        " a.b.c",
        "a.b.ü",
        "sb_secret_abc",
        "a.b." + "c" * 16384,
    ],
    ids=["empty", "word", "two", "four", "line break", "header", "space", "umlaut", "key", "long"],
)
def test_what_can_be_no_token_goes_nowhere(echoing: TestServer, token: str) -> None:
    """Least of all into a header."""
    received = len(echoing.received)
    with pytest.raises(CredentialsRefusedError):
        call_and_wait(echoing.url, PUBLISHABLE, "my_ticks", {}, SignedInUser(claims={}, token=Secret(token)))
    assert len(echoing.received) == received


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("", "empty"),
        (" sb_secret_abc", "spaces"),
        ("sb_secret_abc\n", "line breaks"),
        ("sb_secret_abc\r\nX-Role: x", "line breaks"),
        ("sb_secret_\u00e4bc", "characters"),
        ("sb_secret_abc\0", "characters"),
        ("sbp_0123456789abcdef", "none of Supabase's"),
        ("postgresql://postgres:pw@db.abc.supabase.co/postgres", "none of Supabase's"),
        ("secret", "none of Supabase's"),
        ("a.b.c", "none of Supabase's"),
        (user().token.reveal(), "neither the anon key"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYXV0aGVudGljYXRlZCJ9.c2ln", "neither the anon key"),
    ],
)
@pytest.mark.parametrize("kind", [ApiFunctions, AsyncApiFunctions])
def test_what_is_no_api_key_is_told_at_once(
    kind: type[ApiFunctions] | type[AsyncApiFunctions], key: str, words: str
) -> None:
    """And not repeated."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        kind("https://abcdefghijklmnopqrst.supabase.co", Secret(key))
    assert "abc" not in f"{caught.value} {caught.value.hint}"


def test_a_legacy_key_of_another_project_is_told_at_once() -> None:
    """It names its project; a custom domain or a self-hosted address can't be compared."""
    key = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJzdXBhYmFzZSIsInJlZiI6ImFiY2RlZmdoaWprbG1ub3BxcnN0Iiwicm9sZSI6ImFub24ifQ.c2ln"
    for url in ("https://abcdefghijklmnopqrst.supabase.co", "https://api.example.com", "http://localhost:54321"):
        ApiFunctions(url, Secret(key))
    with pytest.raises(ConfigurationError, match="another project"):
        ApiFunctions("https://zzzzzzzzzzzzzzzzzzzz.supabase.co", Secret(key))


@pytest.mark.parametrize(
    ("url", "words", "hint"),
    [
        ("http://abc.supabase.co", "not https", "loopback"),
        ("http://192.168.0.7:8000", "not https", "loopback"),
        ("ftp://abc.supabase.co", "not an https URL", "https://<project-ref>"),
        ("abc.supabase.co", "not an https URL", "https://<project-ref>"),
        ("abcdefghijklmnopqrst", "not an https URL", "https://<project-ref>"),
        ("https://", "not an https URL", "https://<project-ref>"),
        ("https://[::1", "not a URL", "https://<project-ref>"),
        ("https://abc.supabase.co:port", "not a URL", "https://<project-ref>"),
        ("postgresql://postgres:pw@db.abc.supabase.co/postgres", "not an https URL", "https://<project-ref>"),
        ("https://user:pw@abc.supabase.co", "credentials", "https://<project-ref>"),
        ("https://abc.supabase.co?apikey=x", "query", "https://<project-ref>"),
        ("https://abc.supabase.co#x", "fragment", "https://<project-ref>"),
        ("https://abc .supabase.co", "characters", "https://<project-ref>"),
        ("https://\u0430bc.supabase.co", "characters", "https://<project-ref>"),
        ("https://abc,supabase.co", "characters", "https://<project-ref>"),
        ("https://abc.supabase.co/`", "characters", "https://<project-ref>"),
        ("https://[::1%25lo]", "characters", "https://<project-ref>"),
        ("https://xn--a", "not a URL", "https://<project-ref>"),
        ("https://abc.supabase.co\n", "not a URL", "https://<project-ref>"),
        ("https://abc.supabase.co/rest/v1", "services", "/rest/v1"),
        ("https://abc.supabase.co/rest/v1/", "services", "/rest/v1"),
        ("https://abc.supabase.co/rest/v1/rpc/my_ticks", "services", "/rest/v1"),
        ("https://abc.supabase.co/auth/v1", "services", "/auth/v1"),
        ("http://127.0.0.1:54321/storage/v1", "services", "/storage/v1"),
        ("https://db.abcdefghijklmnopqrst.supabase.co", "database", "SUPABASE_DB_URL"),
        ("https://aws-0-eu-central-1.pooler.supabase.com:6543", "database", "SUPABASE_DB_URL"),
        ("https://supabase.com/dashboard/org/abc", "dashboard", "https://<project-ref>"),
        (
            "https://supabase.com/dashboard/project/abcdefghijklmnopqrst/settings/api-keys",
            "dashboard",
            "https://abcdefghijklmnopqrst.supabase.co",
        ),
        (
            "https://app.supabase.com/project/abcdefghijklmnopqrst",
            "dashboard",
            "https://abcdefghijklmnopqrst.supabase.co",
        ),
    ],
)
@pytest.mark.parametrize("kind", [ApiFunctions, AsyncApiFunctions])
def test_what_is_no_address_of_a_project_is_told_at_once(
    kind: type[ApiFunctions] | type[AsyncApiFunctions], url: str, words: str, hint: str
) -> None:
    """With the right one, where it can be known."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        kind(url, PUBLISHABLE)
    assert hint in str(caught.value.hint)
    assert "pw" not in f"{caught.value} {caught.value.hint}"


def test_addresses_of_this_machine_may_be_plain() -> None:
    """`supabase start` serves a project there."""
    for url in (
        "http://127.0.0.1:54321",
        "http://localhost:54321",
        "http://[::1]:54321",
        "https://xn--bcher-kva.example/x",
    ):
        assert rest_url(url) == f"{url}/rest/v1"


def test_calls_share_a_connection(echoing: TestServer) -> None:
    """Making one takes longer than a call."""
    received = len(echoing.received)
    with ApiFunctions(echoing.url, PUBLISHABLE) as functions:
        for _ in range(5):
            functions.call("my_ticks", {}, caller=user())
    assert len({request.connection for request in echoing.received[received:]}) == 1


def test_closed_functions_open_again(echoing: TestServer) -> None:
    """As with a direct connection; closing twice or unused is no mistake."""
    functions = ApiFunctions(echoing.url, PUBLISHABLE)
    functions.close()
    for _ in range(2):
        assert functions.call("my_ticks", {}, caller=user())
        functions.close()
        functions.close()


def test_closed_functions_of_a_loop_open_again(echoing: TestServer) -> None:
    """The same."""

    async def use() -> None:
        functions = AsyncApiFunctions(echoing.url, PUBLISHABLE)
        await functions.aclose()
        for _ in range(2):
            assert await functions.call("my_ticks", {}, caller=user())
            await functions.aclose()
            await functions.aclose()

    asyncio.run(use())


def test_connections_are_made_anew_before_servers_end_them(echoing: TestServer) -> None:
    """Not in the middle of other calls, as servers do."""
    received = len(echoing.received)

    async def use() -> None:
        async with AsyncApiFunctions(echoing.url, PUBLISHABLE, connections=1) as functions:
            for _ in range(REQUESTS + 1):
                await functions.call("my_ticks", {}, caller=user())

    asyncio.run(use())
    numbers = [request.connection for request in echoing.received[received:]]
    assert [numbers.count(number) for number in sorted(set(numbers))] == [REQUESTS, 1]


def test_no_call_is_hurt_when_connections_are_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The old ones are closed when their last call is over."""
    monkeypatch.setattr("tickctl.adapters.api.shared_http._Client.__init__.__defaults__", (3, 0))
    arrived, first_is_over = threading.Barrier(8), threading.Event()

    def answer(server: TestServer, line: socket.socket, request: Received) -> bytes:
        arrived.wait(10)
        if json.loads(request.body) != {"n": 0}:
            first_is_over.wait(10)
        return echo(server, line, request)

    async def use(url: str) -> list[list[JsonObject]]:
        async with AsyncApiFunctions(url, PUBLISHABLE) as functions:
            calls = [functions.call("consume_ticks", {"n": n}, caller=user()) for n in range(8)]
            first, *others = [asyncio.create_task(call) for call in calls]
            await first
            first_is_over.set()
            return [await first, *await asyncio.gather(*others)]

    with serving(answer) as server:
        answers = asyncio.run(use(server.url))
    assert [rows[0]["body"] for rows in answers] == [{"n": n} for n in range(8)]


def test_nobody_s_cookies_are_kept() -> None:
    """Not even for the same user's next call."""

    def answer(server: TestServer, line: socket.socket, request: Received) -> bytes:
        return http(200, b"{}", "Set-Cookie: session=of-ada; Path=/", "Set-Cookie: other=1")

    with serving(answer) as server, ApiFunctions(server.url, PUBLISHABLE) as functions:
        for name in ("ada", "eve", "ada"):
            functions.call("my_ticks", {}, caller=user(name))
    assert len(server.received) == 3
    assert all("cookie" not in request.headers for request in server.received)


def test_a_proxy_is_not_asked_about_this_machine(echoing: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is meant for the outside world."""
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert sent(echoing, PUBLISHABLE, user())


def test_a_proxy_that_is_none_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's, so its value, which may hold a password, is not repeated."""
    monkeypatch.setenv("ALL_PROXY", "gopher://user:pw@proxy.invalid")
    with pytest.raises(ConfigurationError, match="proxy") as caught:
        call_and_wait("https://abc.supabase.co", PUBLISHABLE, "my_ticks", {}, user())
    assert "pw" not in f"{caught.value!r} {caught.value.hint} {caught.value.__cause__!r}"


def test_tokens_of_simultaneous_calls_stay_apart() -> None:
    """Each caller gets the answer to the own token, whatever the order in which answers come."""
    arrived = threading.Barrier(8)

    def answer(server: TestServer, line: socket.socket, request: Received) -> bytes:
        arrived.wait(10)  # all are under way at once
        return echo(server, line, request)

    async def use(url: str) -> None:
        async with AsyncApiFunctions(url, PUBLISHABLE) as functions:

            async def call(name: str) -> None:
                (row,) = await functions.call("my_ticks", {"name": name}, caller=user(name))
                headers = row["headers"]
                assert isinstance(headers, dict)
                assert headers["authorization"] == f"Bearer {user(name).token.reveal()}"
                assert row["body"] == {"name": name}

            for turn in range(4):
                await asyncio.gather(*(call(f"u{turn}-{number}") for number in range(8)))

    with serving(answer) as server:
        asyncio.run(use(server.url))
        assert len({request.headers["authorization"] for request in server.received}) == 32
        assert server.connections == 8


def test_no_more_connections_are_made_than_allowed() -> None:
    """The rest waits its turn."""
    together = threading.Barrier(2)

    def answer(server: TestServer, line: socket.socket, request: Received) -> bytes:
        together.wait(10)
        return echo(server, line, request)

    async def use(url: str) -> None:
        async with AsyncApiFunctions(url, PUBLISHABLE, connections=2) as functions:
            await asyncio.gather(*(functions.call("my_ticks", {}, caller=user()) for _ in range(10)))

    with serving(answer) as server:
        asyncio.run(use(server.url))
        assert (len(server.received), server.connections) == (10, 2)


def test_threads_take_turns(echoing: TestServer) -> None:
    """One connection, many threads, no mixed-up answers."""
    seen: list[bool] = []
    with ApiFunctions(echoing.url, PUBLISHABLE) as functions:

        def work(name: str) -> None:
            for number in range(10):
                (row,) = functions.call("my_ticks", {"name": name, "number": number}, caller=user(name))
                seen.append(row["body"] == {"name": name, "number": number})

        threads = [threading.Thread(target=work, args=(f"u{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == [True] * 40


def test_a_cancelled_call_leaves_the_connection_to_the_others() -> None:
    """A client of the gateway may go away at any moment; its call is heard out, and the next one goes on from there."""
    arrived, go_on = threading.Event(), threading.Event()

    def answer(server: TestServer, line: socket.socket, request: Received) -> bytes:
        arrived.set()
        go_on.wait(10)
        return echo(server, line, request)

    async def use(url: str) -> JsonObject:
        async with AsyncApiFunctions(url, PUBLISHABLE, connections=1) as functions:
            gone = asyncio.create_task(functions.call("my_ticks", {"who": "ada"}, caller=user("ada")))
            await asyncio.to_thread(arrived.wait, 10)
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            go_on.set()
            (row,) = await functions.call("my_ticks", {"who": "eve"}, caller=user("eve"))
            return row

    with serving(answer) as server:
        assert asyncio.run(use(server.url))["body"] == {"who": "eve"}
        assert (len(server.received), server.connections) == (2, 1)


def breaking(times: int) -> Callable[[TestServer, socket.socket, Received], bytes | None]:
    """Return a script that hangs up on so many requests, and then answers."""
    left = [times]

    def answer(server: TestServer, line: socket.socket, request: Received) -> bytes | None:
        left[0] -= 1
        return None if left[0] >= 0 else echo(server, line, request)

    return answer


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", sorted(READ_ONLY))
def test_what_only_reads_is_asked_again(name: str, way: Way) -> None:
    """Once, when the connection breaks during the call."""
    with serving(breaking(1)) as server:
        assert way(server.url, SECRET, name, {"n": 1}, ServiceRole())[0]["body"] == {"n": 1}
        assert [request.body for request in server.received] == [b'{"n":1}'] * 2
    with serving(breaking(2)) as server, pytest.raises(UnreachableError, match="lost") as caught:
        way(server.url, SECRET, name, {}, ServiceRole())
    assert len(server.received) == 2
    assert caught.value.hint == "try again"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("tick_admin_set_limit", {"user_ref": "a", "new_limit": 1}),
        ("tick_admin_set_limits", {"entries": []}),
        ("tick_admin_grant", {"user_ref": "a", "ticks": 1}),
        ("tick_admin_reset", {"user_ref": "a"}),
        ("tick_admin_add", {"user_ref": "a"}),
        ("tick_admin_remove", {"user_ref": "a"}),
    ],
)
def test_what_writes_is_never_repeated(name: str, arguments: JsonObject, way: Way) -> None:
    """It may have been done."""
    with serving(breaking(1)) as server, pytest.raises(UnreachableError) as caught:
        way(server.url, SECRET, name, arguments, ServiceRole())
    assert len(server.received) == 1
    assert "look before repeating" in str(caught.value.hint)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("consume_ticks", {"ticks": 2, "charge_id": "c"}),
        ("consume_ticks", {"ticks": 2, "charge_id": "c", "request_key": "k", "request_digest": "d"}),
        ("settle_ticks", {"charge_id": "c", "ticks_actual": 0, "refund_secret": "s"}),
    ],
)
def test_what_counts_once_is_repeated_as_it_was(name: str, arguments: JsonObject, way: Way) -> None:
    """The charge id makes the second call the same as the first, so no tick is lost or given twice."""
    with serving(breaking(1)) as server:
        way(server.url, PUBLISHABLE, name, arguments, user())
    assert [json.loads(request.body) for request in server.received] == [arguments] * 2
    assert len({request.headers["authorization"] for request in server.received}) == 1


def test_an_answer_is_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage that answers gets no second request on top, and supabase-py's own repetitions are off."""
    for status in (500, 503, 504, 520):
        script = lambda _s, _l, _r, status=status: http(status)  # noqa: E731
        with serving(script) as server, pytest.raises(UnreachableError):
            call_and_wait(server.url, SECRET, "tick_admin_list", {}, ServiceRole())
        assert len(server.received) == 1


def test_functions_show_neither_key_nor_token() -> None:
    """Nor can they be carried away."""
    for functions in (
        ApiFunctions("https://abc.supabase.co", SECRET),
        AsyncApiFunctions("https://abc.supabase.co", SECRET),
    ):
        assert SECRET.reveal() not in f"{functions!r} {vars(functions)} {vars(functions).values()}"
        with pytest.raises(TypeError):
            pickle.dumps(functions)
