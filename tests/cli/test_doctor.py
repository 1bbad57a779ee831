"""`tickctl doctor` as a process: on a bare machine, beside a project, and with each thing wrong by itself."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cli_support import Result, environment, run_tickctl
from http_support import http, serving
from quota_support import Database
from standin import StandIn, standing_in
from standin.faults import Fault
from tickctl.cli.main import run
from tickctl.core.doctor import Check
from tickctl.core.quota import PARAMETERS

SETTINGS = b'{"mailer_autoconfirm": false, "external": {"anonymous_users": false}}'
SECRET = "q8$Wm2!vT5#zR7nB4xK9pL3sD6fG1hJ0"
Doctor = Callable[..., Result]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Run `tickctl doctor` in this process, with an environment and in a folder of its own."""

    def run_here(*arguments: str, env: Mapping[str, str], cwd: Path) -> Result:
        with monkeypatch.context() as patch:
            patch.setattr(os, "environ", dict(env))
            patch.chdir(cwd)
            capsys.readouterr()
            code = run(["doctor", *arguments])
            written = capsys.readouterr()
        return Result(code, written.out, written.err)

    return run_here


@pytest.fixture
def doctor(tmp_path: Path, here: Doctor) -> Doctor:
    """Run `tickctl doctor` in an empty folder, on a machine where nothing is configured."""
    work = tmp_path / "work"
    work.mkdir()

    def look(*arguments: str, env: Mapping[str, str] | None = None, **files: str) -> Result:
        for name, text in files.items():
            (work / name.replace("__", ".")).write_text(text)
        given = environment(tmp_path / "home", env)
        del given["TICKCTL_HOME"]
        return here(*arguments, env=given, cwd=work)

    return look


@pytest.fixture
def healthy(standin: StandIn) -> dict[str, str]:
    """The variables of somebody who has everything that a project needs."""
    return settings_of(standin)


def settings_of(project: StandIn) -> dict[str, str]:
    """Return the variables that lead to a project."""
    return {
        "SUPABASE_URL": project.url,
        "SUPABASE_ANON_KEY": project.anon_key,
        "SUPABASE_JWT_SECRET": project.jwt_secret,
        "SUPABASE_DB_URL": project.database_url,
        "RABBITMQ_URL": "amqps://gateway:hunter2@rabbitmq.internal/",
    }


def found(result: Result, code: str) -> set[str]:
    """Return how a check ended."""
    return {finding["result"] for finding in result.json["findings"] if finding["code"] == code}


def faults(result: Result) -> set[str]:
    """Return the codes of what has to be mended, or may have to be."""
    return {one["code"] for one in result.json["findings"] if one["result"] in {"fail", "warning"}}


def untold(result: Result) -> set[str]:
    """Return the codes of what can't be told."""
    return {one["code"] for one in result.json["findings"] if one["result"] == "cannot_tell"}


def test_bare_machine_is_told_how_to_begin(doctor: Doctor, tmp_path: Path) -> None:
    """Nothing is wrong with it, and nothing is made there."""
    result = doctor()
    assert result.code == 0
    for words in ("tickctl demo", "tickctl local start", "README.md", "SUPABASE_URL"):
        assert words in result.out
    assert "judged as a local set-up" in result.err
    assert [path.name for path in tmp_path.rglob("*")] == ["work"]


def test_bare_machine_is_no_production(doctor: Doctor, tmp_path: Path) -> None:
    """There a project is wanted, and an account."""
    nothing = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nowhere", "AWS_REGION": "eu-west-1"}
    result = doctor("--profile", "production", "--json", env=nothing)
    assert result.code == 1
    assert faults(result) == {"settings", "aws-identity"}
    assert result.json["profile"] == "production"
    assert [path.name for path in tmp_path.rglob("*")] == ["work"]


