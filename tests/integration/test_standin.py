"""The stand-in for a Supabase project, as its clients see it; PostgREST's answers are in test_transcripts.py."""

import base64
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import httpx
import jwt
import pytest
from supabase_auth import SyncGoTrueAdminAPI, SyncGoTrueClient
from supabase_auth.errors import AuthApiError, AuthWeakPasswordError

from standin import PASSWORD, Fault, Project, ProjectKeys, Refused, StandIn, json_answer


def code_of(caught: pytest.ExceptionInfo[Refused]) -> tuple[int, str]:
    """Return the status and the stable code of a refusal."""
    return caught.value.status, caught.value.body.get("error_code") or caught.value.body["code"]


def claims_of(token: str) -> dict[str, Any]:
    """Read a token's payload, unverified."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert isinstance(claims, dict)
    return claims


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """A client that knows no proxies and no redirects."""
    with httpx.Client(trust_env=False) as made:
        yield made


# Through all of it


def test_user_signs_in_and_consumes(project: Project) -> None:
    """Through Auth, the gateway and PostgREST, into the database and back."""
    email = project.new_user()
    token = project.token(email)
    row = project.rest("POST", "/rpc/consume_ticks", {"ticks": 3, "charge_id": str(uuid.uuid4())}, token=token)
    assert (row["decision"], row["ticks_used"]) == ("granted", 3)
    assert project.auth("GET", "/user", token=token)["email"] == email


def test_users_read_their_own_rows_and_write_none(project: Project) -> None:
    """What front ends do, and what the browser's console must not."""
    email = project.new_user()
    token = project.token(email)
    (row,) = project.rest("GET", "/profiles?select=user_id,daily_tick_limit", token=token)
    assert row == {"user_id": project.id_of(email), "daily_tick_limit": 32}
    with pytest.raises(Refused) as caught:
        project.rest("PATCH", f"/profiles?user_id=eq.{row['user_id']}", {"daily_tick_limit": None}, token=token)
    assert code_of(caught) == (403, "42501")


def test_keys_of_both_kinds_are_of_one_worth(standin: StandIn) -> None:
    """The gateway turns the new ones into the roles that the legacy ones name."""
    standin.add_user("shown@example.com")
    asked = {"user_ref": "shown@example.com"}
    legacy = standin.service_role_key
    new = standin.rest("POST", "/rpc/tick_admin_show", asked, key=standin.secret_key)
    assert standin.rest("POST", "/rpc/tick_admin_show", asked, key=legacy, token=legacy) == new
    for key, token in ((standin.anon_key, ""), (standin.keys.legacy_anon, standin.keys.legacy_anon)):
        with pytest.raises(Refused) as caught:
            standin.rest("POST", "/rpc/tick_admin_show", asked, key=key, token=token)
        assert code_of(caught) == (401, "42501")


def test_functions_are_called_once(standin: StandIn, client: httpx.Client) -> None:
    """Also where it is to be counted how many rows there are in all."""
    email = standin.new_user()
    headers = {"apikey": standin.secret_key, "Prefer": "count=exact"}
    url = f"{standin.url}/rest/v1/rpc/tick_admin_grant"
    answer = client.post(url, headers=headers, json={"user_ref": email, "ticks": 5})
    assert (answer.headers["Content-Range"], answer.json()["ticks_granted"]) == ("0-0/1", 5)


def test_time_zone_of_the_client_changes_how_times_are_written(project: Project, client: httpx.Client) -> None:
    """And nothing else: the instant is the same, and so is the day."""
    token = project.token(project.new_user())
    headers = {"apikey": project.anon_key, "Authorization": f"Bearer {token}"}
    url = f"{project.url}/rest/v1/rpc/my_ticks"
    plain = client.post(url, json={}, headers=headers)
    there = client.post(url, json={}, headers={**headers, "Prefer": "timezone=Pacific/Kiritimati"})
    assert there.headers["Preference-Applied"] == "timezone=Pacific/Kiritimati"
    assert there.json()["resets_at"].endswith("+14:00")
    assert there.json()["usage_date"] == plain.json()["usage_date"]
    instants = {datetime.fromisoformat(answer.json()["resets_at"]) for answer in (plain, there)}
    assert len(instants) == 1


