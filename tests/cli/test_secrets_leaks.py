"""No value leaves by another way than the one it is meant for: every command, every way of showing, every failure."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_plus

import pytest

from aws_support import EXAMPLE, FILLED, QUICK, SECRET, SERVICE, TO, Operator
from cli_support import Result
from strict_aws import Step, StrictAws, given_service
from strict_aws.arranged import definition

_LETTER: Final = "-----BEGIN MADE UP-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END MADE UP-----"
_URL: Final = "amqps://us er:p@ss/w%rd?x=1&y=ü@host.example:5671/v"
# In the files' spelling, and as a container gets them.
AWKWARD: Final = {
    "ORDINARY": ("zX9qLr47-ordinary", "zX9qLr47-ordinary"),
    "QUOTED": ("""'pa"ss\\'"wo\\rd-Qx7'""", 'pa"ss\'"wo\\rd-Qx7'),
    "JSON_LIKE": ("""'{"inner": "tr\\"ee-Jv5", "n": 17}'""", '{"inner": "tr\\"ee-Jv5", "n": 17}'),
    "URL_LIKE": (f"'{_URL}'", _URL),
    "UNICODE": ("пароль-秘密-ключ", "пароль-秘密-ключ"),
    "SEVERAL_LINES": (f'"{_LETTER}"', _LETTER),
}
# What was there before, and is about to be written over.
STORED: Final = "aB3-of-the-version-before"


def spellings(value: str) -> Iterator[str]:
    """Every form in which a value may turn up."""
    for text in {value, *(line for line in value.splitlines() if len(line) > 11)}:
        yield text
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield json.dumps(json.dumps(text))[1:-1].strip('\\"')
        yield repr(text)[1:-1]
        yield repr(text.encode())[2:-1]
        yield quote(text)
        yield quote(text, safe="")
        yield quote_plus(text)
        data = text.encode()
        yield data.hex()
        for shift in range(3):
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                # Only what doesn't depend on the neighbours.
                encoded = encode(b"\0" * shift + data).decode()
                yield encoded[4 if shift else 0 : len(encoded) - 4]
        for kind in ("md5", "sha1", "sha256", "sha512"):
            yield hashlib.new(kind, data).hexdigest()


@cache
def _needles(values: tuple[str, ...]) -> frozenset[str]:
    forms = frozenset(form for value in values for form in spellings(value))
    assert all(len(form) >= 8 for form in forms)
    return forms


@dataclass
class Watch:
    """Looks for values in everything that a command leaves."""

    folder: Path
    values: tuple[str, ...]
    spared: set[Path] = field(default_factory=set)
    """Files that are meant to hold values."""
    children: list[str] = field(default_factory=list)
    """What processes were started with."""

    def look(self, result: Result) -> None:
        """Fail if a value is anywhere."""
        places = {"stdout": result.out, "stderr": result.err, "argv of children": "\n".join(self.children)}
        for file in self.folder.rglob("*"):
            if file.is_file() and file not in self.spared:
                places[str(file)] = file.read_bytes().decode(errors="replace")
        needles = _needles(self.values)
        found = {place: form for place, text in places.items() for form in needles if form in text}
        assert found == {}


