"""Secrets in AWS Secrets Manager, over real HTTP against an account that refuses what AWS refuses."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from standin.http import Answer, LoopbackServer, json_answer
from strict_aws import REGION, StrictAws
from tickctl.adapters.aws import Aws, open_aws
from tickctl.core.secret import Secret
from tickctl.core.secrets.payload import LARGEST
from tickctl.core.secrets.plan import client_token
from tickctl.core.secrets.store import CURRENT, PREVIOUS, Phase, SecretState, SecretVersion
from tickctl.errors import (
    ConfigurationError,
    ConflictError,
    CredentialsRefusedError,
    NotFoundError,
    TickctlError,
    UnreachableError,
)

NAME = "gateway/production"
TEXT = Secret('{"A":"hunter2-hunter2"}')
TOKEN = "0" * 36


@pytest.fixture
def opened(aws: StrictAws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """Access to the account, as a process would have it; retries don't wait."""
    for name, value in aws.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _seconds: None)
    return open_aws(region=REGION, user_agent="tickctl/test")


@pytest.fixture
def secret(aws: StrictAws) -> str:
    """The ARN of a secret with one version."""
    made = aws.client("secretsmanager").create_secret(Name=NAME, SecretString=TEXT.reveal(), ClientRequestToken=TOKEN)
    assert isinstance(made["ARN"], str)
    return made["ARN"]


def test_absent_secret_is_a_state(opened: Aws) -> None:
    """A push makes it; so it is no error."""
    assert opened.secrets.describe(NAME) == SecretState(name=NAME, phase=Phase.ABSENT)


def test_created_secret_is_described(aws: StrictAws, opened: Aws) -> None:
    """By name and by ARN: version, stage, tags, key; and the token is the version's id."""
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    made = opened.secrets.create(NAME, TEXT, token=TOKEN, kms_key=key, tags={"team": "agents"})
    state = opened.secrets.describe(NAME)
    assert (made.arn, made.phase, made.version_of(CURRENT)) == (state.arn, Phase.LIVE, TOKEN)
    assert (state.name, state.phase, state.kms_key, state.tags) == (NAME, Phase.LIVE, key, {"team": "agents"})
    assert state.stages == {TOKEN: (CURRENT,)}
    assert state.changed_at is not None
    assert (state.deletion_at, state.owner, state.rotates) == (None, None, False)
    assert opened.secrets.describe(str(state.arn)) == state


def test_put_makes_one_current_version(aws: StrictAws, opened: Aws, secret: str) -> None:
    """The one before stays as AWSPREVIOUS; the time of the last change moves."""
    before = opened.secrets.describe(NAME)
    aws.clock.advance(1)
    put = opened.secrets.put(secret, Secret('{"A":"2"}'), token=client_token(before))
    after = opened.secrets.describe(NAME)
    assert (after.version_of(CURRENT), after.version_of(PREVIOUS)) == (put.id, before.version_of(CURRENT))
    assert before.changed_at is not None
    assert after.changed_at is not None
    assert after.changed_at - before.changed_at >= timedelta(seconds=1)
    assert opened.secrets.get(NAME) == SecretVersion(
        put.id, (CURRENT,), opened.secrets.versions(NAME)[0].created_at, Secret('{"A":"2"}')
    )


def test_current_version_is_asked_for_by_its_stage(aws: StrictAws, opened: Aws, secret: str) -> None:
    """Also after a rollback, when the version that was put last isn't current."""
    put = opened.secrets.put(secret, Secret("{}"), token="1" * 36)
    opened.secrets.move_current(secret, to=TOKEN, away_from=put.id)
    found = opened.secrets.get(NAME)
    assert (found.id, found.text, found.stages) == (TOKEN, TEXT, (CURRENT,))
    assert aws.calls[-1].parameters["VersionStage"] == CURRENT
    assert opened.secrets.get(NAME, version_id=put.id).text == Secret("{}")


