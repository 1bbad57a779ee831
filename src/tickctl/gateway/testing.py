"""A project in memory, for tests of an application behind the gate: users, their tokens, and the gate itself.

    project = MemoryProject()
    app = TickGate(app, protect={"POST /tasks"}, gate=project.gate())
    user = project.add_user(daily_tick_limit=5)
    client.post("/tasks", json={"max_ticks": 3}, headers=user.headers)
    assert user.ticks_used == 3

The gate is the real one; its store decides as the database does (`tickctl.core.quota.memory`). Refunds and settlements
are done when the answer comes. For tests only: the signing secret is made up for each project.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import jwt

from tickctl.core.json import JsonObject
from tickctl.core.quota import Anonymous, Caller, SettleOutcome, settle
from tickctl.core.quota.memory import MemoryFunctions, MemoryUser
from tickctl.core.secret import Secret
from tickctl.core.tokens import KeySet, Policy, StaticKeys
from tickctl.gateway.gate import Gate
from tickctl.gateway.observation import Observer
from tickctl.gateway.options import GateOptions
from tickctl.gateway.settling import Settler, done

__all__ = ["MemoryProject", "ProjectUser"]

ISSUER: Final = "https://project.example/auth/v1"
_LIFETIME: Final = 3600


class MemoryProject:
    """A Supabase project in memory.

    Args:
        clock: epoch seconds; `time.time`, which freezegun replaces, by default.
    """

    def __init__(self, *, clock: Callable[[], float] | None = None) -> None:
        self.clock = clock or (lambda: time.time())  # noqa: PLW0108 - looked up late, as freezegun replaces it
        self.functions = MemoryFunctions(clock=self.clock)
        self.jwt_secret = Secret(secrets.token_urlsafe(32))

    def add_user(self, **fields: Any) -> "ProjectUser":
        """Add a user who is signed in; `fields` are those of `MemoryUser`, such as `daily_tick_limit`."""
        account = MemoryUser(**fields)
        self.functions.users[account.id] = account
        return ProjectUser(account, self)

    def gate(self, *, options: GateOptions | None = None, observe: Observer | None = None) -> Gate:
        """Return a gate that admits the project's users.

        Args:
            options: how it judges and answers.
            observe: called with each decision, and again when the handler is done.
        """
        keys = StaticKeys(KeySet.from_secret(self.jwt_secret))
        policy = Policy(issuer=ISSUER)
        settler = _PromptSettler(self)
        return Gate(keys, policy, self, settler=settler, options=options, observe=observe, clock=self.clock)

    async def call(self, name: str, arguments: JsonObject, *, caller: Caller) -> list[JsonObject]:
        """Call a function of the database, as `AsyncSqlFunctions` has it."""
        return self.functions.call(name, arguments, caller=caller)


class _PromptSettler(Settler):
    """Settles before it returns, since nothing in memory has to be waited for."""

    def __init__(self, project: MemoryProject) -> None:
        super().__init__(project)
        self._functions = project.functions

    def submit(self, charge_id: str, ticks_actual: int, secret: Secret, *, is_certain: bool = True) -> None:
        del is_certain  # every answer arrives
        outcome = settle(self._functions, Anonymous(), charge_id, ticks_actual, secret).outcome
        self.settled += outcome is SettleOutcome.SETTLED
        self.lost += outcome is SettleOutcome.TOO_MANY_REFUNDS

    def settle(self, charge_id: str, ticks_actual: int, secret: Secret) -> asyncio.Future[None]:
        self.submit(charge_id, ticks_actual, secret)
        return done()


@dataclass(frozen=True, slots=True)
class ProjectUser:
    """A user of a project in memory.

    Attributes:
        account: what the project knows of the user; assign to its fields to change the user.
        project: to which the user belongs.
    """

    account: MemoryUser
    project: MemoryProject

    @property
    def token(self) -> str:
        """An access token as Supabase Auth signs them, valid for an hour."""
        return self.token_with()

    def token_with(self, **claims: Any) -> str:
        """Return a token with other claims, such as `exp`."""
        now = int(self.project.clock())
        own = {
            "iss": ISSUER,
            "sub": self.account.id,
            "aud": "authenticated",
            "exp": now + _LIFETIME,
            "iat": now,
            "email": self.account.email,
            "phone": "",
            "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": {"email": self.account.email, "email_verified": True},
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": now}],
            "session_id": self.account.session_id,
            "is_anonymous": False,
        }
        return jwt.encode(own | claims, self.project.jwt_secret.reveal(), algorithm="HS256")

    @property
    def headers(self) -> dict[str, str]:
        """The `Authorization` header of a request."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def ticks_used(self) -> int:
        """Ticks used today."""
        return self.account.used[self.project.functions.today]
