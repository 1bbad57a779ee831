"""`tickctl secrets diff`: drift by name, and an exit code that CI can act on."""

import json

import pytest

from aws_support import SECRET, TO, Operator
from terminal_support import converse
from tickctl.core.secrets.env_files import EnvFile, read, values


def store(operator: Operator, **changes: str | None) -> str:
    """Make the secret of what the files say, but for these; return its ARN."""
    files = [EnvFile(name, (operator.folder / "services" / name).read_text()) for name in (".env", "keys.env")]
    held = {name: value.reveal() for name, value in values(read(files)).items()} | changes
    text = json.dumps({name: value for name, value in held.items() if value is not None})
    made = operator.aws.client("secretsmanager").create_secret(Name=SECRET, SecretString=text)
    return str(made["ARN"])


def test_files_and_secret_in_sync(operator: Operator) -> None:
    """Exit code 0; two requests, and none that changes anything."""
    store(operator)
    result = operator.here("diff", *TO)
    assert result.code == 0
    assert {line.split("\t")[0] for line in result.out.splitlines()} == {"unchanged"}
    assert "unchanged\tSUPABASE_JWT_SECRET\n" in result.out
    assert "in sync with version" in result.err
    assert "secret gateway/production in AWS account 123456789012, eu-west-1" in result.err
    assert operator.aws.operations == ["DescribeSecret", "GetSecretValue"]


def test_drift_is_named_and_never_shown(operator: Operator) -> None:
    """Exit code 1; each key by what a push would do to it."""
    store(operator, SUPABASE_JWT_SECRET="another-value-of-it", SUPABASE_URL=None, LEFT_OVER="an-old-value")
    result = operator.here("diff", *TO)
    assert result.code == 1
    lines = result.out.splitlines()
    assert {"changed\tSUPABASE_JWT_SECRET", "added\tSUPABASE_URL", "only_in_aws\tLEFT_OVER"} <= set(lines)
    assert "differs from version" in result.err
    shown = result.out + result.err
    assert not any(value in shown for value in ("another-value", "an-old-value", "q8$Wm2", "supabase.co"))


def test_json_has_names_only(operator: Operator) -> None:
    """One document, with the fields of the contract."""
    arn = store(operator, SUPABASE_URL=None, LEFT_OVER="x")
    result = operator.here("diff", *TO, "--json")
    assert result.code == 1
    document = result.json
    assert list(document) == [
        "secret_id",
        "arn",
        "version_id",
        "in_sync",
        "added",
        "changed",
        "unchanged",
        "only_in_aws",
    ]
    assert (document["secret_id"], document["arn"], document["in_sync"]) == (SECRET, arn, False)
    assert document["version_id"] == operator.aws.client("secretsmanager").get_secret_value(SecretId=arn)["VersionId"]
    assert (document["added"], document["changed"], document["only_in_aws"]) == (["SUPABASE_URL"], [], ["LEFT_OVER"])
    assert "SUPABASE_JWT_SECRET" in document["unchanged"]


@pytest.mark.parametrize(("options", "code", "fate"), [([], 0, "only_in_aws"), (["--prune"], 1, "removed")])
def test_keys_that_only_aws_has_are_drift_where_they_would_be_pruned(
    operator: Operator, options: list[str], code: int, fate: str
) -> None:
    """After a push, a diff with the same options is 0."""
    store(operator, LEFT_OVER="x")
    result = operator.here("diff", *TO, *options)
    assert result.code == code
    assert f"{fate}\tLEFT_OVER" in result.out
    document = operator.here("diff", *TO, *options, "--json").json
    assert (document["only_in_aws"], document["in_sync"]) == (["LEFT_OVER"], not code)


def test_absent_secret_is_drift(operator: Operator) -> None:
    """Everything would be added; where, is said."""
    result = operator.here("diff", *TO, "--json")
    assert (result.code, result.json["arn"], result.json["version_id"]) == (1, None, None)
    assert "SUPABASE_JWT_SECRET" in result.json["added"]
    assert "there is no value yet: secret gateway/production in AWS account 123456789012, eu-west-1" in result.err


def test_secret_without_a_value_is_drift(operator: Operator) -> None:
    """Other tools make the secret first, and its value later."""
    operator.aws.client("secretsmanager").create_secret(Name=SECRET)
    result = operator.here("diff", *TO, "--json")
    assert (result.code, result.json["version_id"]) == (1, None)
    assert result.json["arn"]


def test_secret_that_is_to_be_deleted_is_a_conflict(operator: Operator) -> None:
    """AWS gives nothing of it; there is a way back."""
    store(operator)
    operator.aws.client("secretsmanager").delete_secret(SecretId=SECRET, RecoveryWindowInDays=7)
    result = operator.here("diff", *TO)
    assert result.code == 7
    assert "is to be deleted on " in result.err
    assert "--restore" in result.err


def test_secret_of_something_else_is_refused_by_key(operator: Operator) -> None:
    """Somebody keeps numbers in it; the key is named."""
    operator.aws.client("secretsmanager").create_secret(Name=SECRET, SecretString='{"PORT": 5671}')
    result = operator.here("diff", *TO)
    assert result.code == 3
    assert "no strings: PORT" in result.err
    assert "5671" not in result.err


