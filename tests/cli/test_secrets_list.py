"""`tickctl secrets list`: keys and versions, no value."""

import pytest

from aws_support import SECRET, TO, Operator
from terminal_support import converse

FIRST, SECOND, THIRD = ("a" * 36, "b" * 36, "c" * 36)
ARN_END = f":secret:{SECRET}-"


@pytest.fixture
def stored(operator: Operator) -> Operator:
    """An operator whose secret has three versions."""
    client = operator.aws.client("secretsmanager")
    client.create_secret(Name=SECRET, SecretString='{"OLD":"hunter2"}', ClientRequestToken=FIRST)
    for token, text in ((SECOND, '{"OLD":"hunter2"}'), (THIRD, '{"B":"hunter2","A":"hunter2"}')):
        operator.aws.clock.advance(60)
        client.put_secret_value(SecretId=SECRET, SecretString=text, ClientRequestToken=token)
    return operator


def test_keys_are_listed_by_name(stored: Operator) -> None:
    """Those of the current version, sorted; where it is, on stderr."""
    result = stored.here("list", *TO)
    assert (result.code, result.out) == (0, "key\nA\nB\n")
    assert "reading secret gateway/production in AWS account 123456789012, eu-west-1" in result.err
    assert f"2 keys in version {THIRD}" in result.err
    assert stored.aws.operations == ["DescribeSecret", "GetSecretValue"]


def test_keys_as_json(stored: Operator) -> None:
    """Names, and which version they are of."""
    document = stored.here("list", *TO, "--json").json
    assert ARN_END in document.pop("arn")
    assert document == {"secret_id": SECRET, "version_id": THIRD, "keys": ["A", "B"]}


def test_versions_are_listed_without_reading_any(stored: Operator) -> None:
    """The latest first, with their stages; values aren't even asked for."""
    result = stored.here("list", *TO, "--versions")
    lines = [line.split("\t") for line in result.out.splitlines()]
    assert lines[0] == ["version_id", "created_at", "stages"]
    assert [(line[0], line[2]) for line in lines[1:]] == [(THIRD, "AWSCURRENT"), (SECOND, "AWSPREVIOUS"), (FIRST, "")]
    assert stored.aws.operations == ["DescribeSecret", "ListSecretVersionIds"]


def test_versions_as_json(stored: Operator) -> None:
    """Times in RFC 3339, stages as a list."""
    document = stored.here("list", *TO, "--versions", "--json").json
    assert [version["version_id"] for version in document["versions"]] == [THIRD, SECOND, FIRST]
    assert [version["stages"] for version in document["versions"]] == [["AWSCURRENT"], ["AWSPREVIOUS"], []]
    assert all(version["created_at"].endswith("Z") for version in document["versions"])


def test_versions_fit_a_terminal(stored: Operator) -> None:
    """An id of 36 characters is not broken at 80 columns."""
    shown = converse(["secrets", "list", *TO, "--versions"], {}, stored.environ).out
    assert any(line.startswith(f"{THIRD}   20") and line.rstrip().endswith("AWSCURRENT") for line in shown.splitlines())


@pytest.mark.parametrize("options", [[], ["--versions"]])
def test_missing_secret_is_not_found(operator: Operator, options: list[str]) -> None:
    """Exit code 6, and where it was looked for."""
    result = operator.here("list", *TO, *options)
    assert (result.code, result.out) == (6, "")
    assert "there is no secret gateway/production in AWS account 123456789012, eu-west-1" in result.err


def test_secret_without_a_value(operator: Operator) -> None:
    """Other tools make the secret first, and its value later: there is nothing to list the keys of."""
    operator.aws.client("secretsmanager").create_secret(Name=SECRET)
    keys = operator.here("list", *TO)
    assert (keys.code, keys.out) == (6, "")
    assert "has no value yet" in keys.err
    versions = operator.here("list", *TO, "--versions")
    assert (versions.code, versions.out) == (0, "version_id\tcreated_at\tstages\n")
