"""What tests of FastAPI applications share: an application behind a gate over a real database, served by uvicorn."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from asgi_support import Running, running
from gateway_support import UNHURRIED, gate_over, store_over, token_of
from quota_support import Database, User
from tickctl.gateway import Gate, GateOptions, Settler
from tickctl.gateway.fastapi import not_carried_out, protect


def gate_with_settler(database: Database) -> Gate:
    """Return a gate over PostgreSQL that gives charges back as `protect` has it."""
    store = store_over(database)
    settler = Settler(store, timeout=UNHURRIED)
    options = GateOptions(timeout=UNHURRIED, refunds=not_carried_out)
    return gate_over(database, store=store, settler=settler, options=options, close=store.aclose)


@dataclass
class Served:
    """An application that is served, and its database."""

    database: Database
    running: Running
    client: httpx.Client

    def send(
        self,
        user: User | None,
        method: str = "POST",
        path: str = "/tasks",
        *,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> httpx.Response:
        """Send a request for 3 ticks with a user's token; `options` are those of httpx."""
        sent = {"Authorization": f"Bearer {token_of(self.database, user)}"} if user else {}
        if not options.keys() & {"content", "json", "files"}:
            options["json"] = {"max_ticks": 3}
        return self.client.request(method, path, headers={**sent, **(headers or {})}, **options)

    def used(self, user: User) -> int:
        """Return the ticks that are counted as used today."""
        return sum(used for used, _ in self.database.ledger(user).values())


@contextmanager
def served(database: Database, app: Any, *, gated: bool = True, **config: Any) -> Iterator[Served]:
    """Serve an application for the length of a block.

    Args:
        database: where ticks are counted.
        app: the application.
        gated: whether `protect` is called here, which takes a FastAPI application; else the test has its own gate.
        config: settings of uvicorn.
    """
    if gated:
        protect(app, gate=gate_with_settler(database))
    with running(app, **config) as server:
        yield Served(database, server, server.client())
