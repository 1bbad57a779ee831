"""An operator with the example's env files and an AWS account: what tests of `tickctl secrets` share."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from botocore.loaders import JSONFileLoader

from cli_support import Result, environment, run_tickctl
from strict_aws import CLUSTER, StrictAws, given_service
from strict_aws.arranged import definition
from tickctl.cli.main import run

EXAMPLE: Final = Path(__file__).parents[1] / "docs" / "examples" / "gateway"
SECRET: Final = "gateway/production"
TO: Final = ("--secret-id", SECRET)
SERVICE: Final = ("--cluster", CLUSTER, "--service", "gateway")
QUICK: Final = ("--poll", "0", "--timeout", "20")

# What a person would fill into the example's files; nothing of it is anybody's.
FILLED: Final = {
    "SUPABASE_URL": "https://abcdefghijklmnopqrst.supabase.co",
    "ALLOWED_ORIGINS": "https://app.example.com https://admin.example.com",
    "SUPABASE_CONFIRMED_CLAIM": "email_confirmed",
    "TRANSLATION_API_EMAIL": "gateway@example.com",
    "SUPABASE_ANON_KEY": "sb_publishable_mN3vXq81tQw0Lr5KcYpZ",
    "SUPABASE_JWT_SECRET": "'q8$Wm2!vT5#zR7nB4xK9pL3sD6fG1hJ0'",
    "TRANSLATION_API_PASSWORD": "'correct horse \"battery\" staple'",
    "RABBITMQ_URL": "amqps://gateway:p%40ss%2Fword@rabbitmq.internal:5671/",
}
_OWN: Final = {".env": {"TRANSLATION_API_EMAIL"}, "keys.env": {"TRANSLATION_API_PASSWORD"}}
# The same as a container gets it.
VALUES: Final = {name: value.strip("'") for name, value in FILLED.items()}


_load: Final = JSONFileLoader.load_file


@cache
def _read_once(path: str) -> Any:
    return _load(JSONFileLoader(), path)


def _loaded(_: JSONFileLoader, path: str) -> Any:
    """Read AWS's descriptions of its services once for all commands in this process; they are megabytes."""
    return _read_once(path)


def fill(folder: Path, values: Mapping[str, str] = FILLED) -> None:
    """Copy the example's env files and fill them in."""
    services = folder / "services"
    services.mkdir(exist_ok=True)
    for name in (".env", "keys.env"):
        example = EXAMPLE / "services" / f"{name}.example"
        shutil.copy(example, services)
        text = example.read_text()
        for key, value in values.items():
            text = re.sub(rf"^{key}=.*$", lambda _, key=key, value=value: f"{key}={value}", text, flags=re.MULTILINE)
        # What the operator's own service needs besides.
        text += "".join(f"{key}={value}\n" for key, value in values.items() if key in _OWN[name])
        target = services / name
        target.touch(mode=0o600)
        target.write_text(text)


@dataclass
class Operator:
    """Runs commands in a folder with env files, against one account."""

    aws: StrictAws = field(repr=False)
    folder: Path = field(repr=False)
    monkeypatch: pytest.MonkeyPatch = field(repr=False)
    capsys: pytest.CaptureFixture[str] = field(repr=False)
    slept: list[float] = field(default_factory=list, repr=False)

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a command."""
        return environment(self.folder / "home", self.aws.environ)

    def process(self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Result:
        """Run `tickctl secrets` as a process."""
        return run_tickctl(
            "secrets", *arguments, env=self.environ | dict(env or {}), cwd=self.folder, stdin=stdin, timeout=120
        )

    def here(self, *arguments: str, env: Mapping[str, str] | None = None) -> Result:
        """Run `tickctl secrets` in this process, where waiting between attempts takes no time."""
        return self.command("secrets", *arguments, env=env)

    def command(self, *arguments: str, env: Mapping[str, str] | None = None) -> Result:
        """Run any command of `tickctl` in this process."""
        with self.monkeypatch.context() as patch:
            patch.setattr("botocore.loaders.JSONFileLoader.load_file", _loaded)
            for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN", "TICKCTL_DEBUG"):
                patch.delenv(name, raising=False)
            for name, value in (self.environ | dict(env or {})).items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            patch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=self.slept.append))
            self.capsys.readouterr()
            code = run(list(arguments))
            written = self.capsys.readouterr()
        return Result(code, written.out, written.err)

    def write(self, **values: str) -> None:
        """Give keys of keys.env other values, or add them."""
        file = self.folder / "services" / "keys.env"
        text = file.read_text()
        for key, value in values.items():
            text, found = re.subn(rf"^{key}=.*$", lambda _, k=key, v=value: f"{k}={v}", text, flags=re.MULTILINE)
            text += "" if found else f"{key}={value}\n"
        file.write_text(text)

    def have_pushed(self, values: Mapping[str, str] = VALUES) -> None:
        """Arrange what a push of the files leaves: the secret, and a service that refers to all its keys."""
        client = self.aws.client("secretsmanager")
        arn = client.create_secret(Name=SECRET, SecretString=json.dumps(values))["ARN"]
        document = definition()
        references = [{"name": name, "valueFrom": f"{arn}:{name}::"} for name in sorted(values)]
        document["containerDefinitions"][0]["secrets"] = references
        given_service(self.aws, document=document)

    def stored(self, **which: str) -> dict[str, str]:
        """Return what the secret holds."""
        answer = self.aws.client("secretsmanager").get_secret_value(SecretId=SECRET, **which)
        values = json.loads(answer["SecretString"])
        assert isinstance(values, dict)
        return values

    def state(self) -> dict[str, Any]:
        """Describe the secret."""
        answer = dict(self.aws.client("secretsmanager").describe_secret(SecretId=SECRET))
        answer.pop("ResponseMetadata")
        return answer

    def versions(self) -> int:
        """Return how many versions the secret has, those without a stage included; 0 if there is no secret."""
        client = self.aws.client("secretsmanager")
        if not client.list_secrets()["SecretList"]:
            return 0
        return len(client.list_secret_version_ids(SecretId=SECRET, IncludeDeprecated=True)["Versions"])

    def revisions(self) -> list[str]:
        """Return the ARNs of all task definitions."""
        return list(self.aws.client("ecs").list_task_definitions()["taskDefinitionArns"])

    def service(self, name: str = "gateway") -> dict[str, Any]:
        """Describe the service."""
        [service] = self.aws.client("ecs").describe_services(cluster=CLUSTER, services=[name])["services"]
        assert isinstance(service, dict)
        return service
