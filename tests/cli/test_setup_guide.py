"""docs/SUPABASE_SETUP.md can be followed to the letter, in a new project and in one with hand-made tables."""

import asyncio
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tickctl.adapters.gateway_identity import GatewayUser

from cli_support import Result, environment
from guide_support import unsaid
from quota_support import Database
from schema_support import HAND_MADE
from standin import PASSWORD, StandIn, standing_in
from standin.auth import AuthConfig
from terminal_support import converse
from tickctl.adapters.api import AsyncApiFunctions
from tickctl.core.quota import SettleOutcome
from tickctl.core.quota.asynchronous import settle
from tickctl.core.secrets import Secret
from tickctl.errors import CredentialsRefusedError
from tickctl.settings import load

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "SUPABASE_SETUP.md").read_text()
ADMIN, USER, NEW = "admin@example.com", "user@example.com", "new@example.com"
GATEWAY = "gateway@example.com"


def commands() -> list[str]:
    """Return the guide's commands in their order."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE, flags=re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def gateway_sql() -> str:
    """Return what the guide has typed into the SQL editor."""
    [block] = re.findall(r"```sql\n(.*?)```", PAGE, flags=re.DOTALL)
    return str(block)


class Reader:
    """Somebody who follows the guide: types its commands, and does by hand what it says to do by hand."""

    def __init__(self, project: StandIn, folder: Path) -> None:
        self.project = project
        self.folder = folder
        self.environment = environment(folder / "home")
        self.environment["PATH"] = f"{Path(sys.executable).parent}:{self.environment['PATH']}"

    def type(self, command: str) -> Result:
        """Run a command in the reader's shell, or on a terminal where it asks for the password."""
        if command == f"tickctl login {ADMIN}":
            return converse(command.split()[1:], {"Password: ": PASSWORD}, self.environment, cwd=self.folder)
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def do_before(self, command: str) -> None:
        """Do what the guide says to do between its commands."""
        project = self.project
        match command:
            case "tickctl schema apply --dry-run":
                self.fill_in("services/.env", SUPABASE_URL=project.url, SUPABASE_ANON_KEY=project.anon_key)
                self.fill_in("services/keys.env", SUPABASE_JWT_SECRET=project.jwt_secret)
                keys = {"SUPABASE_DB_URL": project.database_url or "", "SUPABASE_SECRET_KEY": project.secret_key}
                self.fill_in("keys.env", **keys)
            case "tickctl schema migration":
                (self.folder / "supabase").mkdir()
            case "tickctl verify-token --offline --file token.txt":
                project.auth_server.config = AuthConfig(access_token_hook="tick.access_token_hook")
                self.fill_in("services/.env", SUPABASE_CONFIRMED_CLAIM="email_confirmed_at")
                (self.folder / "token.txt").write_text(project.token(USER))
            case _ if command.startswith(f"tickctl quota set {GATEWAY} 0"):
                project.add_user(GATEWAY)
                with project.database.owner() as connection:
                    assert connection.execute(gateway_sql().encode()).fetchall() == [
                        {"email": GATEWAY, "role": "tick_gateway"}
                    ]

    def fill_in(self, file: str, **values: str) -> None:
        """Write values into a file of the guide."""
        with (self.folder / file).open("a") as stream:
            stream.writelines(f"{name}={value}\n" for name, value in values.items())


@pytest.fixture(params=["new project", "hand-made tables"])
def reader(request: pytest.FixtureRequest, bare_database: Database, tmp_path: Path) -> Iterator[Reader]:
    """A reader in an empty folder, and a project with three users."""
    if request.param == "hand-made tables":
        with bare_database.owner() as connection:
            connection.execute(HAND_MADE.encode())
    with standing_in(bare_database) as project:
        for email in (ADMIN, USER, NEW):
            project.add_user(email, confirmed=email != NEW)
        yield Reader(project, tmp_path)


def test_the_guide_can_be_followed_to_the_letter(reader: Reader) -> None:
    """Every command of it ends well, in its order."""
    for command in commands():
        reader.do_before(command)
        done = reader.type(command)
        assert done.code == 0, f"$ {command}\n{done.out}{done.err}"


def test_the_gateways_user_of_the_guide_may_settle(standin: StandIn) -> None:
    """With the variables that the guide names, and not before the guide's SQL has run."""
    variables = {"TICKCTL_GATEWAY_EMAIL": GATEWAY, "TICKCTL_GATEWAY_PASSWORD": PASSWORD}
    assert [name for name in variables if f"`{name}`" not in PAGE] == []
    settings = load(standin.settings_env("publishable") | variables, [])
    standin.add_user(GATEWAY)

    async def outcome() -> SettleOutcome:
        gateway = GatewayUser.from_settings(settings)
        assert gateway
        async with AsyncApiFunctions(standin.url, Secret(standin.anon_key)) as store:
            try:
                return (await settle(store, await gateway.caller(), str(uuid.uuid4()), 0)).outcome
            finally:
                await gateway.aclose()

    with pytest.raises(CredentialsRefusedError):
        asyncio.run(outcome())
    with standin.database.owner() as connection:
        connection.execute(gateway_sql().encode())
    assert asyncio.run(outcome()) is SettleOutcome.NOT_FOUND


def test_every_message_of_the_troubleshooting_table_is_said_by_the_program() -> None:
    """A reader searches the page for what stands on the screen."""
    trouble = PAGE[PAGE.index("## 11.") :]
    assert len(re.findall(r"^\| `", trouble, re.MULTILINE)) > 30
    assert unsaid(trouble) == []
