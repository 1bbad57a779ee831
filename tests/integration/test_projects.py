"""Living projects that tickctl is installed into: they work as before, are safe, and can be left again."""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from quota_support import Database
from schema_support import connected
from tickctl.adapters import schema
from tickctl.adapters.schema import StepKind
from tickctl.adapters.schema_check import Result, check

PROJECTS = Path(__file__).parents[1] / "projects"
CASES = json.loads((PROJECTS / "cases.json").read_text())
_SIGN_UP = """
insert into auth.users (id, instance_id, aud, role, email, raw_app_meta_data, raw_user_meta_data, created_at)
values (%s, '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated', %s, '{}', %s, now())
"""


def sign_up(database: Database, email: str) -> str:
    """Sign a user up as Supabase Auth does, under its role; returns the id."""
    user_id = str(uuid.uuid4())
    name = f"name_{user_id[:8]}"
    with database.superuser() as connection, connection.transaction():
        connection.execute("set local role supabase_auth_admin")
        connection.execute("set local search_path = auth")
        metadata = json.dumps({"name": name, "full_name": name, "username": name})
        connection.execute(_SIGN_UP, [user_id, email, metadata])
    return user_id


class Living:
    """A project with two confirmed users."""

    def __init__(self, database: Database, name: str) -> None:
        self.database = database
        with connected(database) as connection:
            connection.execute((PROJECTS / f"{name}.sql").read_bytes())
        self.users = {}
        for number in (1, 2):
            self.users[number] = sign_up(database, f"user{number}@example.com")
        with database.superuser() as connection:
            connection.execute("update auth.users set email_confirmed_at = now()")

    def outcome(self, attempt: Mapping[str, Any]) -> str:
        """Do something as a role, as a request does; returns `ok:VALUE` or the SQLSTATE."""
        try:
            if attempt["as"] == "signup":
                sign_up(self.database, f"{uuid.uuid4()}@example.com")
                return "ok"
            return self._as_role(attempt)
        except psycopg.Error as error:
            return f"{error.sqlstate} {error.diag.message_primary}"

    def _as_role(self, attempt: Mapping[str, Any]) -> str:
        user = self.users[attempt.get("user", 1)]
        claims = {"role": attempt["as"], "aud": "authenticated", "sub": user}
        statement = attempt["sql"].replace("{1}", self.users[1]).replace("{2}", self.users[2])
        with psycopg.connect(self.database.superuser_url) as connection, connection.transaction():
            connection.execute("select set_config('role', %s, true)", [attempt["as"]])
            connection.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
            connection.execute("select set_config('search_path', 'public, extensions', true)")
            cursor = connection.execute(statement.encode())
            row = cursor.fetchone() if cursor.description else None
        return "ok" if row is None else f"ok:{row[0]}"

    def differences(self, attempts: list[Mapping[str, Any]]) -> list[tuple[str, str]]:
        """Return which attempts end otherwise than they must."""
        found = [(attempt, self.outcome(attempt)) for attempt in attempts]
        return [
            (attempt.get("sql", attempt["as"]), outcome)
            for attempt, outcome in found
            if outcome.partition(":" if ":" not in attempt["is"] else "\0")[0].partition(" 4")[0][: len(attempt["is"])]
            != attempt["is"]
        ]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_living_project_works_as_before_is_safe_and_can_be_left(
    bare_database: Database, case: Mapping[str, Any]
) -> None:
    """Adopted on a Friday afternoon: nothing breaks, the proof tells the truth, and removing gives everything back."""
    project = Living(bare_database, case["name"])
    before = case.get("before", [])
    assert project.differences(before) == []
    with connected(bare_database) as connection:
        rows = connection.execute("select count(*) from public.profiles").fetchone()
        plan = schema.plan(connection)
        said = json.dumps([(step.text, step.fix) for step in plan.steps])
        assert [word for word in case.get("plan", []) if word not in said] == [], said
        assert plan.blockers == ()
        assert schema.apply(connection, expected=plan) == plan
        assert project.differences(before) == []
        assert project.differences(case.get("refused", [])) == []
        again = schema.plan(connection)
        assert {step.kind for step in again.steps} <= {StepKind.NOTE}, again
        if "check" in case:
            findings = check(connection)
            broken = [f for f in findings if f.result is Result.BROKEN]
            unknown = [f for f in findings if f.result is Result.UNKNOWN]
            assert bool(broken) == (case["check"] == 1), [(f.id, f.detail) for f in broken]
            assert broken or not unknown, unknown
        schema.remove(connection)
        assert connection.execute("select count(*) >= %s from public.profiles", [rows[0]]).fetchone() == (True,)
        assert connection.execute("select to_regnamespace('tick')").fetchone() == (None,)
    assert project.differences(before) == []