def test_versions_come_latest_first_and_all_of_them(aws: StrictAws, opened: Aws, secret: str) -> None:
    """Over several pages, those without a stage included, and without a value."""
    tokens = [TOKEN, *(f"{number:036}" for number in range(1, 120))]
    for token in tokens[1:]:
        aws.clock.advance(1)
        aws.client("secretsmanager").put_secret_value(SecretId=secret, SecretString="{}", ClientRequestToken=token)
    found = opened.secrets.versions(NAME)
    assert [version.id for version in found] == tokens[::-1]
    assert [version.stages for version in found[:3]] == [(CURRENT,), (PREVIOUS,), ()]
    assert {version.text for version in found} == {None}
    assert aws.operations.count("ListSecretVersionIds") == 2


def test_secret_of_bytes_has_no_text(aws: StrictAws, opened: Aws) -> None:
    """It is somebody else's."""
    aws.client("secretsmanager").create_secret(Name=NAME, SecretBinary=b"\0\1")
    assert opened.secrets.get(NAME).text is None


def test_two_writes_from_one_state(aws: StrictAws, opened: Aws, secret: str) -> None:
    """The first one wins; another value is a conflict, and the same value the same write."""
    token = client_token(opened.secrets.describe(NAME))
    first = opened.secrets.put(secret, Secret('{"A":"2"}'), token=token)
    assert opened.secrets.put(secret, Secret('{"A":"2"}'), token=token).id == first.id
    with pytest.raises(ConflictError, match="nothing was written"):
        opened.secrets.put(secret, Secret('{"A":"3"}'), token=token)
    assert opened.secrets.get(NAME).text == Secret('{"A":"2"}')
    assert len(opened.secrets.versions(NAME)) == 2


def test_two_creations_at_once(opened: Aws) -> None:
    """Names are unique; the second creation finds the first."""
    token = client_token(opened.secrets.describe(NAME))
    opened.secrets.create(NAME, TEXT, token=token, kms_key=None, tags={})
    with pytest.raises(ConflictError):
        opened.secrets.create(NAME, Secret("{}"), token=token, kms_key=None, tags={})


@pytest.mark.parametrize("attempts", [1, 4])
def test_throttled_write_is_repeated_with_its_token(aws: StrictAws, opened: Aws, secret: str, attempts: int) -> None:
    """So that it is one write, however often it is sent."""
    aws.fail("PutSecretValue", "ThrottlingException", "Rate exceeded", times=attempts)
    opened.secrets.put(secret, Secret("{}"), token="1" * 36)
    puts = [call for call in aws.calls if call.operation == "PutSecretValue"]
    assert len(puts) == attempts + 1
    assert {put.parameters["ClientRequestToken"] for put in puts} == {"1" * 36}
    assert len(opened.secrets.versions(NAME)) == 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_write_whose_connection_breaks_is_made_once(aws: StrictAws, opened: Aws, secret: str, when: Any) -> None:
    """The library sends it again; AWS knows it by its token."""
    aws.cut("PutSecretValue", when=when)
    opened.secrets.put(secret, Secret("{}"), token="1" * 36)
    assert aws.operations.count("PutSecretValue") == 2
    assert len(opened.secrets.versions(NAME)) == 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_write_that_is_never_answered_may_have_been_made(aws: StrictAws, opened: Aws, secret: str, when: Any) -> None:
    """After five attempts it is given up, and the error says that nobody knows."""
    aws.cut("PutSecretValue", when=when, times=5)
    with pytest.raises(UnreachableError, match="whether PutSecretValue was carried out is not known"):
        opened.secrets.put(secret, Secret("{}"), token="1" * 36)
    assert aws.operations.count("PutSecretValue") == 5
    assert len(opened.secrets.versions(NAME)) == {"before": 1, "after": 2}[when]


