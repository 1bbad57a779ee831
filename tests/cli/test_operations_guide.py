"""docs/OPERATIONS.md: for each symptom, the commands of the page say what stands there."""

import re
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import zip_longest
from socket import gethostname
from typing import Final, LiteralString

import pytest

from aws_support import EXAMPLE, FILLED, Operator, fill
from guide_support import DOCS, ROOT, agrees, plain, shown, type_command, unsaid
from posture_support import Account
from standin import StandIn
from standin.faults import Fault
from standin.http import json_answer
from strict_aws import Step
from strict_aws.faults import denial

PAGE: Final = (DOCS / "OPERATIONS.md").read_text()
COLUMNS: Final = 100
USER, NEW, ADMIN = "user@example.com", "new@example.com", "admin@example.com"
NEWER: Final = "amqps://gateway:newer@rabbitmq.internal:5671/"


def section(heading: str) -> str:
    """Return the text of a section, down to the next heading."""
    [text] = re.findall(rf"^###? {re.escape(heading)}\n(.*?)(?=^##|\Z)", PAGE, flags=re.DOTALL | re.MULTILINE)
    return str(text)


@dataclass
class Scene:
    """A machine of an operator whose project and AWS account are in order, until something is planted."""

    project: StandIn = field(repr=False)
    operator: Operator = field(repr=False)
    trouble: ExitStack = field(default_factory=ExitStack, repr=False)

    def set(self, file: str, **values: str) -> None:
        """Add values to an env file, or change them."""
        path = self.operator.folder / file
        before = path.read_text().splitlines() if path.exists() else []
        lines = [line for line in before if line.partition("=")[0] not in values]
        path.touch(mode=0o600)
        path.write_text("\n".join([*lines, *(f"{name}={value}" for name, value in values.items())]) + "\n")

    def keep_token(self, token: str) -> None:
        """Put a token where the page's commands look for it."""
        (self.operator.folder / "token.txt").write_text(token)

    def sql(self, statement: LiteralString, *values: str) -> None:
        """Do something in the database by hand."""
        with self.project.database.owner() as connection:
            connection.execute(statement.encode(), values)

    def run(self) -> Account:
        """Have everything run in AWS as it should, with what the files hold."""
        files = [self.operator.folder / "services" / name for name in (".env", "keys.env")]
        lines = [line for file in files for line in file.read_text().splitlines() if re.match(r"[A-Z_]+=", line)]
        account = Account(self.operator.aws, values=dict(line.split("=", 1) for line in lines))
        account.deploy()
        self.operator.aws.roll_out("gateway", Step.COMPLETED)
        return account

    def do(self, command: str) -> None:
        """Run a command that has to go well."""
        code, lines = self.type(command)
        assert code == 0, lines

    def type(self, command: str) -> tuple[int, list[str]]:
        """Run a command on a terminal; what is this run's own has the names of the page."""
        code, lines = type_command(command, self.operator.folder, self.environ, COLUMNS)
        host = self.project.url.removeprefix("http://")
        written = "\n".join(lines).replace(f"http://{host}", "https://<project-ref>.supabase.co")
        written = written.replace(host, "<project-ref>.supabase.co").replace(f"me@{gethostname()}", "me@laptop")
        return code, written.splitlines()

    @property
    def environ(self) -> dict[str, str]:
        """The environment of commands; the region is the profile's business, and a long name would fold lines."""
        return {**self.operator.environ, "AWS_REGION": "", "SUDO_USER": "me"}


@pytest.fixture
def scene(standin: StandIn, operator: Operator) -> Iterator[Scene]:
    """An operator with a project, its keys, and the profile of the page on secrets."""
    folder = operator.folder
    project = {"SUPABASE_URL": standin.url, "SUPABASE_ANON_KEY": standin.anon_key}
    password = {"TRANSLATION_API_PASSWORD": "correct-horse-battery"}
    unset = {"SUPABASE_CONFIRMED_CLAIM": ""}
    fill(folder, FILLED | project | password | unset | {"SUPABASE_JWT_SECRET": standin.jwt_secret})
    shutil.copy(EXAMPLE / "task-definition.json", folder)
    (folder / ".gitignore").write_text((EXAMPLE / ".gitignore").read_text() + "keys.env\n")
    [profiles] = re.findall(r"```toml\n(.*?)```", (DOCS / "SECRETS.md").read_text(), flags=re.DOTALL)
    [moved] = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    (folder / "tickctl.toml").write_text(profiles + moved)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    made = Scene(standin, operator)
    made.set("keys.env", SUPABASE_DB_URL=standin.database_url, SUPABASE_SECRET_KEY=standin.secret_key)
    for email in (USER, NEW):
        standin.add_user(email, confirmed=email != NEW)
    with made.trouble:
        yield made


def expired(scene: Scene) -> None:
    """A token of yesterday."""
    scene.project.clock.advance(-86400)
    token = scene.project.token(USER)
    scene.project.clock.advance(86400)
    scene.keep_token(token)


def other_files(scene: Scene) -> None:
    """Production has the right secret, and the operator's files another."""
    scene.run()
    wrong_secret(scene)


def unconfirmed(scene: Scene) -> None:
    """Somebody is signed in, and the address isn't confirmed."""
    scene.project.change_user(scene.project.id_of(NEW), email_confirm=True)
    scene.keep_token(scene.project.token(NEW))
    scene.sql("update auth.users set email_confirmed_at = null where email = %s", NEW)


def exhausted(scene: Scene) -> None:
    """A user has used up nearly everything."""
    charge = {"ticks": 30, "charge_id": str(uuid.uuid4())}
    scene.project.rest("POST", "/rpc/consume_ticks", charge, token=scene.project.token(USER))