def test_healthy_project_passes(doctor: Doctor, standin: StandIn, healthy: dict[str, str]) -> None:
    """Every check that has something to judge."""
    result = doctor("--json", env=healthy)
    assert result.code == 0, result.out
    document = result.json
    assert (document["ok"], document["profile"], document["env_name"]) == (True, "local", None)
    assert {one["code"] for one in document["findings"]} == set(Check)
    assert all(
        set(one) == {"code", "result", "subject", "message", "mend"} and (one["mend"] or one["result"] != "fail")
        for one in document["findings"]
    )
    passing = {one["code"] for one in document["findings"] if one["result"] == "pass"}
    assert passing == set(Check) - {
        "env-files", "env-file-places", "previous-secret", "hook", "embedded-database", "aws-identity", "aws-secret"
    }  # fmt: skip
    assert {"name": "SUPABASE_URL", "found_in": "environment", "differs_in": []} in document["configuration"]


def test_project_is_asked_for_what_everybody_may_know_with_the_publishable_key(
    doctor: Doctor, standin: StandIn, healthy: dict[str, str], tmp_path: Path
) -> None:
    """No secret key goes there, nothing is written, and no copy of the keys is kept."""
    more = {"SUPABASE_SECRET_KEY": standin.secret_key, "TICKCTL_TOKEN": "eyJ.eyJ.x", "TICKCTL_ADMIN_TOKEN": "eyJ.a.b"}
    assert doctor("--json", env=healthy | more).json["ok"] is not None
    asked = sorted((request.method, request.path.partition("?")[0]) for request in standin.faults.requests)
    assert asked == [
        ("GET", "/auth/v1/.well-known/jwks.json"),
        ("GET", "/auth/v1/settings"),
        *(("GET", f"/rest/v1/rpc/{name}") for name in sorted(PARAMETERS)),
    ]
    sent = " ".join(f"{name}: {value}" for one in standin.faults.requests for name, value in one.headers.items())
    for value in (standin.secret_key, standin.jwt_secret, *more.values()):
        assert value not in sent
    assert [path.name for path in tmp_path.rglob("*")] == ["work"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"SUPABASE_ANON_KEY": "sb_publishable_of_another_project"}, {"publishable-key", "api"}),
        ({"SUPABASE_ANON_KEY": "sb_secret_0123456789abcdefghij"}, {"publishable-key"}),
        ({"SUPABASE_ANON_KEY": ""}, {"half-configured"}),
        ({"SUPABASE_JWT_SECRET": "short"}, {"jwt-secret"}),
        ({"SUPABASE_JWT_SECRET": ""}, {"key-set"}),
        ({"SUPABASE_JWT_SECRET_PREVIOUS": SECRET}, {"previous-secret"}),
        ({"SUPABASE_JWT_ISSUER": "https://project.example/auth"}, {"issuer"}),
        ({"SUPABASE_JWKS": "/nowhere/keys.json"}, {"key-set"}),
        ({"SUPABASE_ALLOW_UNCONFIRMED": "true"}, {"allow-unconfirmed"}),
        ({"SUPABASE_CONFIRMED_CLAIM": "email_confirmed_at"}, {"hook"}),
        ({"SUPABASE_DB_URL": "postgresql://[/x"}, {"database"}),
        ({"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}, {"half-configured"}),
        ({"REDIS_URL": "redis://redis.internal:6379/0"}, {"connection-url"}),
    ],
)
def test_wrong_setting_is_named(
    doctor: Doctor, healthy: dict[str, str], change: dict[str, str], fault: set[str]
) -> None:
    """By its own check and no other; what hangs on it can't be told."""
    profile = "production" if fault == {"connection-url"} else "local"
    aws = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nowhere", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    result = doctor("--json", "--profile", profile, env=healthy | change | (aws if profile == "production" else {}))
    assert faults(result) - {"aws-identity"} == fault
    assert result.code == (0 if found(result, next(iter(fault))) <= {"warning", "pass"} else 1)
    assert SECRET not in result.out + result.err