def test_version_12_words_it_in_its_own_way(make_standin: Callable[..., AbstractContextManager[StandIn]]) -> None:
    """Both are in use."""
    with make_standin(version=12) as standin:
        token = standin.token(standin.new_user())
        standin.clock.advance(3700)
        with pytest.raises(Refused) as caught:
            standin.rest("POST", "/rpc/my_ticks", {}, token=token)
        assert code_of(caught) == (401, "PGRST301")


def test_failures_that_would_be_repeated_for_ever_are_noted(standin: StandIn) -> None:
    """No function of ours may raise them."""
    standin.database.run(
        """
        create function public.stumble() returns void language plpgsql as
        $$ begin raise exception using errcode = '40001'; end $$;
        notify pgrst, 'reload schema';
        """
    )
    with pytest.raises(Refused):
        standin.rest("POST", "/rpc/stumble", {})
    assert standin.postgrest.repeated == ["/rpc/stumble"]
    standin.postgrest.repeated.clear()


def test_simultaneous_requests_get_exactly_what_is_left(standin: StandIn, client: httpx.Client) -> None:
    """Over several connections, as from a gateway."""
    token = standin.token(standin.new_user())
    headers = {"apikey": standin.anon_key, "Authorization": f"Bearer {token}"}

    def consume(_: int) -> str:
        answer = client.post(
            f"{standin.url}/rest/v1/rpc/consume_ticks",
            headers=headers,
            json={"ticks": 1, "charge_id": str(uuid.uuid4())},
        )
        return str(answer.json()["decision"])

    with ThreadPoolExecutor(12) as workers:
        decisions = Counter(workers.map(consume, range(48)))
    assert decisions == {"granted": 32, "quota_exhausted": 16}


# The gateway


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "No API key found in request"),
        ({"apikey": "sb_publishable_of_another_project"}, "Invalid API key"),
        # The words for this one are the stand-in's own.
        ({"apikey": "secret", "User-Agent": "Mozilla/5.0"}, ""),
    ],
    ids=["none", "unknown", "secret key in a browser"],
)
def test_requests_without_a_proper_key_stay_outside(
    project: Project, client: httpx.Client, headers: dict[str, str], message: str
) -> None:
    """Neither Auth nor PostgREST sees them."""
    sent = {name: value.replace("secret", project.secret_key) for name, value in headers.items()}
    for path in ("/auth/v1/settings", "/rest/v1/profiles"):
        answer = client.get(project.url + path, headers=sent)
        assert answer.status_code == 401
        assert message in answer.text


def test_public_keys_need_no_key(project: Project, client: httpx.Client) -> None:
    """Others verify tokens with them."""
    answer = client.get(project.url + "/auth/v1/.well-known/jwks.json")
    assert isinstance(answer.json()["keys"], list)


def test_secret_key_is_no_token(standin: StandIn) -> None:
    """It may stand in Authorization only beside itself."""
    with pytest.raises(Refused) as caught:
        standin.rest("POST", "/rpc/my_ticks", {}, token=standin.secret_key)
    assert code_of(caught) == (401, "PGRST301")


def test_tokens_are_signed_with_the_key_in_use(make_standin: Callable[..., AbstractContextManager[StandIn]]) -> None:
    """After a rotation to asymmetric keys anybody can verify them, PostgREST included."""
    with make_standin(keys=ProjectKeys("ES256")) as standin:
        standin.add_user("rotated@example.com")
        token = standin.token("rotated@example.com")
        (key,) = standin.auth("GET", "/.well-known/jwks.json")["keys"]
        claims = jwt.decode(token, jwt.PyJWK(key), algorithms=["ES256"], audience="authenticated")
        assert claims["iss"] == f"{standin.url}/auth/v1"
        assert standin.rest("POST", "/rpc/my_ticks", {}, token=token)["ticks_used"] == 0


# Auth


@pytest.mark.parametrize(
    ("confirmed", "password", "ban", "refusal"),
    [
        (True, "wrong " + PASSWORD, "none", "invalid_credentials"),
        (False, PASSWORD, "none", "email_not_confirmed"),
        (True, PASSWORD, "24h", "user_banned"),
    ],
)
def test_sign_in_is_refused(project: Project, confirmed: bool, password: str, ban: str, refusal: str) -> None:
    """Each for its reason."""
    email = project.new_user(confirmed=confirmed)
    project.change_user(project.id_of(email), ban_duration=ban)
    with pytest.raises(Refused) as caught:
        project.sign_in(email, password)
    assert code_of(caught) == (400, refusal)