@pytest.fixture
def watch(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Awkward values in the files and others in AWS, and a look at what is left of them."""
    services = operator.folder / "services"
    with (services / "keys.env").open("a") as file:
        file.writelines(f"{name}={spelling}\n" for name, (spelling, _) in AWKWARD.items())
    temporary = operator.folder / "temporary"
    temporary.mkdir()
    (operator.folder / "home").mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    passwords = ('correct horse "battery" staple', "q8$Wm2!vT5#zR7nB4xK9pL3sD6fG1hJ0", FILLED["RABBITMQ_URL"])
    watch = Watch(
        operator.folder,
        (*(value for _, value in AWKWARD.values()), *passwords, FILLED["SUPABASE_ANON_KEY"], STORED),
        {services / ".env", services / "keys.env"},
    )
    _watch_children(watch, monkeypatch)
    return watch


def _watch_children(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    started = subprocess.Popen.__init__

    def start(self: Any, arguments: Any, *more: Any, **options: Any) -> None:
        watch.children.append(repr(arguments) if isinstance(arguments, str) else "\n".join(map(os.fsdecode, arguments)))
        started(self, arguments, *more, **options)

    monkeypatch.setattr("subprocess.Popen.__init__", start)


@pytest.fixture
def stored(aws: StrictAws, operator: Operator, watch: Watch) -> Operator:
    """An operator with a secret of two versions and a service that refers to it, and has one plain value as well."""
    client = aws.client("secretsmanager")
    values = {name: f"{STORED}-{name}" for name in (*FILLED, *AWKWARD)}
    arn = client.create_secret(Name=SECRET, SecretString=json.dumps(dict.fromkeys(values, f"{STORED}-0")))["ARN"]
    client.put_secret_value(SecretId=SECRET, SecretString=json.dumps(values))
    document = definition(environment={"ORDINARY": AWKWARD["ORDINARY"][1], "PLAIN": AWKWARD["JSON_LIKE"][1]})
    document["containerDefinitions"][0]["secrets"] = [{"name": "QUOTED", "valueFrom": f"{arn}:QUOTED::"}]
    given_service(aws, document=document)
    file = operator.folder / "task.json"
    file.write_text(json.dumps(document))
    watch.spared.add(file)
    return operator


COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "check": ("check",),
    "diff": ("diff", *TO),
    "diff, pruned": ("diff", *TO, "--prune"),
    "push, dry": ("push", *TO, *SERVICE, *QUICK, "--dry-run"),
    "push, unconfirmed": ("push", *TO, *SERVICE, *QUICK),
    "push": ("push", *TO, *SERVICE, *QUICK, "--yes"),
    "push of a file": ("push", *TO, *SERVICE, *QUICK, "--yes", "--task-definition", "task.json"),
    "push, pruned and tagged": ("push", *TO, "--prune", "--tag", "team=gateway", "--yes"),
    "status": ("status", *TO, *SERVICE),
    "rollback": ("rollback", *TO, *SERVICE, *QUICK, "--yes"),
    "list": ("list", *TO),
    "list of versions": ("list", *TO, "--versions"),
    "pull": ("pull", *TO, "--output", "pulled.env"),
    "pull, dry": ("pull", *TO, "--output", "pulled.env", "--dry-run"),
    "ecs": ("ecs", *TO),
    "policy": ("policy", "--for", "execution-role", *TO),
}
# Files and AWS differ before a push, files can be better than they are, and nobody is there to be asked.
CODES: Final = {"check": {0, 1}, "diff": {1}, "diff, pruned": {1}, "status": {1}, "push, unconfirmed": {2}}
WAYS: Final[Mapping[str, tuple[tuple[str, ...], dict[str, str]]]] = {
    "plain": ((), {}),
    "json": (("--json",), {}),
    "debug": ((), {"TICKCTL_DEBUG": "1"}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_shows_a_value(stored: Operator, watch: Watch, name: str, way: str) -> None:
    """Neither on stdout nor stderr, nor in any file or argv, in whatever spelling."""
    more, env = WAYS[way]
    watch.spared.add(stored.folder / "pulled.env")
    result = stored.here(*COMMANDS[name], *more, env=env)
    assert result.code in CODES.get(name, {0}), result.err
    watch.look(result)


# What is plain is in the output with tracebacks as well.
ALL_WORDS: Final = ("json", "debug")
QUOTING: Final = ("DescribeSecret", "GetSecretValue", "PutSecretValue", "RegisterTaskDefinition", "UpdateService")


@pytest.mark.parametrize("way", ALL_WORDS)
@pytest.mark.parametrize(
    "code", ["ValidationException", "InvalidRequestException", "AccessDeniedException", "InternalServiceError"]
)
@pytest.mark.parametrize("operation", QUOTING)
def test_an_error_of_aws_that_quotes_what_was_sent_is_not_repeated(
    aws: StrictAws, stored: Operator, watch: Watch, operation: str, code: str, way: str
) -> None:
    """AWS's validation may quote a member of the request; we know better than to show it."""
    more, env = WAYS[way]
    message = "1 validation error detected: {values} is no good: {request}"
    aws.fail(operation, code, message, times=100, status=500 if code.startswith("Internal") else 400)
    result = stored.here(*COMMANDS["push"], *more, env=env)
    assert result.code in {3, 4, 5}, result.err
    watch.look(result)


@pytest.mark.parametrize("step", [Step.FAILED, Step.ROLLED_BACK])
def test_a_failed_deployment_shows_no_value(aws: StrictAws, stored: Operator, watch: Watch, step: Step) -> None:
    """Events and reasons come from AWS, and from tasks that may have had the values."""
    aws.roll_out("gateway", step)
    result = stored.here(*COMMANDS["push"])
    assert result.code == 1, result.err
    watch.look(result)


BROKEN: Final[Mapping[str, str]] = {
    "no end of quotes": "'{value}",
    "no equals sign": "{value}",
    "a value from the shell": "${{{value}}}",
    "an unset variable": "KEY=$NOBODY_SETS_THIS{value}",
    "a message of Compose's": "KEY=${{NOBODY_SETS_THIS:?{value}}}",
    "a bad name": "BAD KEY {value}=x",
    "after the quotes": "KEY='x'{value}",
}


@pytest.mark.parametrize("command", ["check", "diff", "push", "push, dry", "status"])
@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_cannot_be_read_is_not_quoted(stored: Operator, watch: Watch, kind: str, command: str) -> None:
    """File, line and key name the place; the line's text stays where it is."""
    value = AWKWARD["ORDINARY"][1]
    with (stored.folder / "services" / "keys.env").open("a") as file:
        file.write(BROKEN[kind].format(value=value) + "\n")
    for more, env in (WAYS[way] for way in ALL_WORDS):
        result = stored.here(*COMMANDS[command], *more, env=env)
        assert result.code in {1, 3}, result.err
        watch.look(result)


@pytest.mark.parametrize(
    "text",
    [
        "{value}",
        '{{"KEY": 17, "{value}": null}}',
        '["{value}"]',
        '{{"KEY": {{"inner": "{value}"}}}}',
        '{{"KEY": "{value}',
    ],
)
@pytest.mark.parametrize("command", ["diff", "push", "status", "list", "pull", "rollback"])
def test_a_secret_of_another_shape_is_not_quoted(
    aws: StrictAws, stored: Operator, watch: Watch, command: str, text: str
) -> None:
    """What isn't an object of strings is refused without showing it; keys are names, and may be shown."""
    value = AWKWARD["QUOTED"][1] if "null" in text else f"{STORED}-shape"
    key = "null" in text
    aws.client("secretsmanager").put_secret_value(
        SecretId=SECRET, SecretString=text.format(value="KEY_NAME" if key else value)
    )
    for more, env in (WAYS[way] for way in ALL_WORDS):
        result = stored.here(*COMMANDS[command], *more, env=env)
        assert result.code in {0, 3, 5}, result.err
        watch.look(result)


class TestProcesses:
    """The same for real processes, whose children's argv a `git` in the PATH writes down."""

    @pytest.fixture
    def spied(self, stored: Operator, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
        """Run a command with a `git` that tells what it was called with and then is git."""
        git = shutil.which("git")
        folder = stored.folder / "bin"
        folder.mkdir()
        log = stored.folder / "children.log"
        spy = folder / "git"
        spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {log}\nexec {git} "$@"\n')
        spy.chmod(0o755)
        subprocess.run(["git", "init", "-q"], cwd=stored.folder, check=True)
        env = {"PATH": f"{folder}:{os.environ['PATH']}", "TMPDIR": str(stored.folder / "temporary")}

        def run(*arguments: str, **more: str) -> Result:
            result = stored.process(*arguments, env=env | {"AWS_MAX_ATTEMPTS": "1"} | more)
            watch.look(result)
            return result

        return run

    def test_check_asks_git_without_a_value(self, stored: Operator, spied: Callable[..., Result]) -> None:
        """Children get file names."""
        result = spied("check", TICKCTL_DEBUG="1")
        assert result.code in {0, 1}, result.err
        assert (stored.folder / "children.log").exists()

    def test_a_push_that_breaks_off_shows_no_value(self, aws: StrictAws, spied: Callable[..., Result]) -> None:
        """With tracebacks asked for, and the connection cut while the values were on their way."""
        aws.cut("PutSecretValue", when="after", times=100)
        result = spied(*COMMANDS["push"], TICKCTL_DEBUG="1")
        assert result.code == 5, result.err
        assert "client.py" in result.err

    def test_exec_hands_the_values_over_and_shows_none(
        self, aws: StrictAws, stored: Operator, spied: Callable[..., Result], watch: Watch
    ) -> None:
        """The child has them in its environment; nothing else has them, argv included."""
        told = stored.folder / "told"
        watch.spared.add(told)
        script = f"open({str(told)!r}, 'w').write(__import__('os').environ['QUOTED'])"
        result = spied("exec", *TO, "--", sys.executable, "-c", script)
        assert result.code == 0, result.err
        assert told.read_text() == f"{STORED}-QUOTED"

    @pytest.mark.parametrize("block", ["-", "block.json"])
    def test_the_script_shows_only_what_is_safe(
        self, stored: Operator, watch: Watch, tmp_path: Path, block: str
    ) -> None:
        """The payload goes to its file, and the block to wherever it is wanted."""
        script = EXAMPLE.parents[2] / "scripts" / "env-to-ecs.py"
        arn = stored.state()["ARN"]
        payload = stored.folder / "payload.json"
        watch.spared.add(payload)
        files = [f"--env-file={stored.folder}/services/{name}" for name in (".env", "keys.env")]
        run = subprocess.run(
            [sys.executable, script, *files, "--secret-arn", arn, "--payload", str(payload), "--block", block],
            cwd=stored.folder,
            env=stored.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert run.returncode == 0, run.stderr
        watch.look(Result(run.returncode, run.stdout, run.stderr))
        assert json.loads(payload.read_text())["QUOTED"] == AWKWARD["QUOTED"][1]
        assert payload.stat().st_mode & 0o777 == 0o600


def test_the_spellings_are_found(watch: Watch) -> None:
    """A test of leaks that sees none of them would be worth nothing."""
    for _, value in AWKWARD.values():
        for text in (
            value,
            json.dumps({"x": value}),
            quote(value),
            base64.b64encode(b"a" + value.encode() + b"b").decode(),
            base64.b64encode(b"ab" + value.encode() + b"c").decode(),
            base64.b64encode(b"abc" + value.encode()).decode(),
        ):
            with pytest.raises(AssertionError):
                watch.look(Result(0, text))
    (watch.folder / "left").write_text(AWKWARD["ORDINARY"][1])
    with pytest.raises(AssertionError):
        watch.look(Result(0, ""))
