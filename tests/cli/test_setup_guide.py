"""docs/SUPABASE_SETUP.md can be followed to the letter, in a new project and in one with hand-made tables."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_support import Result, environment
from quota_support import Database
from schema_support import HAND_MADE
from standin import PASSWORD, StandIn, standing_in
from standin.auth import AuthConfig
from terminal_support import converse

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "SUPABASE_SETUP.md").read_text()
ADMIN, USER, NEW = "admin@example.com", "user@example.com", "new@example.com"


def commands() -> list[str]:
    """Return the guide's commands in their order."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE, flags=re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


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


def said() -> str:
    """Return every text that stands in the program, each on its own, and the SQL as it is."""
    source = ROOT / "src" / "tickctl"
    nodes = (node for file in source.rglob("*.py") for node in ast.walk(ast.parse(file.read_text())))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return "\n".join(texts + [file.read_text().replace("''", "'") for file in source.rglob("*.sql")])


def test_every_message_of_the_troubleshooting_table_is_said_by_the_program() -> None:
    """A reader searches the page for what stands on the screen."""
    trouble = PAGE[PAGE.index("## 10.") :]
    cells = [line.split("|")[1] for line in trouble.splitlines() if line.startswith("| `")]
    messages = [message for cell in cells for message in re.findall(r"`(.*?)`", cell)]
    parts = [part.strip() for message in messages for part in re.split("…|: ", message) if part.strip()]
    everything = said()
    assert [part for part in parts if part not in everything] == []