def test_unknown_user_looks_like_a_wrong_password(project: Project) -> None:
    """Who has an account is nobody's business."""
    with pytest.raises(Refused) as caught:
        project.sign_in("nobody-of-that-name@example.com")
    assert code_of(caught) == (400, "invalid_credentials")


def test_refresh_token_counts_once(standin: StandIn) -> None:
    """The answer that got lost is given again; an older one ends the session for whoever holds it."""
    standin.add_user("rotates@example.com")
    first = standin.sign_in("rotates@example.com")["refresh_token"]
    second = standin.refresh(first)
    assert standin.refresh(first)["refresh_token"] == second["refresh_token"] != first
    third = standin.refresh(second["refresh_token"])["refresh_token"]
    standin.clock.advance(11)
    with pytest.raises(Refused) as caught:
        standin.refresh(first)
    assert code_of(caught) == (400, "refresh_token_already_used")
    with pytest.raises(Refused) as caught:
        standin.refresh(third)
    assert code_of(caught) == (400, "refresh_token_already_used")


def test_session_goes_on_after_a_refresh(project: Project) -> None:
    """Another token of the same session."""
    email = project.new_user()
    session = project.sign_in(email)
    refreshed = project.refresh(session["refresh_token"])
    before, after = claims_of(session["access_token"]), claims_of(refreshed["access_token"])
    assert (before["session_id"], before["sub"]) == (after["session_id"], after["sub"])
    assert project.auth("GET", "/user", token=refreshed["access_token"])["email"] == email


@pytest.mark.parametrize(("scope", "own_ends", "other_ends"), [("local", True, False), ("global", True, True)])
def test_sign_out_ends_sessions(project: Project, scope: str, own_ends: bool, other_ends: bool) -> None:
    """The token's own, or all of the user's."""
    email = project.new_user()
    own, other = project.sign_in(email), project.sign_in(email)
    project.auth("POST", f"/logout?scope={scope}", token=own["access_token"])
    for session, ended in ((own, own_ends), (other, other_ends)):
        if not ended:
            assert project.auth("GET", "/user", token=session["access_token"])["email"] == email
            continue
        with pytest.raises(Refused) as caught:
            project.auth("GET", "/user", token=session["access_token"])
        assert code_of(caught) == (403, "session_not_found")


def test_tokens_of_the_deleted_are_nobodys(project: Project) -> None:
    """The row decides, not the token."""
    email = project.new_user()
    token = project.token(email)
    project.auth("DELETE", f"/admin/users/{project.id_of(email)}", key=project.secret_key)
    with pytest.raises(Refused) as caught:
        project.auth("GET", "/user", token=token)
    assert code_of(caught) == (403, "user_not_found")


@pytest.mark.parametrize("token", ["a.b.c", "not a token", "eyJhbGciOiJub25lIn0.e30."])
def test_tokens_of_nobody_are_refused(project: Project, token: str) -> None:
    """By Auth as bad ones."""
    with pytest.raises(Refused) as caught:
        project.auth("GET", "/user", token=token)
    assert code_of(caught) == (403, "bad_jwt")


def test_administration_wants_the_secret_key(project: Project) -> None:
    """Users have none of it."""
    email = project.new_user()
    for token in ("", project.token(email)):
        with pytest.raises(Refused) as caught:
            project.auth("GET", "/admin/users", token=token)
        assert caught.value.status in {401, 403}


def test_confirmation_goes_to_those_who_wait_for_it(standin: StandIn) -> None:
    """Nobody learns who that is; and not twice a minute."""
    for email, confirmed in (("waits@example.com", False), ("confirmed@example.com", True)):
        standin.add_user(email, confirmed=confirmed)
    for email in ("waits@example.com", "confirmed@example.com", "unknown@example.com"):
        assert standin.auth("POST", "/resend", {"type": "signup", "email": email}) == {}
    assert standin.auth_server.mails.sent == ["waits@example.com"]
    with pytest.raises(Refused, match=r"only request this after \d+ seconds") as caught:
        standin.auth("POST", "/resend", {"type": "signup", "email": "waits@example.com"})
    assert code_of(caught) == (429, "over_email_send_rate_limit")
    standin.clock.advance(61)
    standin.auth("POST", "/resend", {"type": "signup", "email": "waits@example.com"})
    assert len(standin.auth_server.mails.sent) == 2