def database_gone(scene: Scene) -> None:
    """Nobody listens where the database was, and a user has a good token."""
    scene.keep_token(scene.project.token(USER))
    scene.set("keys.env", SUPABASE_DB_URL="postgresql://postgres:gone@127.0.0.1:1/postgres")
    answer = {"code": "PGRST000", "message": "Could not query the database", "details": None, "hint": None}
    scene.trouble.enter_context(scene.project.faults.troubled(Fault(json_answer(503, answer)), "/rest/v1"))


def wrong_secret(scene: Scene) -> None:
    """The gateway has another secret than the project."""
    scene.keep_token(scene.project.token(USER))
    scene.set("services/keys.env", SUPABASE_JWT_SECRET="x1YbZc3aE5gI7kM9oQ2sU4wV6yA8bD0f")


def changed(scene: Scene) -> None:
    """Somebody has granted too much, a file has a newer value, and a limit is another."""
    scene.run()
    scene.sql("grant update on public.profiles to authenticated")
    scene.operator.write(RABBITMQ_URL=NEWER)
    limits_changed(scene)


def limits_changed(scene: Scene) -> None:
    """One user's limit was changed over a connection, and then by a signed-in administrator."""
    scene.do(f"tickctl quota set {USER} 200 --reason 'beta tester'")
    scene.project.add_admin(ADMIN)
    token = scene.project.token(ADMIN)
    scene.do(f"TICKCTL_ADMIN_TOKEN={token} tickctl quota set {USER} 50 --as user --reason 'end of beta'")


def denied_half_way(scene: Scene) -> None:
    """A value has changed, and the role may not deploy."""
    scene.run()
    scene.operator.write(RABBITMQ_URL=NEWER)
    refused = denial("ecs:UpdateService")
    scene.operator.aws.fail("UpdateService", refused.code, refused.message)


def rolled_back(scene: Scene) -> None:
    """A value has changed, with which no task starts."""
    scene.run()
    scene.operator.write(RABBITMQ_URL=NEWER)
    scene.operator.aws.roll_out("gateway", Step.IN_PROGRESS, Step.ROLLED_BACK)


def roll_out_again(scene: Scene) -> None:
    """From now on tasks start."""
    scene.operator.aws.roll_out("gateway", Step.IN_PROGRESS, Step.COMPLETED)


def unreadable(scene: Scene) -> None:
    """The execution role has lost its policy."""
    account = scene.run()
    account.iam.delete_role_policy(RoleName="gateway-execution", PolicyName="secrets")


def leaked(scene: Scene) -> None:
    """There is a new value, and an administrator."""
    scene.run()
    scene.operator.write(RABBITMQ_URL=NEWER)
    limits_changed(scene)


def running(scene: Scene) -> None:
    """All is well."""
    scene.run()


def older_schema(scene: Scene) -> None:
    """The database has the functions of another version."""
    scene.sql("update tick.migration set digest = 'old' where name like 'functions/%%'")


def nothing(_scene: Scene) -> None:
    """All stays as it is."""


# What has happened before the first commands of a section.
PLANTED: Final[dict[str, tuple[Callable[[Scene], None], ...]]] = {
    "A user is refused": (other_files,),
    "401: nobody knows who it is": (expired,),
    "403: known, and not allowed": (unconfirmed,),
    "429: nothing left": (exhausted,),
    "503: nobody can tell": (database_gone,),
    "It worked yesterday": (changed,),
    "The database is down": (database_gone,),
    "Nobody's token is good": (wrong_secret,),
    "A push failed half-way": (denied_half_way,),
    "A deployment was rolled back": (rolled_back, roll_out_again),
    "Tasks don't start": (unreadable,),
    "A secret has leaked": (leaked,),
    "Who changed this user's limit?": (limits_changed,),
    "Are we safe to launch?": (running,),
    "To another account or region": (nothing,),
    "Upgrading": (older_schema,),
}


def headings() -> list[str]:
    """Return the headings of the sections that have commands."""
    return [heading for heading in re.findall(r"^###? (.+)$", PAGE, flags=re.MULTILINE) if shown(section(heading))]


def test_every_section_with_commands_has_its_trouble() -> None:
    """And no trouble is left over."""
    assert headings() == list(PLANTED)


@pytest.mark.parametrize("heading", headings())
def test_the_commands_of_a_symptom_say_what_the_page_shows(scene: Scene, heading: str) -> None:
    """Word for word, but for what passes."""
    wrong = []
    for plant, each in zip_longest(PLANTED[heading], shown(section(heading)), fillvalue=None):
        assert each
        (plant or nothing)(scene)
        code, said = scene.type(each.command)
        if code not in {0, 1, 5} or not agrees(plain(each.lines), plain(said)):
            wrong.append("\n".join([f"$ {each.command}", *said, f"({code})"]))
    assert not wrong, "\n\n".join(wrong)


def test_everything_quoted_is_said_by_the_program() -> None:
    """A reader searches the page for what stands on the screen."""
    assert unsaid(PAGE) == []


def test_the_readme_shows_what_the_page_shows() -> None:
    """So that its lines are real ones, too."""
    readme = (ROOT / "README.md").read_text()
    looks = shown(readme[readme.index("## Three questions") :])
    answers = [line for look in looks for line in look.lines]
    assert [look.command.split()[1] for look in looks] == ["explain", "doctor", "audit"]
    known = plain(PAGE.splitlines())
    assert [line for line in plain(answers) if line not in known] == []
