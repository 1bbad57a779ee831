"""What `tickctl demo` shows: the main job on real parts, in a folder that is gone afterwards.

Everything shown is done: the commands run as processes of their own against a real PostgreSQL, and each answer is
held to what it must be.
"""

import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.run import Run
from tickctl.cli.open.backend import open_home
from tickctl.core.json import Json

if TYPE_CHECKING:
    from tickctl.adapters.embedded import Server

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@example.com"
DEFAULT_LIMIT = 32
RAISED_LIMIT = 200
CONNECTIONS = 8
REQUESTS = 400


def perform(run: Run) -> ExitCode:
    """Go through the whole of it; NO if anything turned out otherwise than it must."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tickctl-demo-") as folder:
        stage = Stage(run, Path(folder))
        stage.say(f"A real PostgreSQL, in {folder} for the length of this demo.")
        database = open_home(run, stage.home, durable=False)
        with database.use() as server:
            _users(stage)
            alice = _tokens(stage)
            _concurrency(stage, server, alice)
            _limits(stage, server, alice)
    seconds = time.monotonic() - began
    stage.say(f"Done in {seconds:.0f} s; {folder} is removed. Next: tickctl local add-user you@example.com")
    if run.json:
        run.output.document({"ok": not stage.failures, "failures": stage.failures, "seconds": round(seconds, 1)})
    for failure in stage.failures:
        run.output.warning(failure)
    return ExitCode.NO if stage.failures else ExitCode.YES


@dataclass
class Stage:
    """Narrates, types commands, and notes what did not turn out as it must."""

    run: Run
    folder: Path
    failures: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        """The embedded database's folder."""
        return self.folder / "home"

    def say(self, text: str) -> None:
        """Tell what comes."""
        if not self.run.json:
            self.run.output.text()
            self.run.output.paragraph(text, first="# ")
            sys.stdout.flush()

    def type(
        self,
        line: str,
        *,
        stdin: str | None = None,
        expect: ExitCode = ExitCode.YES,
        shown: str = "",
        hidden: bool = False,
    ) -> str:
        """Run `tickctl <line>` as a process, show it as typed, and return its standard output."""
        quiet = hidden or self.run.json
        if not quiet:
            self.run.output.text(f"$ {shown or 'tickctl ' + line}")
            sys.stdout.flush()
        result = subprocess.run(  # noqa: S603 - our own interpreter and our own words
            [sys.executable, "-m", "tickctl", *shlex.split(line)],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env=self._environment(),
        )
        if not quiet:
            self.run.output.text(result.stdout.rstrip("\n"))
        self.check(
            result.returncode == expect,
            f"'tickctl {line}' ended with {result.returncode}, not {int(expect)}: {result.stderr.strip()}",
        )
        return result.stdout

    def check(self, holds: bool, otherwise: str) -> None:
        """Note a failure unless something holds."""
        if not holds:
            self.failures.append(otherwise)

    def _environment(self) -> dict[str, str]:
        clean = {
            name: value for name, value in self.run.environ.items() if not name.startswith(("SUPABASE_", "TICKCTL_"))
        }
        clean |= {"TICKCTL_HOME": str(self.home)}
        if self.run.output.style.terminal:
            clean |= {"FORCE_COLOR": "1", "COLUMNS": str(self.run.output.width)}
            if not self.run.output.style.colour:
                clean |= {"NO_COLOR": "1"}
        return clean


def _users(stage: Stage) -> None:
    stage.say("Three users: one as most are, one who never confirmed the e-mail, one who is blocked.")
    stage.type(f"local add-user {ALICE}")
    stage.type(f"local add-user {BOB} --unconfirmed")
    stage.type(f"local add-user {CAROL}")
    stage.type(f"quota set {CAROL} 0 --reason 'blocked for the demo'")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A user's token and the claims that verification found in it."""

    token: str
    claims: dict[str, Json]


