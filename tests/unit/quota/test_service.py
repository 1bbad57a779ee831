"""The calls of the core, against functions that answer what the test says."""

import base64
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime

import pytest

from tickctl.core.json import JsonObject
from tickctl.core.quota import Caller, QuotaAdmin, QuotaState, ServiceRole, consume, refund_digest
from tickctl.core.quota.rows import Row, read
from tickctl.core.quota.service import Cursor
from tickctl.core.secret import Secret
from tickctl.errors import InvalidInputError, NotFoundError, UnreachableError

STATE: JsonObject = {
    "user_id": "00000000-0000-4000-8000-000000000001",
    "email": "ada@example.com",
    "email_confirmed": True,
    "daily_tick_limit": 32,
    "usage_date": "2026-11-23",
    "ticks_used": 5,
    "ticks_granted": 0,
    "ticks_remaining": 27,
    "resets_at": "2026-11-24T01:00:00+01:00",
    "time_zone": "UTC",
}
OVERVIEW: JsonObject = {
    **STATE,
    "email_confirmed_at": "2026-01-02T03:04:05+00:00",
    "created_at": "2026-01-01T00:00:00+00:00",
    "last_sign_in_at": None,
    "banned_until": None,
    "is_anonymous": False,
    "sessions": 1,
    "list_key": "ada@example.com",
}
CONSUMPTION: JsonObject = {
    "decision": "granted",
    "charge_id": "00000000-0000-4000-8000-000000000002",
    "daily_tick_limit": 32,
    "ticks_granted": 0,
    "ticks_used": 5,
    "ticks_remaining": 27,
    "usage_date": "2026-11-23",
    "resets_at": "2026-11-24T00:00:00+00:00",
    "now": "2026-11-23T12:00:00.25+00:00",
}