def test_other_account_than_the_profile_s_is_refused(operator: Operator) -> None:
    """The ARN says which account it is; nothing is compared."""
    store(operator)
    (operator.folder / "tickctl.toml").write_text(
        f'[env.production]\nsecret-id = "{SECRET}"\nregion = "eu-west-1"\naccount = "210987654321"\n'
    )
    result = operator.here("diff", "--env-name", "production")
    assert result.code == 3
    assert "lead to AWS account 123456789012, and profile production wants 210987654321" in result.err
    assert operator.aws.operations == ["DescribeSecret"]


def test_other_account_is_refused_before_there_is_a_secret(operator: Operator) -> None:
    """Then STS says whose credentials they are."""
    (operator.folder / "tickctl.toml").write_text(
        f'[env.production]\nsecret-id = "{SECRET}"\nregion = "eu-west-1"\naccount = "210987654321"\n'
    )
    assert operator.here("diff", "--env-name", "production").code == 3
    assert operator.aws.operations == ["DescribeSecret", "GetCallerIdentity"]


def test_profile_s_own_account_is_taken(operator: Operator) -> None:
    """The usual case."""
    store(operator)
    (operator.folder / "tickctl.toml").write_text(
        f'[env.production]\nsecret-id = "{SECRET}"\nregion = "eu-west-1"\naccount = "123456789012"\n'
    )
    assert operator.here("diff", "--env-name", "production").code == 0


def test_arn_names_the_secret_as_well(operator: Operator) -> None:
    """And the region with it; people read the name."""
    arn = store(operator)
    result = operator.here("diff", "--secret-id", arn, env={"AWS_REGION": ""})
    assert result.code == 0
    assert "secret gateway/production in AWS account" in result.err


def test_nothing_says_which_secret(operator: Operator) -> None:
    """A guess would be somebody else's secret."""
    result = operator.here("diff")
    assert result.code == 3
    assert "--secret-id" in result.err
    assert operator.aws.calls == []


@pytest.mark.parametrize(
    ("env", "code", "said"),
    [
        ({"AWS_REGION": ""}, 3, "no AWS region"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, 3, "there are no AWS credentials"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, 3, "incomplete"),
        ({"AWS_PROFILE": "nowhere"}, 3, "the profile that AWS_PROFILE names doesn't exist"),
        (
            {"AWS_PROFILE": "nowhere", "AWS_REGION": ""},
            3,
            "the profile that AWS_PROFILE names doesn't exist",
        ),
        ({"AWS_CONFIG_FILE": "services/.env", "AWS_REGION": ""}, 3, "AWS's own configuration can't be read"),
        ({"AWS_CONFIG_FILE": "services/.env"}, 3, "AWS's own configuration can't be read"),
        ({"AWS_MAX_ATTEMPTS": "many"}, 3, "AWS's library can't go on"),
        ({"AWS_ENDPOINT_URL": "http://198.51.100.7"}, 3, "the AWS endpoint is not https"),
        ({"AWS_ENDPOINT_URL": "not a url"}, 3, "AWS's library can't go on"),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"},
            5,
            "can't connect to AWS Secrets Manager",
        ),
    ],
)
def test_aws_that_cannot_be_asked(operator: Operator, env: dict[str, str], code: int, said: str) -> None:
    """Each says what is missing, in a line and a hint."""
    result = operator.here("diff", *TO, env=env)
    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert "hint: " in result.err or "can't go on" in result.err


def test_credentials_of_env_files_count_where_the_environment_has_none(operator: Operator) -> None:
    """And it is said where they come from, since they may be the application's own."""
    operator.write(AWS_ACCESS_KEY_ID="AKIAFROMFILE", AWS_SECRET_ACCESS_KEY="made-up", AWS_SESSION_TOKEN="made-up")
    store(operator)
    env = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_REGION": ""}
    operator.write(AWS_REGION="eu-west-1")
    result = operator.here("diff", *TO, env=env)
    assert result.code == 1, result.err  # the region is new
    assert "the AWS credentials come from services/keys.env" in result.err
    assert "come from" not in operator.here("diff", *TO).err


def test_half_a_key_pair_in_a_file_is_refused(operator: Operator) -> None:
    """It would be nobody's."""
    operator.write(AWS_ACCESS_KEY_ID="AKIAFROMFILE")
    result = operator.here("diff", *TO, env={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
    assert result.code == 3
    assert "half of an AWS key pair" in result.err


def test_profile_named_in_a_file_counts(operator: Operator) -> None:
    """AWS_PROFILE is no secret, and often in services/.env."""
    operator.write(AWS_PROFILE="nowhere")
    result = operator.here("diff", *TO, env={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
    assert result.code == 3
    assert "profile that AWS_PROFILE names doesn't exist" in result.err


def test_terminal_gets_paragraphs(operator: Operator) -> None:
    """Names to read; of keys that are the same, their number."""
    store(operator, SUPABASE_URL=None)
    services = operator.folder / "services"
    files = ["--env-file", str(services / ".env"), "--env-file", str(services / "keys.env")]
    result = converse(["secrets", "diff", *TO, *files], {}, operator.environ)
    assert result.code == 1
    assert "added       SUPABASE_URL\n" in result.out
    assert "unchanged   7 keys\n" in result.out