def test_project_that_confirms_everybody(doctor: Doctor, standin: StandIn, healthy: dict[str, str]) -> None:
    """Its own settings say so."""
    standin.auth_server.configure(autoconfirm=True)
    result = doctor("--json", env=healthy)
    assert faults(result) == {"email-confirmation"}
    assert result.code == 0


def test_project_without_the_schema(doctor: Doctor, bare_database: Database) -> None:
    """Both ways to it say so."""
    with standing_in(bare_database) as project:
        result = doctor("--json", env=settings_of(project))
    assert faults(result) == {"api", "schema"}
    assert result.code == 1


@pytest.mark.parametrize(
    ("path", "open_checks"),
    [
        ("/auth", {"auth", "clock", "publishable-key", "email-confirmation", "anonymous-sign-ins", "key-set"}),
        ("/rest", {"api"}),
    ],
)
def test_project_in_trouble_can_t_be_told(
    doctor: Doctor, standin: StandIn, healthy: dict[str, str], path: str, open_checks: set[str]
) -> None:
    """An outage is neither a pass nor a fail."""
    with standin.faults.troubled(Fault(hang_up=True), path):
        result = doctor("--json", env=healthy)
    assert (result.code, result.json["ok"]) == (5, None)
    assert (untold(result), faults(result)) == (open_checks, set())


def test_database_that_is_down_can_t_be_told(doctor: Doctor, healthy: dict[str, str]) -> None:
    """Nor can its schema."""
    result = doctor("--json", env=healthy | {"SUPABASE_DB_URL": "postgresql://127.0.0.1:1/postgres"})
    assert (result.code, untold(result)) == (5, {"database", "schema"})


def test_wrong_clock_is_named(doctor: Doctor) -> None:
    """Whichever of the two is wrong."""
    late = http(200, SETTINGS, "Date: Thu, 01 Jan 2099 00:00:00 GMT")
    with serving(lambda *_: late) as server:
        result = doctor("--json", env={"SUPABASE_URL": server.url, "SUPABASE_ANON_KEY": "sb_publishable_x"})
    [clock] = [one for one in result.json["findings"] if one["code"] == "clock"]
    assert (clock["result"], "behind" in clock["message"]) == ("fail", True)
    assert found(result, "email-confirmation") == {"pass"}


def test_half_a_configuration_is_explained_where_other_commands_refuse(doctor: Doctor) -> None:
    """It works with anything missing."""
    result = doctor("--json", env={"SUPABASE_SECRET_KEY": "sb_secret_0123456789abcdefghij"})
    assert result.code == 1
    assert faults(result) == {"half-configured"}


def test_env_files_are_checked_and_named(doctor: Doctor) -> None:
    """Where each variable is, what is overridden, and what is wrong with the files."""
    result = doctor(
        "--json",
        "--env-file", ".env", "--env-file", "keys.env",
        env={"TICKCTL_SECRET_ID": ""},
        __env="SUPABASE_URL=http://127.0.0.1:1\nSUPABASE_ANON_KEY=sb_publishable_one_two_three\n",
        keys__env=f"SUPABASE_URL=http://127.0.0.1:2\nSUPABASE_JWT_SECRET='{SECRET}'\nMODEL_KEY=changeme\n",
    )  # fmt: skip
    assert result.code == 1
    assert {"name": "SUPABASE_URL", "found_in": "keys.env", "differs_in": [".env"]} in result.json["configuration"]
    assert found(result, "overridden") == {"warning"}
    [placeholder] = [one for one in result.json["findings"] if one["code"] == "env-files" and one["result"] == "fail"]
    assert placeholder["subject"] == "keys.env line 3"
    assert "fail" not in found(result, "env-file-places")


def test_file_that_can_t_be_read_is_a_finding(doctor: Doctor) -> None:
    """Nothing is judged by the rest."""
    result = doctor("--json", __env="SUPABASE_URL='https://x.example\n")
    assert result.code == 1
    assert (faults(result), result.json["configuration"]) == ({"settings"}, None)
    assert untold(result) == set(Check) - {"settings"}
    assert doctor("--json", "--env-file", "nowhere.env").code == 1


