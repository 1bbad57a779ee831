"""What the gate decides before it asks the store: how many requests of one user it takes at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from async_support import run, until
from tickctl.core.json import JsonObject
from tickctl.core.quota import Caller
from tickctl.gateway import Admission, Gate, GateOptions, GateRequest, RefusedError
from tickctl.gateway.testing import MemoryProject, ProjectUser


class HoldingProject(MemoryProject):
    """A project whose store leaves one user's calls unanswered until the test lets them go on."""

    def __init__(self) -> None:
        super().__init__()
        self.held: ProjectUser | None = None
        self.go_on = asyncio.Event()
        self.callers: list[str] = []

    async def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Call a function, at once or later."""
        self.callers.append(str(caller.claims["sub"]))
        if self.held is not None and self.callers[-1] == self.held.account.id:
            await self.go_on.wait()
        return await super().call(name, arguments, caller=caller)


async def at_once() -> bytes:
    """Give a body that is there."""
    return b'{"max_ticks": 1}'


def asking(gate: Gate, user: ProjectUser, body: Callable[[], Awaitable[bytes]] = at_once) -> asyncio.Task[Admission]:
    """Begin a request."""
    headers = [(b"authorization", user.headers["Authorization"].encode()), (b"content-type", b"application/json")]
    return asyncio.create_task(gate.admit(GateRequest("POST", "/tasks", b"", headers, body)))


@pytest.mark.parametrize("held_by", ["store", "body"])
def test_one_request_more_than_a_user_may_have_is_rejected_without_a_call(held_by: str) -> None:
    """Whether the others wait for the store or for their bodies; a second user is admitted meanwhile."""

    async def scene() -> None:
        project = HoldingProject()
        flooding, other = project.add_user(), project.add_user()
        bodies = 0

        async def body() -> bytes:
            nonlocal bodies
            bodies += 1
            await project.go_on.wait()
            return await at_once()

        project.held = flooding if held_by == "store" else None
        gate = project.gate(options=GateOptions(timeout=30))
        requests = [asking(gate, flooding, at_once if held_by == "store" else body) for _ in range(8)]
        await until(lambda: (len(project.callers) if held_by == "store" else bodies) == 8)
        callers = list(project.callers)
        for _ in range(100):
            with pytest.raises(RefusedError, match="too_many_at_once") as rejected:
                await asking(gate, flooding)
            assert rejected.value.problem.status == 429
            assert ("Retry-After", "1") in rejected.value.problem.headers
        assert project.callers == callers
        assert (await asking(gate, other)).user.id == other.account.id
        project.go_on.set()
        assert {admission.user.id for admission in await asyncio.gather(*requests)} == {flooding.account.id}
        assert flooding.ticks_used == 8
        assert (await asking(gate, flooding)).charge.ticks == 1

    run(scene)


def test_a_request_that_is_cancelled_leaves_room_for_another() -> None:
    """As one whose client has hung up in the middle of its body."""

    async def scene() -> None:
        project = HoldingProject()
        user = project.add_user()
        gate = project.gate(options=GateOptions(most_at_once=1))

        async def body() -> Any:
            await project.go_on.wait()

        held = asking(gate, user, body)
        await asyncio.sleep(0)
        with pytest.raises(RefusedError, match="too_many_at_once"):
            await asking(gate, user)
        held.cancel()
        await asyncio.wait([held])
        assert (await asking(gate, user)).user.id == user.account.id

    run(scene)
