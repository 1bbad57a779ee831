"""`tickctl gateway serve`: the gateway hook, to be tried out."""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tickctl.cli.console.quotas import limit_argument, limit_text
from tickctl.cli.console.run import BackendName, Run, command
from tickctl.cli.open.backend import choose, embedded, operator_name
from tickctl.errors import ConfigurationError, ConflictError, InvalidInputError

if TYPE_CHECKING:
    from types import ModuleType

    from tickctl.adapters.embedded import EmbeddedDatabase, Server
    from tickctl.core.quota import QuotaState
    from tickctl.core.secret import Secret
    from tickctl.gateway import Gate, Observation, Observer

DEMO_USER: Final = "demo@example.com"
STRANGER: Final = "new@example.com"
_MOST_REQUESTS: Final = 32
"""About so many requests spend what is left, in the commands that are shown."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    add = "tickctl gateway serve"
    command(app, "serve", backend=True, identity=False, examples=f"{add}\n{add} --limit 5\n{add} --port 0 --json")(
        serve
    )


def serve(
    run: Run,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", metavar="N", min=0, max=65535, help="Listen on this port of 127.0.0.1; 0 takes any that is free."
        ),
    ] = None,
    email: Annotated[str, typer.Option("--email", help="The user to have a token for; made if missing.")] = DEMO_USER,
    limit: Annotated[
        str | None, typer.Option("--limit", metavar="LIMIT", help="Set this user's daily limit first.")
    ] = None,
) -> None:
    """Try the gateway hook: a small service that lets POST /tasks through for ticks.

    It works on the embedded database, listens on 127.0.0.1 only (port 8000 if it is free, else another), prints
    requests that are ready to be pasted into another terminal, and then a line for each request that comes.

    Ctrl-C ends it, with exit code 0.
    """
    from tickctl.adapters.embedded.accounts import normalised

    _require_embedded(run)
    parts = _service()
    new_limit = limit_argument(limit) if limit is not None else None
    email = normalised(email)
    with parts.listen(port) as listening:
        database = embedded(run)
        with database.use() as server:
            state = _demo_user(run, server, email)
            if limit is not None:
                state = _limited(run, server, email, new_limit)
            token = _token(server, database, email)
            parts.show_errors(run.output.notice)

            def log(observation: "Observation") -> None:
                if (line := parts.access_line(observation)) is not None:
                    run.output.notice(line)

            gate = _gate(run, server, database, log)
            _answer(run, _Shown(f"http://{parts.LOOPBACK}:{listening.getsockname()[1]}", state, token))
            run.output.notice(
                "an application of your own runs on this database with the settings of 'tickctl local env'"
            )
            parts.serve(parts.build_service(gate), listening)
    run.output.notice("ended")


def _require_embedded(run: Run) -> None:
    """Refuse to seem to serve a project.

    Raises:
        InvalidInputError: another backend was asked for.
        ConfigurationError: a project is configured, and nobody said that it isn't meant.
    """
    if run.backend not in {BackendName.AUTO, BackendName.LOCAL}:
        raise InvalidInputError(
            "this is for trying things out on the embedded database only",
            hint="docs/GATEWAY.md shows how to put a gate before a service of yours",
        )
    if choose(run.settings, run.backend) is not BackendName.LOCAL:
        raise ConfigurationError(
            "a project is configured, and this works on the embedded database only",
            hint="say --backend local to try it there; docs/GATEWAY.md shows the way for a project",
        )


def _service() -> "ModuleType":
    try:
        from tickctl.cli.commands.gateway import service as gateway_app
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("tickctl"):
            raise
        raise ConfigurationError(
            f"{error.name} is not installed", hint="pip install 'tickctl[local,gateway]'"
        ) from None
    return gateway_app


def _demo_user(run: Run, server: "Server", email: str) -> "QuotaState":
    from tickctl.adapters.embedded import accounts

    try:
        accounts.add_user(server, email)
    except ConflictError:
        run.output.notice(f"the user is {email}, who was there before")
    else:
        run.output.notice(f"the user is {email}: new, with a confirmed e-mail")
    return _limited(run, server, email)


def _limited(run: Run, server: "Server", email: str, *limits: int | None) -> "QuotaState":
    """Set the limit, if there is one to set, and return what the user has."""
    from tickctl.adapters.postgres import PostgresFunctions
    from tickctl.core.quota import QuotaAdmin
    from tickctl.core.secret import Secret

    with PostgresFunctions(Secret(server.url())) as functions:
        quotas = QuotaAdmin(functions, operator_name(run.environ))
        for limit in limits:
            change = quotas.set_limit(email, limit, reason="tickctl gateway serve")
            run.output.notice(f"limit of {email} {limit_text(change.previous_limit)} -> {limit_text(limit)}")
        return quotas.show(email)


def _token(server: "Server", database: "EmbeddedDatabase", email: str) -> "_Token":
    from tickctl.adapters.embedded import accounts

    session = accounts.open_session(server, email)
    expires_at = session.claims["exp"]
    assert isinstance(expires_at, int)  # noqa: S101 - as it was written
    return _Token(accounts.sign(session.claims, database.jwt_secret()), datetime.fromtimestamp(expires_at, UTC))


def _gate(run: Run, server: "Server", database: "EmbeddedDatabase", observe: "Observer") -> "Gate":
    """Return the gate of a self-hosted database: a pool of connections as the API's login role."""
    from tickctl.adapters.embedded import LOCAL_ISSUER
    from tickctl.core.secret import Secret
    from tickctl.gateway import GateOptions, build_gate
    from tickctl.gateway.fastapi import not_carried_out
    from tickctl.settings import Settings

    if run.settings.allow_unconfirmed:
        run.output.warning("SUPABASE_ALLOW_UNCONFIRMED lets users in whose e-mail is not confirmed")
    settings = Settings(
        db_url=Secret(server.url(user="authenticator")),
        jwt_secret=database.jwt_secret(),
        jwt_issuer=LOCAL_ISSUER,
        confirmed_claim=run.settings.confirmed_claim,
        allow_unconfirmed=run.settings.allow_unconfirmed,
    )
    return build_gate(settings, options=GateOptions(refunds=not_carried_out), observe=observe)


