"""docs/SUPABASE_SETUP.md can be followed to the letter, in a new project and in one with hand-made tables."""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest

from cli_support import Result, environment
from guide_support import Shown, agrees, plain, shown, type_command, unsaid
from quota_support import Database
from schema_support import HAND_MADE, apply
from standin import PASSWORD, StandIn, standing_in
from standin.auth import AuthConfig
from terminal_support import converse

ROOT: Final = Path(__file__).parents[2]
PROJECTS: Final = ROOT / "tests" / "projects"
PAGE: Final = (ROOT / "docs" / "SUPABASE_SETUP.md").read_text()
ADMIN, USER, NEW = "admin@example.com", "user@example.com", "new@example.com"
NEW_PROJECT, HAND_MADE_TABLES = "new project", "hand-made tables"
_MARKED: Final = re.compile(r"<!-- project: ([\w-]+)(, installed)? -->\n(```console\n.*?```)", re.DOTALL)
"""A block that shows what a command prints in one of the projects of tests/projects."""
GUIDE: Final = shown(_MARKED.sub("", PAGE))
EXAMPLES: Final = [(name, bool(installed), shown(block)[0]) for name, installed, block in _MARKED.findall(PAGE)]


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

    def read(self, command: str) -> list[str]:
        """Run a command on a terminal; return what it prints, with the page's name for the project."""
        _, lines = type_command(command, self.folder, self.environment, 80)
        return [line.replace(self.project.url, "https://<project-ref>.supabase.co") for line in lines]

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


def unwrapped(lines: Iterable[str]) -> list[str]:
    """Return the steps of a plan, each on one line, without what only newer versions of PostgreSQL know."""
    return re.sub(r"\n {9,}", " ", "\n".join(lines)).replace("MAINTAIN, ", "").split("\n")


@pytest.fixture
def connection(bare_database: Database, tmp_path: Path) -> Iterator[Reader]:
    """A reader whose environment has the connection string of a project."""
    with standing_in(bare_database) as project:
        reader = Reader(project, tmp_path)
        reader.environment |= project.settings_env("connection")
        yield reader


@pytest.mark.parametrize("kind", [NEW_PROJECT, HAND_MADE_TABLES])
def test_the_guide_can_be_followed_to_the_letter(bare_database: Database, tmp_path: Path, kind: str) -> None:
    """Every command of it ends well, in its order; in a new project it prints what the page shows."""
    if kind == HAND_MADE_TABLES:
        bare_database.run(HAND_MADE)
    with standing_in(bare_database) as project:
        for email in (ADMIN, USER, NEW):
            project.add_user(email, confirmed=email != NEW)
        reader = Reader(project, tmp_path)
        for example in GUIDE:
            reader.do_before(example.command)
            if example.lines and kind == NEW_PROJECT:
                printed = reader.read(example.command)
                assert agrees(plain(example.lines), plain(printed)), "\n".join(printed)
            done = reader.type(example.command)
            assert done.code == 0, f"$ {example.command}\n{done.out}{done.err}"


@pytest.mark.parametrize(("name", "installed", "example"), EXAMPLES, ids=[f"{e[0]} {e[2].command}" for e in EXAMPLES])
def test_plans_of_projects_are_what_the_page_shows(
    connection: Reader, name: str, installed: bool, example: Shown
) -> None:
    """The projects of the examples are those of tests/projects."""
    connection.project.database.run((PROJECTS / f"{name}.sql").read_text())
    if installed:
        apply(connection.project.database)
    printed = connection.read(example.command)
    assert agrees(unwrapped(example.lines), unwrapped(printed)), "\n".join(printed)


def test_the_read_me_shows_what_check_says_of_hand_made_tables(connection: Reader) -> None:
    """The heart of the tool, on the page that everybody reads first."""
    connection.project.database.run(HAND_MADE)
    readme = (ROOT / "README.md").read_text()
    [example] = [each for each in shown(readme) if each.command == "tickctl schema check" and each.lines]
    printed = connection.read(example.command)
    assert agrees(plain(example.lines), plain(printed[1:])), "\n".join(printed)
    apply(connection.project.database)
    assert f"`{connection.read('tickctl schema check')[-1]}`" in readme


def test_every_message_of_the_troubleshooting_table_is_said_by_the_program() -> None:
    """A reader searches the page for what stands on the screen."""
    trouble = PAGE[re.search(r"^## \d+\. When something goes wrong$", PAGE, re.MULTILINE).start() :]  # type: ignore[union-attr] # it is there
    assert len(re.findall(r"^\| `", trouble, re.MULTILINE)) > 30
    assert unsaid(trouble) == []