def test_hook_writes_the_claims(standin: StandIn) -> None:
    """The function of the project, called as Auth's role."""
    standin.database.run(
        """
        create schema hooks;
        create function hooks.stamp(event jsonb) returns jsonb language sql as
        $$ select jsonb_build_object('claims', event -> 'claims' || jsonb_build_object('by', current_user)) $$;
        grant usage on schema hooks to supabase_auth_admin;
        """
    )
    standin.auth_server.configure(access_token_hook="hooks.stamp")
    standin.add_user("stamped@example.com")
    assert claims_of(standin.token("stamped@example.com"))["by"] == "supabase_auth_admin"


def test_hook_that_fails_blocks_the_sign_in(standin: StandIn) -> None:
    """As at Supabase, where it must therefore not fail."""
    standin.auth_server.configure(access_token_hook="hooks.of_nobody")
    standin.add_user("blocked@example.com")
    with pytest.raises(Refused) as caught:
        standin.token("blocked@example.com")
    assert code_of(caught) == (500, "unexpected_failure")


def test_official_client_understands_it(standin: StandIn) -> None:
    """Sign-up, confirmation, sign-in, refresh and sign-out with Supabase's own library."""
    client = SyncGoTrueClient(url=f"{standin.url}/auth/v1", headers={"apikey": standin.anon_key}, persist_session=False)
    admin_headers = {"apikey": standin.secret_key, "Authorization": f"Bearer {standin.secret_key}"}
    admin = SyncGoTrueAdminAPI(url=f"{standin.url}/auth/v1", headers=admin_headers)
    credentials = {"email": "Client@Example.com", "password": PASSWORD}
    with pytest.raises(AuthWeakPasswordError):
        client.sign_up({"email": "weak@example.com", "password": "12345"})
    assert client.sign_up(credentials).session is None
    with pytest.raises(AuthApiError) as caught:
        client.sign_in_with_password(credentials)
    assert caught.value.code == "email_not_confirmed"
    (user,) = admin.list_users()
    admin.update_user_by_id(user.id, {"email_confirm": True})
    session = client.sign_in_with_password(credentials).session
    assert session is not None
    refreshed = client.refresh_session().session
    assert refreshed is not None
    assert refreshed.refresh_token != session.refresh_token
    client.sign_out()
    with pytest.raises(AuthApiError) as caught:
        client.get_user(refreshed.access_token)
    assert caught.value.code == "session_not_found"
    client.close()
    admin.close()


# Time and trouble


def test_tokens_expire_by_the_servers_clock(standin: StandIn) -> None:
    """Both servers say so, each in its way."""
    standin.add_user("late@example.com")
    token = standin.token("late@example.com")
    standin.clock.advance(3700)
    with pytest.raises(Refused) as caught:
        standin.rest("POST", "/rpc/my_ticks", {}, token=token)
    assert code_of(caught) == (401, "PGRST303")
    with pytest.raises(Refused) as caught:
        standin.auth("GET", "/user", token=token)
    assert code_of(caught) == (403, "bad_jwt")


def test_trouble_comes_where_it_is_ordered(standin: StandIn) -> None:
    """Below a path, for as long as wanted, before or after the work is done."""
    standin.add_user("troubled@example.com")
    token = standin.token("troubled@example.com")
    with standin.faults.troubled(Fault(json_answer(502, {"oh": "no"})), "/rest/v1"):
        with pytest.raises(Refused, match="502"):
            standin.rest("POST", "/rpc/consume_ticks", {"ticks": 1, "charge_id": str(uuid.uuid4())}, token=token)
        assert standin.auth("GET", "/health")["name"] == "GoTrue"
    for fault in (Fault(hang_up=True, after=True), Fault(cut=5)):
        with standin.faults.troubled(fault), pytest.raises(httpx.RemoteProtocolError):
            standin.rest("POST", "/rpc/consume_ticks", {"ticks": 1, "charge_id": str(uuid.uuid4())}, token=token)
    assert standin.rest("POST", "/rpc/my_ticks", {}, token=token)["ticks_used"] == 2


def test_connection_is_kept(standin: StandIn, client: httpx.Client) -> None:
    """One connection serves many requests."""
    ports = set()
    for _ in range(3):
        answer = client.get(f"{standin.url}/auth/v1/settings", headers={"apikey": standin.anon_key})
        ports.add(answer.extensions["network_stream"].get_extra_info("client_addr")[1])
    assert len(ports) == 1