def test_profile_that_doesn_t_exist_is_an_error(doctor: Doctor) -> None:
    """It was asked for by name."""
    assert doctor("--env-name", "nowhere", env={"SUPABASE_URL": "http://127.0.0.1:1"}).code == 3


def test_profile_of_the_file_that_can_t_be_used_is_a_finding(doctor: Doctor) -> None:
    """What needs none of it is looked at all the same."""
    result = doctor("--json", tickctl__toml="default-env = 3\n")
    assert (result.code, faults(result)) == (1, {"aws-identity"})


def test_embedded_database_is_looked_at_while_it_runs(home: Path, tmp_path: Path) -> None:
    """With its schema."""
    result = run_tickctl("doctor", "--json", env=environment(home), cwd=tmp_path)
    assert result.code == 0, result.out
    assert found(result, "embedded-database") == found(result, "schema") == found(result, "database") == {"pass"}


@pytest.fixture
def everywhere(doctor: Doctor, healthy: dict[str, str]) -> tuple[Result, dict[str, str]]:
    """Run it on a terminal of 80 columns with much that is wrong."""
    env = healthy | {
        "SUPABASE_JWT_SECRET": SECRET[:20],
        "SUPABASE_SECRET_KEY": "sb_secret_0123456789abcdefghij",
        "SUPABASE_JWKS": f'{{"keys": [{{"kid": "{SECRET}"}}]}}',
        "REDIS_URL": "redis://:hunter2@redis.internal/",
        "SUPABASE_JWT_SECRET_PREVIOUS": SECRET,
    }
    terminal = {"FORCE_COLOR": "1", "NO_COLOR": "1", "COLUMNS": "80"}
    return doctor(env=env | terminal), env


def test_terminal_shows_groups_within_80_columns(everywhere: tuple[Result, dict[str, str]]) -> None:
    """With what mends each."""
    result, _ = everywhere
    lines = result.out.splitlines()
    assert all(len(line) <= 80 for line in lines if "://" not in line and "/" not in line)
    assert {"Configuration", "Tokens", "Supabase project", "Database", "AWS", "Connections"} <= set(lines)
    assert any(line.startswith("  FAIL         SUPABASE_JWT_SECRET: ") for line in lines)
    assert any(line.startswith("               mend: ") for line in lines)


def test_no_value_is_ever_shown(everywhere: tuple[Result, dict[str, str]], doctor: Doctor) -> None:
    """On a terminal, in a pipe and as JSON."""
    result, env = everywhere
    written = result.out + result.err
    for more in ([], ["--json"], ["--profile", "production", "--quiet"]):
        other = doctor(*more, env=env | {"AWS_EC2_METADATA_DISABLED": "true", "TICKCTL_DEBUG": "1"})
        written += other.out + other.err
    secrets = [env[name] for name in env if name not in {"SUPABASE_URL", "SUPABASE_DB_URL"}]
    for value in (*secrets, "hunter2", SECRET[:20]):
        assert value not in written
        assert json.dumps(value)[1:-1] not in written


@pytest.fixture
def beside_aws(operator: Any) -> Callable[..., Result]:
    """Run it in a folder with the example's env files filled in, beside an AWS account."""

    def run(*arguments: str, **env: str) -> Result:
        return run_tickctl("doctor", "--json", *arguments, env=operator.environ | env, cwd=operator.folder, timeout=120)

    return run


def test_account_and_secret_are_looked_at(operator: Any, beside_aws: Doctor) -> None:
    """By reading calls alone."""
    operator.have_pushed()
    operator.aws.all_well()
    result = beside_aws(TICKCTL_SECRET_ID="gateway/production")
    assert found(result, "aws-identity") == found(result, "aws-secret") == {"pass"}
    assert operator.aws.operations == ["GetCallerIdentity", "DescribeSecret", "GetSecretValue"]