class Canned:
    """Answers what it was given, and remembers what it was asked."""

    def __init__(self, *answers: Sequence[JsonObject] | Exception) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, JsonObject, Caller]] = []

    def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Give the next answer."""
        self.calls.append((name, arguments, caller))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return list(answer)


def test_a_state_is_read_field_by_field() -> None:
    """Instants become UTC however they were written."""
    state = QuotaAdmin(Canned([STATE]), "op").show("ada@example.com")
    assert state.resets_at == datetime(2026, 11, 24, tzinfo=UTC)
    assert state.resets_at.tzinfo is UTC
    assert state.usage_date == date(2026, 11, 23)
    assert state == read(QuotaState, STATE)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_id", None),
        ("user_id", 5),
        ("email", 5),
        ("email_confirmed", None),
        ("email_confirmed", 1),
        ("daily_tick_limit", "32"),
        ("daily_tick_limit", True),
        ("ticks_used", None),
        ("ticks_used", 5.0),
        ("ticks_used", "5"),
        ("usage_date", "23.11.2026"),
        ("resets_at", "2026-11-24T00:00:00"),
        ("resets_at", "infinity"),
        ("resets_at", 0),
        ("time_zone", []),
    ],
)
def test_rubbish_is_no_answer(field: str, value: object) -> None:
    """Neither a yes nor a no is read out of a field of the wrong type."""
    with pytest.raises(UnreachableError, match=field):
        QuotaAdmin(Canned([{**STATE, field: value}]), "op").show("x")


@pytest.mark.parametrize("field", STATE)
def test_a_missing_field_is_no_answer(field: str) -> None:
    """A null is there; what is absent was never said."""
    row = {name: value for name, value in STATE.items() if name != field}
    with pytest.raises(UnreachableError, match=field):
        QuotaAdmin(Canned([row]), "op").show("x")


@pytest.mark.parametrize("field", [name for name in OVERVIEW if name not in {*STATE, "list_key"}])
def test_an_overview_has_all_of_its_fields(field: str) -> None:
    """As a state has."""
    assert QuotaAdmin(Canned([OVERVIEW]), "op").overview("x").sessions == 1
    row = {name: value for name, value in OVERVIEW.items() if name != field}
    with pytest.raises(UnreachableError, match=field):
        QuotaAdmin(Canned([row]), "op").overview("x")


@pytest.mark.parametrize("rows", [[], [STATE, STATE]])
def test_one_row_is_one_row(rows: list[JsonObject]) -> None:
    """Two states of one user would be one too many to believe."""
    with pytest.raises(UnreachableError, match="rows"):
        QuotaAdmin(Canned(rows), "op").show("x")


def test_an_unknown_decision_is_no_grant() -> None:
    """A database of another version may know more decisions than we do."""
    with pytest.raises(UnreachableError, match="decision"):
        consume(Canned([{**CONSUMPTION, "decision": "Granted"}]), ServiceRole(), 1)


def test_objects_are_objects() -> None:
    """What should be a JSON object is not read out of text."""
    with pytest.raises(UnreachableError, match="before"):
        Row({"before": "{}"}).mapping("before")


def test_consume_passes_on_what_it_was_given() -> None:
    """A digest goes with a key only."""
    functions = Canned([CONSUMPTION], [CONSUMPTION])
    digest = refund_digest(Secret("secret"))
    consume(functions, ServiceRole(), 5, charge_id="id")
    consume(functions, ServiceRole(), 5, "key", "digest", charge_id="id", refund=digest, require_confirmed=False)
    whole = {"request_key": "key", "request_digest": "digest", "refund_digest": digest}
    assert functions.calls == [
        ("consume_ticks", {"ticks": 5, "charge_id": "id", "require_confirmed": True}, ServiceRole()),
        ("consume_ticks", {"ticks": 5, "charge_id": "id", "require_confirmed": False, **whole}, ServiceRole()),
    ]


def test_each_charge_has_an_id_of_its_own() -> None:
    """Unless the caller knows better: the same id would be the same charge."""
    functions = Canned([CONSUMPTION], [CONSUMPTION])
    for _ in range(2):
        consume(functions, ServiceRole(), 5)
    assert len({str(arguments["charge_id"]) for _, arguments, _ in functions.calls}) == 2


def test_an_unknown_user_comes_with_suggestions_that_resemble() -> None:
    """The database gives candidates; the most similar are shown, at most three."""
    emails = ["alice@example.com", "alicia@example.com", "zoe@elsewhere.org", "alice2@example.com", "alce@example.com"]
    functions = Canned(NotFoundError("no such user"), [{"user_id": "x", "email": email} for email in emails])
    with pytest.raises(NotFoundError, match="alise@example") as caught:
        QuotaAdmin(functions, "op").show("alise@example.com")
    assert len(caught.value.suggestions) == 3
    assert caught.value.suggestions[0] == "alice@example.com"
    assert "zoe@elsewhere.org" not in caught.value.suggestions


def test_suggestions_that_fail_do_not_hide_the_answer() -> None:
    """The user is unknown all the same."""
    functions = Canned(NotFoundError("no such user"), UnreachableError("gone"))
    with pytest.raises(NotFoundError) as caught:
        QuotaAdmin(functions, "op").grant("x", 1)
    assert caught.value.suggestions == ()


def test_a_page_asks_for_one_more_and_does_not_show_it() -> None:
    """That is how it knows whether another follows."""
    functions = Canned([OVERVIEW, OVERVIEW, OVERVIEW])
    page = QuotaAdmin(functions, "op").list(limit=2)
    assert len(page.items) == 2
    assert page.next is not None
    assert functions.calls[0][1] == {"filter": "all", "search": None, "page_size": 3}
    assert Cursor.from_text(page.next) == Cursor("ada@example.com", str(STATE["user_id"]))


def test_the_cursor_goes_into_the_next_call() -> None:
    """As the place where the last page ended."""
    functions = Canned([])
    after = Cursor("", str(STATE["user_id"])).to_text()
    assert QuotaAdmin(functions, "op").list(after=after).next is None
    assert functions.calls[0][1]["after_key"] == ""
    assert functions.calls[0][1]["after_id"] == STATE["user_id"]


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "not base64!",
        "é",
        _encoded(None),
        _encoded([]),
        _encoded(["a"]),
        _encoded(["a", "not a uuid"]),
        _encoded([1, STATE["user_id"]]),
        _encoded([None, STATE["user_id"]]),
        _encoded(["a", 5]),
        _encoded({"a": 1, "b": 2}),
        _encoded("ab"),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b"\xff\xff").decode(),
        "A" * 100_001,
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(cursor: str) -> None:
    """Before anything is asked of the database."""
    functions = Canned()
    with pytest.raises(InvalidInputError, match="cursor"):
        QuotaAdmin(functions, "op").list(after=cursor)
    with pytest.raises(InvalidInputError, match="cursor"):
        QuotaAdmin(functions, "op").audit_log(after=cursor)
    assert functions.calls == []


@pytest.mark.parametrize("limit", [0, -1])
def test_a_list_of_nothing_is_refused(limit: int) -> None:
    """It could not say where it ended."""
    with pytest.raises(InvalidInputError):
        QuotaAdmin(Canned(), "op").list(limit=limit)


def test_the_operator_goes_with_every_change() -> None:
    """And a reason, if there is one."""
    functions = Canned([STATE], [STATE], [])
    admin = QuotaAdmin(functions, "op@host")
    admin.grant("x", 1, reason="why")
    admin.reset("x")
    admin.set_limits([])
    labels = [(arguments["operator"], arguments["reason"]) for _, arguments, _ in functions.calls]
    assert labels == [("op@host", "why"), ("op@host", None), ("op@host", None)]


def test_administrators_are_read_field_by_field() -> None:
    """Who, and since when; and whether a change changed anything."""
    member: JsonObject = {"user_id": STATE["user_id"], "email": None, "added_at": "2026-11-23T13:00:00+01:00"}
    change: JsonObject = {"user_id": STATE["user_id"], "email": "ada@example.com", "changed": False}
    functions = Canned([member], [change], [change])
    admin = QuotaAdmin(functions, "op@host")
    (found,) = admin.admins()
    assert (found.user_id, found.email) == (STATE["user_id"], None)
    assert found.added_at == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert not admin.add_admin("ada@example.com", reason="why").changed
    assert admin.remove_admin("x").email == "ada@example.com"
    assert [(name, arguments) for name, arguments, _ in functions.calls] == [
        ("tick_admin_members", {}),
        ("tick_admin_add", {"user_ref": "ada@example.com", "reason": "why", "operator": "op@host"}),
        ("tick_admin_remove", {"user_ref": "x", "reason": None, "operator": "op@host"}),
    ]


def test_the_place_of_a_page_s_last_user_must_be_there() -> None:
    """Without it the next page would begin anywhere."""
    row = {name: value for name, value in OVERVIEW.items() if name != "list_key"}
    with pytest.raises(UnreachableError, match="list_key"):
        QuotaAdmin(Canned([row, row]), "op").list(limit=1)


def test_importing_the_core_stays_light() -> None:
    """No database client, no HTTP client, no cryptography."""
    program = "import sys, tickctl.core.quota; print(*{'psycopg', 'httpx', 'jwt', 'cryptography'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