def _tokens(stage: Stage) -> SignedIn:
    stage.say("Access tokens, as Supabase mints them: a good one, the same in two hours, tampered with, unconfirmed.")
    alice = stage.type(f"local token {ALICE}", hidden=True)
    piped = f"tickctl local token {ALICE} | tickctl verify-token -"
    stage.type("verify-token -", stdin=alice, shown=piped)
    later = (datetime.now(UTC) + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    stage.type(f"verify-token - --at {later}", stdin=alice, expect=ExitCode.NO, shown=f"{piped} --at {later}")
    stage.type(
        "verify-token -",
        stdin=_tampered(alice),
        expect=ExitCode.NO,
        shown=f"tickctl local token {ALICE} | sed 's/\\../.X/' | tickctl verify-token -",
    )
    bob = stage.type(f"local token {BOB}", hidden=True)
    stage.type(
        "verify-token -", stdin=bob, expect=ExitCode.NO, shown=f"tickctl local token {BOB} | tickctl verify-token -"
    )
    verdict = json.loads(stage.type("verify-token - --json", stdin=alice, hidden=True))
    return SignedIn(alice.strip(), verdict["claims"])


def _tampered(token: str) -> str:
    """Change the first character of the payload, as the `sed` that is shown does."""
    header, payload, signature = token.split(".")
    return f"{header}.X{payload[1:]}.{signature}"


def _concurrency(stage: Stage, server: "Server", alice: "SignedIn") -> None:
    stage.say(f"{REQUESTS} requests of 1 tick at once over {CONNECTIONS} connections, at a limit of {DEFAULT_LIMIT}.")
    decisions = _consume(server, alice, REQUESTS)
    for decision, count in decisions.most_common():
        if not stage.run.json:
            stage.run.output.text(f"{decision}\t{count}")
    stage.check(decisions["granted"] == DEFAULT_LIMIT, f"admitted {decisions['granted']}, not {DEFAULT_LIMIT}")
    stage.type(f"quota show {ALICE}")


def _consume(server: "Server", alice: "SignedIn", requests: int) -> Counter[str]:
    """Consume one tick `requests` times, as the gateway would with this user's token; count the decisions."""
    from tickctl.adapters.postgres import PostgresFunctions
    from tickctl.core.quota import SignedInUser, consume
    from tickctl.core.secret import Secret

    caller = SignedInUser(claims=alice.claims, token=Secret(alice.token))
    with ExitStack() as stack:
        url = Secret(server.url(user="authenticator"))
        connections = [stack.enter_context(PostgresFunctions(url)) for _ in range(CONNECTIONS)]

        def work(connection: PostgresFunctions) -> list[str]:
            return [str(consume(connection, caller, 1).decision) for _ in range(requests // CONNECTIONS)]

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            return Counter(decision for result in pool.map(work, connections) for decision in result)


def _limits(stage: Stage, server: "Server", alice: "SignedIn") -> None:
    stage.say("More for Alice; it holds from her next request on.")
    stage.type(f"quota set {ALICE} {RAISED_LIMIT} --reason 'beta tester'")
    decisions = _consume(server, alice, 80)
    stage.check(decisions["granted"] == 80, f"of 80 requests {decisions['granted']} were admitted")  # noqa: PLR2004
    stage.say("Everybody, Alice's days (the past ones made up), and who changed what.")
    _made_up_past(server)
    stage.type("quota list")
    stage.type(f"quota history {ALICE} --days 8")
    stage.type("quota audit-log")


def _made_up_past(server: "Server") -> None:
    import psycopg

    with psycopg.connect(server.url()) as connection:
        connection.execute(
            "insert into public.user_daily_usage (user_id, usage_date, ticks_used)"
            " select id, (now() at time zone 'UTC')::date - day, (array[18, 32, 7, 0, 25, 31, 12])[day]"
            " from auth.users, generate_series(1, 7) as day where email = %s",
            [ALICE],
        )