def test_number_of_attempts_is_the_environment_s(aws: StrictAws, opened: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_MAX_ATTEMPTS is a standard variable."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    aws.fail("DescribeSecret", "ThrottlingException", times=5)
    with pytest.raises(UnreachableError, match="throttling requests"):
        open_aws(region=REGION).secrets.describe(NAME)
    assert aws.operations == ["DescribeSecret"] * 2


def test_move_takes_the_stage_from_the_version_that_has_it(opened: Aws, secret: str) -> None:
    """Somebody who pushed in between isn't rolled back by accident."""
    second = opened.secrets.put(secret, Secret("{}"), token="1" * 36)
    opened.secrets.move_current(secret, to=TOKEN, away_from=second.id)
    assert opened.secrets.describe(NAME).stages == {TOKEN: (CURRENT,), second.id: (PREVIOUS,)}
    third = opened.secrets.put(secret, Secret('{"C":""}'), token="2" * 36)
    with pytest.raises(ConflictError):
        opened.secrets.move_current(secret, to=second.id, away_from=TOKEN)
    assert opened.secrets.describe(NAME).version_of(CURRENT) == third.id


def test_move_whose_answer_is_lost_is_no_conflict(aws: StrictAws, opened: Aws, secret: str) -> None:
    """Its repetition is refused, since it was made already."""
    second = opened.secrets.put(secret, Secret("{}"), token="1" * 36)
    aws.cut("UpdateSecretVersionStage", when="after")
    opened.secrets.move_current(secret, to=TOKEN, away_from=second.id)
    assert aws.operations[-3:] == ["UpdateSecretVersionStage", "UpdateSecretVersionStage", "DescribeSecret"]
    assert opened.secrets.describe(NAME).version_of(CURRENT) == TOKEN


def test_missing_versions_are_not_found(opened: Aws, secret: str) -> None:
    """By id, for reading and for moving back."""
    with pytest.raises(NotFoundError, match=f"has no version {'9' * 36}"):
        opened.secrets.get(NAME, version_id="9" * 36)
    with pytest.raises(NotFoundError, match=f"has no version {'9' * 36}"):
        opened.secrets.move_current(secret, to="9" * 36, away_from=TOKEN)
    with pytest.raises(NotFoundError, match="doesn't exist"):
        opened.secrets.get("another")


@pytest.mark.parametrize(("region", "primary"), [(REGION, None), ("us-east-1", REGION)])
def test_replica_is_told_from_its_original(
    opened: Aws, monkeypatch: pytest.MonkeyPatch, region: str, primary: str | None
) -> None:
    """Of both, AWS says where the original is; only that can be changed."""
    arn = f"arn:aws:secretsmanager:{region}:123456789012:secret:{NAME}-AbCdEf"
    described = json_answer(200, {"ARN": arn, "Name": NAME, "PrimaryRegion": REGION})
    with LoopbackServer(lambda _request: described, "replica") as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        assert open_aws(region=region).secrets.describe(NAME).primary_region == primary


def test_scheduled_deletion_is_seen_and_taken_back(aws: StrictAws, opened: Aws, secret: str) -> None:
    """Until then nothing is read or written; afterwards it is the same secret."""
    aws.client("secretsmanager").delete_secret(SecretId=NAME, RecoveryWindowInDays=7)
    state = opened.secrets.describe(NAME)
    assert (state.phase, state.arn, state.deletion_at is not None) == (Phase.SCHEDULED_FOR_DELETION, secret, True)
    for action in (
        lambda: opened.secrets.get(secret),
        lambda: opened.secrets.put(secret, TEXT, token="1" * 36),
        lambda: opened.secrets.create(NAME, TEXT, token="1" * 36, kms_key=None, tags={}),
    ):
        with pytest.raises(ConflictError, match="is scheduled for deletion"):
            action()
    opened.secrets.restore(secret)
    assert opened.secrets.describe(NAME).phase is Phase.LIVE
    assert opened.secrets.get(secret).text == TEXT


def test_tags_are_added_and_replaced(opened: Aws, secret: str) -> None:
    """Others stay."""
    opened.secrets.tag(secret, {"team": "agents", "env": "staging"})
    opened.secrets.tag(secret, {"env": "production"})
    assert opened.secrets.describe(NAME).tags == {"team": "agents", "env": "production"}


def test_key_that_cannot_be_used(aws: StrictAws, opened: Aws) -> None:
    """AWS KMS refuses for Secrets Manager, to write and to read."""
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    opened.secrets.create(NAME, TEXT, token=TOKEN, kms_key=key, tags={})
    aws.client("kms").disable_key(KeyId=key.rpartition("/")[2])
    with pytest.raises(CredentialsRefusedError, match="doesn't decrypt"):
        opened.secrets.get(NAME)
    with pytest.raises(CredentialsRefusedError, match="doesn't encrypt"):
        opened.secrets.put(NAME, TEXT, token="1" * 36)


def test_value_that_is_too_large_is_refused_without_being_shown(opened: Aws, secret: str) -> None:
    """Planning refuses it before; this is the last line."""
    with pytest.raises(ConfigurationError) as refused:
        opened.secrets.put(secret, Secret("hunter2" * LARGEST), token="1" * 36)
    assert "hunter2" not in refused.value.message
    assert "(ValidationException)" in refused.value.message


OPERATIONS: dict[str, Callable[[Aws], object]] = {
    "DescribeSecret": lambda aws: aws.secrets.describe(NAME),
    "GetSecretValue": lambda aws: aws.secrets.get(NAME),
    "ListSecretVersionIds": lambda aws: aws.secrets.versions(NAME),
    "CreateSecret": lambda aws: aws.secrets.create("x", TEXT, token="1" * 36, kms_key=None, tags={}),
    "PutSecretValue": lambda aws: aws.secrets.put(NAME, TEXT, token="1" * 36),
    "RestoreSecret": lambda aws: aws.secrets.restore(NAME),
    "TagResource": lambda aws: aws.secrets.tag(NAME, {"a": "b"}),
    "UpdateSecretVersionStage": lambda aws: aws.secrets.move_current(NAME, to=TOKEN, away_from=TOKEN),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDeniedException", CredentialsRefusedError),
        ("ExpiredTokenException", CredentialsRefusedError),
        ("InternalServiceError", UnreachableError),
    ],
)
def test_every_operation_tells_refusal_from_outage(
    aws: StrictAws, opened: Aws, secret: str, operation: str, code: str, kind: type[TickctlError]
) -> None:
    """Nothing of the library's exception comes along, since request and answer are in its frames."""
    aws.fail(operation, code, "hunter2", status=500 if kind is UnreachableError else 400, times=5)
    with pytest.raises(kind) as refused:
        OPERATIONS[operation](opened)
    assert "hunter2" not in f"{refused.value.message}{refused.value.hint}"
    assert refused.value.__context__ is refused.value.__cause__ is None
    if code == "AccessDeniedException":
        assert f"secretsmanager:{operation}" in refused.value.message