@dataclass(frozen=True, slots=True)
class _Token:
    compact: "Secret"
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Shown:
    """What there is to tell before requests come."""

    url: str
    state: "QuotaState"
    token: _Token

    def curl(self, ticks: int, bearer: str = "$TOKEN", *, options: str = "-i") -> tuple[str, ...]:
        """Return a request, in parts that are to be joined or shown below each other."""
        return (
            f"curl {options} {self.url}/tasks",
            "-H 'Content-Type: application/json'",
            f'-H "Authorization: Bearer {bearer}"',
            f"-d '{{\"max_ticks\": {ticks}}}'",
        )

    def document(self) -> dict[str, object]:
        """Return the answer of `--json`."""
        compact = self.token.compact.reveal()
        return {
            "url": self.url,
            "user_id": self.state.user_id,
            "email": self.state.email,
            "daily_tick_limit": self.state.daily_tick_limit,
            "ticks_remaining": self.state.ticks_remaining,
            "token": compact,
            "expires_at": self.token.expires_at,
            "curl": " ".join(self.curl(1, compact)),
        }


def _answer(run: Run, shown: _Shown) -> None:
    if run.json:
        run.output.document(shown.document())
        return
    for line in _lines(run, shown):
        run.output.text(line)
    sys.stdout.flush()


def _lines(run: Run, shown: _Shown) -> list[str]:
    """Return the text for people; pasting any part of it does what the comment above says.

    Some shells take comments for commands when they are pasted, so there are no quotes and semicolons in them.
    """
    email, local = shown.state.email, " --backend local" if run.backend is BackendName.LOCAL else ""
    home = [f"export TICKCTL_HOME='{run.settings.home}'"] if run.settings.home else []
    return [
        f"# {shown.url} lets POST /tasks through for ticks. Ctrl-C ends it.",
        f"# {email} has {_ticks(shown.state.ticks_remaining)} left today.",
        "",
        "# Paste into another terminal. The token holds for an hour.",
        *home,
        f"TOKEN={shown.token.compact.reveal()}",
        *_broken(shown.curl(1)),
        "",
        *_spending(shown),
        "# A token that was tampered with: 401.",
        *_broken(shown.curl(1, "$(echo $TOKEN | sed 's/\\../.X/')")),
        "",
        "# Somebody who has not confirmed the e-mail: 403.",
        f"tickctl local add-user {STRANGER} --unconfirmed",
        *_broken(shown.curl(1, f"$(tickctl local token {STRANGER})")),
        "",
        "# More ticks from the next request on, the database away: 503, and back: 202.",
        f"tickctl quota set {email} 100{local}",
        "tickctl local stop",
        "tickctl local start",
        "",
        "# A new token, when that one is over.",
        f"TOKEN=$(tickctl local token {email})",
    ]


def _ticks(remaining: int | None) -> str:
    return f"{limit_text(remaining)} tick{'' if remaining == 1 else 's'}"


def _spending(shown: _Shown) -> list[str]:
    remaining = shown.state.ticks_remaining
    if not remaining:
        return []
    ticks = max(1, remaining // _MOST_REQUESTS)
    first, *further = _broken(shown.curl(ticks, options="-s -o /dev/null -w '%{http_code}\\n'"))
    return [
        "# All of it: 202 until nothing is left, then 429 with Retry-After, seen with -i.",
        f"for i in $(seq {-(-remaining // ticks) + 1}); do",
        f"  {first}",
        *(f"  {line}" for line in further),
        "done",
        "",
    ]


def _broken(parts: tuple[str, ...]) -> list[str]:
    """Return a command in lines that fit a terminal, whatever token is asked for in it."""
    address, kind, token, body = parts
    return [f"{address} \\", f"  {kind} {body} \\", f"  {token}"]