def test_how_to_reach_aws_is_no_wish_to(beside_aws: Doctor) -> None:
    """A company's certificates are set on every machine; of AWS nothing is configured all the same."""
    nobody = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"), "")
    assert found(beside_aws(AWS_CA_BUNDLE="/etc/ca.pem", **nobody), "aws-identity") == {"not_applicable"}


def test_secret_that_differs_is_named_by_keys(operator: Any, beside_aws: Doctor) -> None:
    """A warning locally, and a failure in production."""
    operator.have_pushed()
    operator.write(RABBITMQ_URL="amqps://gateway:another@rabbitmq.internal/")
    for profile, ends in (("local", "warning"), ("production", "fail")):
        result = beside_aws("--profile", profile, TICKCTL_SECRET_ID="gateway/production")
        [finding] = [one for one in result.json["findings"] if one["code"] == "aws-secret"]
        assert (finding["result"], finding["message"].endswith("differ in RABBITMQ_URL")) == (ends, True)


@pytest.mark.parametrize(
    ("operation", "error", "identity", "secret"),
    [
        ("GetCallerIdentity", "ExpiredToken", "fail", "cannot_tell"),
        ("GetCallerIdentity", "InternalFailure", "cannot_tell", "cannot_tell"),
        ("DescribeSecret", "AccessDeniedException", "pass", "cannot_tell"),
        ("GetSecretValue", "AccessDeniedException", "pass", "cannot_tell"),
        (None, None, "pass", "fail"),
    ],
)
def test_aws_that_doesn_t_answer_as_it_should(
    operator: Any,
    beside_aws: Doctor,
    operation: str | None,
    error: str | None,
    identity: str,
    secret: str,
) -> None:
    """Refused credentials fail; who may not look, or gets no answer, can't tell; no secret fails."""
    if operation:
        operator.have_pushed()
        operator.aws.fail(operation, error, "not today", status=500 if error == "InternalFailure" else 400, times=100)
    result = beside_aws(TICKCTL_SECRET_ID="gateway/production", AWS_MAX_ATTEMPTS="1")
    assert (found(result, "aws-identity"), found(result, "aws-secret")) == ({identity}, {secret})


def test_secret_that_is_scheduled_for_deletion_fails(operator: Any, beside_aws: Doctor) -> None:
    """It can't be read any more."""
    operator.have_pushed()
    operator.aws.client("secretsmanager").delete_secret(SecretId="gateway/production", RecoveryWindowInDays=7)
    assert found(beside_aws(TICKCTL_SECRET_ID="gateway/production"), "aws-secret") == {"fail"}


def test_profile_says_account_and_files(operator: Any, beside_aws: Doctor) -> None:
    """Another account than it wants is wrong, and the secret there is nobody's."""
    operator.have_pushed()
    text = '[env.production]\nsecret-id = "gateway/production"\naccount = "210987654321"\nregion = "eu-west-1"\n'
    (operator.folder / "tickctl.toml").write_text(text)
    result = beside_aws("--env-name", "production")
    assert (result.json["env_name"], found(result, "aws-identity")) == ("production", {"fail"})
    assert found(result, "aws-secret") == {"cannot_tell"}


def test_env_files_that_refuse_leave_the_secret_open(operator: Any, beside_aws: Doctor) -> None:
    """What a push would refuse can't be compared; without any files, the secret is only there."""
    operator.have_pushed()
    keys = operator.folder / "services" / "keys.env"
    keys.write_text(keys.read_text() + "OTHER=$NOWHERE\n")
    assert found(beside_aws(TICKCTL_SECRET_ID="gateway/production"), "aws-secret") == {"cannot_tell"}
    for name in (".env", "keys.env"):
        (operator.folder / "services" / name).unlink()
    assert found(beside_aws(TICKCTL_SECRET_ID="gateway/production"), "aws-secret") == {"pass"}