@pytest.mark.parametrize("status", [200, 403, 404])
@pytest.mark.parametrize("body", [b"<html>Sign in to the network</html>", b"{}", b"[1]", b""])
def test_whoever_answers_instead_of_aws_is_a_stranger(
    opened: Aws, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    """A proxy's page is neither a secret nor an absent one, and no refusal by AWS."""
    page = Answer(status, [("Content-Type", "text/html")], body)
    with LoopbackServer(lambda _request: page, "proxy") as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        there = open_aws(region=REGION)
        actions = {name: action for name, action in OPERATIONS.items() if name != "TagResource"}  # answers nothing
        for action in [*actions.values(), Aws.account]:
            with pytest.raises(UnreachableError, match="isn't AWS"):
                action(there)


def test_session_token_and_profile_come_from_what_is_given(
    aws: StrictAws, opened: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Env files may hold temporary credentials."""
    account = opened.account()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name)
    given = {"AWS_ACCESS_KEY_ID": "AKIAGIVEN", "AWS_SECRET_ACCESS_KEY": "made-up", "AWS_SESSION_TOKEN": "made-up"}
    there = open_aws(region=None, credentials={k: Secret(v) for k, v in (given | {"AWS_REGION": REGION}).items()})
    assert there.region == REGION
    assert there.account() == account
    credentials = there._session.get_credentials()
    assert (credentials.access_key, credentials.token) == ("AKIAGIVEN", "made-up")
    without = open_aws(region=REGION, credentials={k: Secret(v) for k, v in given.items() if "TOKEN" not in k})
    assert without._session.get_credentials().token is None


def test_account_is_asked_for_once(aws: StrictAws, opened: Aws) -> None:
    """It doesn't change while a command runs."""
    assert opened.account() == opened.account()
    assert aws.operations == ["GetCallerIdentity"]


def test_library_s_check_of_parameters_shows_no_value(opened: Aws) -> None:
    """Its own text quotes what it was given."""
    with pytest.raises(ConfigurationError) as refused:
        opened.secrets._client.call("put_secret_value", SecretId=NAME, SecretString=["hunter2"])  # type: ignore[attr-defined]
    assert "hunter2" not in refused.value.message
