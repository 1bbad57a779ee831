"""Applications are tested against a project in memory, with users admitted in two lines."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from freezegun import freeze_time
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tickctl.gateway import TickGate
from tickctl.gateway.fastapi import Ticks, protect
from tickctl.gateway.testing import MemoryProject


def application(status: int = 202) -> Starlette:
    """Return an application that answers with a status and who the user is."""

    async def create_task(request: Request) -> JSONResponse:
        return JSONResponse({"user": request.state.ticks.user.id}, status)

    return Starlette(routes=[Route("/tasks", create_task, methods=["POST"])])


@pytest.fixture
def project() -> MemoryProject:
    """A project without users."""
    return MemoryProject()


def gated(project: MemoryProject, status: int = 202) -> TickGate:
    """Return the application behind a gate."""
    return TickGate(application(status), protect={"POST /tasks"}, gate=project.gate())


def post(app: Any, headers: Mapping[str, str]) -> httpx.Response:
    """Send a task, on an event loop of its own."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway.example") as client:
            return await client.post("/tasks", json={"max_ticks": 3}, headers=headers)

    return asyncio.run(send())


def test_a_user_is_admitted_until_the_ticks_run_out(project: MemoryProject) -> None:
    """The ticks are there to look at after each request."""
    app, user = gated(project), project.add_user(daily_tick_limit=5)
    response = post(app, user.headers)
    assert (response.status_code, response.json()) == (202, {"user": user.account.id})
    assert user.ticks_used == 3
    rejected = post(app, user.headers)
    assert (rejected.status_code, rejected.json()["code"]) == (429, "quota_exhausted")
    assert user.ticks_used == 3


def test_a_failed_request_is_refunded_when_its_answer_comes(project: MemoryProject) -> None:
    """No background work has to be waited for, also on an event loop for each request."""
    user = project.add_user()
    assert post(gated(project, 500), user.headers).status_code == 500
    assert user.ticks_used == 0


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("email_confirmed", False, "email_not_confirmed"),
        ("is_banned", True, "user_banned"),
        ("is_deleted", True, "user_deleted"),
        ("is_signed_out", True, "session_revoked"),
        ("daily_tick_limit", 0, "cost_exceeds_limit"),
    ],
)
def test_a_changed_user_is_rejected(project: MemoryProject, field: str, value: object, code: str) -> None:
    """For the reason that the database would give."""
    user = project.add_user()
    setattr(user.account, field, value)
    assert post(gated(project), user.headers).json()["code"] == code


def test_another_project_signs_no_tokens_for_this_one(project: MemoryProject) -> None:
    """The verifier is the real one."""
    stranger = MemoryProject().add_user()
    assert post(gated(project), stranger.headers).json()["code"] == "bad_signature"


def test_days_follow_a_frozen_clock(project: MemoryProject) -> None:
    """Ticks are back at midnight, and a token expires after its hour."""
    app, user = gated(project), project.add_user(daily_tick_limit=3)
    with freeze_time(datetime(2026, 11, 23, 23, 30, tzinfo=UTC)) as clock:
        headers = user.headers
        assert post(app, headers).status_code == 202
        clock.tick(30 * 60)
        assert post(app, headers).status_code == 202
        assert user.ticks_used == 3
        clock.tick(3600)
        assert post(app, headers).json()["code"] == "expired"


def test_threads_settle_too(project: MemoryProject) -> None:
    """A `def` handler of FastAPI gives back what it didn't use."""
    app, user = FastAPI(), project.add_user()
    protect(app, gate=project.gate())

    @app.post("/tasks")
    def create_task(ticks: Ticks) -> None:
        ticks.charge.settle(1)

    assert post(app, user.headers).status_code == 200
    assert user.ticks_used == 1
