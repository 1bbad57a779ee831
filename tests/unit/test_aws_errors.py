"""What AWS's client library raises becomes an error of ours: the right kind, a useful sentence, no value."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from botocore import exceptions as library
from botocore.parsers import ResponseParserError

from tickctl.adapters.aws.client import silence_library
from tickctl.adapters.aws.errors import explained, not_aws
from tickctl.adapters.aws.messages import Request, access_denied, without_values
from tickctl.core.secret import MASK
from tickctl.errors import (
    ConfigurationError,
    ConflictError,
    CredentialsRefusedError,
    NotFoundError,
    TickctlError,
    UnreachableError,
)

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/production-AbCdEf"
VALUE = "hunter2-hunter2"
DENIED = (
    f"User: arn:aws:sts::123456789012:assumed-role/ci/run-1 is not authorized to perform: "
    f"secretsmanager:PutSecretValue on resource: {ARN} because no identity-based policy allows the "
    "secretsmanager:PutSecretValue action"
)


def request(operation: str = "GetSecretValue", of: str = "secretsmanager", **parameters: Any) -> Request:
    """Return a request; unless said otherwise, for a secret."""
    url = "https://user:password@secretsmanager.eu-west-1.amazonaws.com/"
    return Request(of, operation, "eu-west-1", url, parameters or {"SecretId": "gateway/production"})


def answer(code: str, message: str = "", status: int = 400) -> library.ClientError:
    """Return what the library raises for an error that AWS answers."""
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return library.ClientError(response, "operation")


@pytest.mark.parametrize(
    ("code", "message", "status", "kind", "said"),
    [
        ("ExpiredTokenException", "The security token is expired", 400, CredentialsRefusedError, "have expired"),
        ("ExpiredToken", "", 403, CredentialsRefusedError, "have expired"),
        ("UnrecognizedClientException", "", 400, CredentialsRefusedError, "doesn't know these credentials"),
        ("InvalidClientTokenId", "", 403, CredentialsRefusedError, "doesn't know these credentials"),
        ("InvalidSignatureException", "", 400, CredentialsRefusedError, "rejects the signature"),
        (
            "AccessDeniedException",
            "Access to KMS is not allowed",
            400,
            CredentialsRefusedError,
            "AWS KMS doesn't decrypt",
        ),
        ("DecryptionFailure", "", 400, CredentialsRefusedError, "AWS KMS doesn't decrypt"),
        ("AccessDeniedException", "no", 400, CredentialsRefusedError, "doesn't allow secretsmanager:GetSecretValue"),
        ("Whatever", "", 403, CredentialsRefusedError, "doesn't allow secretsmanager:GetSecretValue"),
        ("InternalServiceError", "", 500, UnreachableError, "has an internal error (InternalServiceError)"),
        ("503", "<html>", 503, UnreachableError, "has an internal error (503)"),
        ("ThrottlingException", "Rate exceeded", 400, UnreachableError, "throttling requests"),
        ("403", "<html>go away</html>", 403, UnreachableError, "isn't AWS"),
        ("", "", 404, UnreachableError, "isn't AWS"),
        ("ResourceNotFoundException", "", 400, NotFoundError, "gateway/production in eu-west-1 doesn't exist"),
        (
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
            400,
            NotFoundError,
            "has no value yet",
        ),
        ("InvalidRequestException", "it was marked for deletion.", 400, ConflictError, "is scheduled for deletion"),
        ("LimitExceededException", "", 400, ConfigurationError, "would exceed a quota"),
        ("InvalidParameterException", "Nothing fits.", 400, ConfigurationError, "(InvalidParameterException): Nothing"),
        ("SomethingNew", "", 400, ConfigurationError, "rejects GetSecretValue for the secret gateway/production"),
    ],
)
def test_answers_to_a_read(code: str, message: str, status: int, kind: type[TickctlError], said: str) -> None:
    """Refused, cannot tell, missing, conflict and wrong are told apart."""
    error = explained(answer(code, message, status), request())
    assert type(error) is kind
    assert said in error.message
    assert "not known" not in error.message, "a read that fails has changed nothing"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (answer("InternalServiceError", status=500), "has an internal error"),
        (answer("ThrottlingException"), "throttling requests"),
        (answer("200", "<html>"), "isn't AWS"),
        (KeyError("a parser's"), "isn't AWS"),
        (ResponseParserError(VALUE), "isn't AWS"),
        (library.ReadTimeoutError(endpoint_url="https://x"), "gave no answer to PutSecretValue"),
        (library.ConnectionClosedError(endpoint_url="https://x"), "gave no answer to PutSecretValue"),
        (library.EndpointConnectionError(endpoint_url="https://x"), "can't connect to AWS Secrets Manager at secretsm"),
        (library.ConnectTimeoutError(endpoint_url="https://x"), "can't connect to AWS Secrets Manager at secretsman"),
    ],
)
def test_of_a_change_without_an_answer_nobody_knows(error: Exception, said: str) -> None:
    """It says so, and that the same command is safe: the library has tried it several times."""
    explanation = explained(error, request("PutSecretValue", SecretId=ARN, SecretString=VALUE))
    assert type(explanation) is UnreachableError
    assert said in explanation.message
    assert explanation.message.endswith("whether PutSecretValue was carried out is not known")
    assert explanation.hint is not None
    assert explanation.hint.startswith("run the same command again")
    assert "password" not in explanation.message


def test_of_a_move_without_an_answer_nobody_is_told_to_repeat_it() -> None:
    """'Back to the previous version' done twice is where it began."""
    error = explained(library.ReadTimeoutError(endpoint_url="https://x"), request("UpdateSecretVersionStage"))
    assert "whether UpdateSecretVersionStage was carried out is not known" in error.message
    assert str(error.hint).startswith("check with 'tickctl secrets list --versions'")


@pytest.mark.parametrize(
    ("operation", "code", "message"),
    [
        ("PutSecretValue", "ResourceExistsException", f"can't use ClientRequestToken for {VALUE}"),
        ("CreateSecret", "ResourceExistsException", "the secret already exists"),
        ("UpdateSecretVersionStage", "InvalidParameterException", "The parameter RemoveFromVersionId can't be empty."),
        (
            "UpdateSecretVersionStage",
            "InvalidParameterException",
            "it must be set to the version that currently has the staging label AWSCURRENT.",
        ),
    ],
)
def test_somebody_else_was_quicker(operation: str, code: str, message: str) -> None:
    """A conflict, and nothing written."""
    error = explained(answer(code, message), request(operation, SecretId=ARN, SecretString=VALUE))
    assert type(error) is ConflictError
    assert "nothing was written" in error.message
    assert VALUE not in error.message


@pytest.mark.parametrize("code", ["EncryptionFailure", "AccessDeniedException"])
def test_kms_refuses_to_encrypt(code: str) -> None:
    """The key is somebody else's, disabled, or not allowed."""
    error = explained(answer(code, "Access to KMS is not allowed"), request("PutSecretValue"))
    assert type(error) is CredentialsRefusedError
    assert "AWS KMS doesn't encrypt" in error.message
    assert "kms:GenerateDataKey" in str(error.hint)


def test_what_aws_quotes_of_a_written_secret_is_not_repeated() -> None:
    """Validation may quote the text that was sent, or a part of it."""
    text = f'{{"A":"{VALUE}"}}'
    error = explained(
        answer("ValidationException", f"Value '{VALUE}' at 'secretString' failed"),
        request("PutSecretValue", SecretId=ARN, SecretString=text),
    )
    assert type(error) is ConfigurationError
    assert error.message == f"AWS Secrets Manager rejects PutSecretValue for the secret {ARN} (ValidationException)"


def test_what_aws_says_of_a_secret_s_state_is_shown_without_values() -> None:
    """That a secret is managed elsewhere, for instance; whole values and their words are masked all the same."""
    text = '{"A":"correct horse","N":5,"B":"x"}'
    error = explained(
        answer("InvalidRequestException", "You can't modify it: correct horse, horse, x, " + text),
        request("PutSecretValue", SecretId="gateway", SecretString=text),
    )
    assert error.message.endswith(f"(InvalidRequestException): You can't modify it: {MASK}, {MASK}, x, {MASK}")
    assert text not in repr(request("PutSecretValue", SecretString=text))


def test_ecs_s_words_are_shown_without_plain_values() -> None:
    """They say what is wrong with a task definition; a container's plain values are not in them."""
    document = {"containerDefinitions": [{"name": "web", "environment": [{"name": "DB", "value": VALUE}]}]}
    error = explained(
        answer("ClientException", f"Invalid   setting\n{VALUE} for container 'web'."),
        request("RegisterTaskDefinition", "ecs", family="gateway", **document),
    )
    assert type(error) is ConfigurationError
    assert error.message == (
        "AWS ECS rejects RegisterTaskDefinition for the task definition gateway (ClientException): "
        f"Invalid setting {MASK} for container 'web'."
    )


@pytest.mark.parametrize(
    ("operation", "parameters", "code", "message", "said"),
    [
        (
            "DescribeTaskDefinition",
            {"taskDefinition": "gateway"},
            "ClientException",
            "Unable to describe task definition.",
            "the task definition gateway in eu-west-1 doesn't exist",
        ),
        (
            "DescribeServices",
            {"cluster": "main", "services": ["a", "b"]},
            "ClusterNotFoundException",
            "Cluster not found.",
            "the cluster main in eu-west-1 doesn't exist",
        ),
        (
            "UpdateService",
            {"cluster": "main", "service": "gateway"},
            "ServiceNotActiveException",
            "Service was not ACTIVE.",
            "the service gateway in eu-west-1 doesn't exist",
        ),
        ("ListTasks", {"x": 1}, "ResourceNotFoundException", "", "this in eu-west-1 doesn't exist"),
    ],
)
def test_missing_things_of_ecs(operation: str, parameters: dict[str, Any], code: str, message: str, said: str) -> None:
    """Each is named as what it is."""
    error = explained(answer(code, message), request(operation, "ecs", **parameters))
    assert (type(error), error.message) == (NotFoundError, said)


def test_missing_version_is_named() -> None:
    """Not the secret is missing then."""
    error = explained(answer("ResourceNotFoundException"), request(SecretId="gateway", VersionId="v1"))
    assert error.message == "the secret gateway in eu-west-1 has no version v1"


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (library.NoCredentialsError(), ConfigurationError, "there are no AWS credentials"),
        (library.PartialCredentialsError(provider="env", cred_var="x"), ConfigurationError, "incomplete"),
        (library.ProfileNotFound(profile=VALUE), ConfigurationError, "profile that AWS_PROFILE names"),
        (library.SSOTokenLoadError(error_msg=VALUE), CredentialsRefusedError, "sign-in has expired"),
        (library.UnauthorizedSSOTokenError(), CredentialsRefusedError, "sign-in has expired"),
        (library.TokenRetrievalError(provider="x", error_msg=VALUE), CredentialsRefusedError, "sign-in has expired"),
        (library.CredentialRetrievalError(provider="x", error_msg=VALUE), ConfigurationError, "can't be fetched"),
        (library.MetadataRetrievalError(error_msg=VALUE), UnreachableError, "hands out this machine's"),
        (library.NoRegionError(), ConfigurationError, "no AWS region"),
        (library.InvalidRegionError(region_name=VALUE), ConfigurationError, "not an AWS region"),
        (library.ConfigParseError(path=VALUE), ConfigurationError, "AWS's own configuration"),
        (library.ParamValidationError(report=VALUE), ConfigurationError, "rejects the request as malformed"),
        (library.UnknownServiceError(service_name=VALUE, known_service_names=""), ConfigurationError, "can't go on"),
        (ValueError(f"Invalid endpoint: {VALUE}"), ConfigurationError, "can't go on (ValueError)"),
        (answer("AccessDenied", VALUE), CredentialsRefusedError, "gives no credentials"),
        (library.EndpointConnectionError(endpoint_url=VALUE), UnreachableError, "isn't AWS"),
    ],
)
def test_what_fails_before_a_request(error: Exception, kind: type[TickctlError], said: str) -> None:
    """Credentials, region and configuration; the library's own text may hold anything and is never shown."""
    explanation = explained(error, None)
    assert type(explanation) is kind
    assert said in explanation.message
    assert VALUE not in f"{explanation.message}{explanation.hint}"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (library.SSLError(endpoint_url="https://x", error=VALUE), "its certificate isn't trusted"),
        (library.ProxyConnectionError(proxy_url=VALUE), "can't connect to the proxy"),
        (ResponseParserError(VALUE), "isn't AWS"),
        (library.HTTPClientError(error=VALUE), "gave no answer to GetSecretValue"),
    ],
)
def test_connections_that_fail(error: Exception, said: str) -> None:
    """Cannot tell, each with what to look at."""
    explanation = explained(error, request())
    assert type(explanation) is UnreachableError
    assert said in explanation.message
    assert explanation.hint
    assert VALUE not in f"{explanation.message}{explanation.hint}"


def test_stranger_names_the_service() -> None:
    """A proxy's page with status 200 has none of the members that AWS always sends."""
    assert "AWS STS" in not_aws("STS").message


def test_denials_name_action_resource_identity_and_reason() -> None:
    """That is what an administrator needs to know to mend them."""
    assert access_denied(DENIED, action="x:Y") == (
        f"AWS doesn't allow secretsmanager:PutSecretValue on {ARN} to "
        "arn:aws:sts::123456789012:assumed-role/ci/run-1 because no identity-based policy allows the "
        "secretsmanager:PutSecretValue action"
    )
    explicit = (
        "User: arn:aws:iam::1:user/a is not authorized to perform: ecs:UpdateService "
        "with an explicit deny in a service control policy"
    )
    assert access_denied(explicit, action="x:Y") == (
        "AWS doesn't allow ecs:UpdateService to arn:aws:iam::1:user/a with an explicit deny in a service control policy"
    )
    boundary = DENIED.replace("identity-based policy", "permissions boundary")
    assert access_denied(boundary, action="x:Y").endswith(
        "because no permissions boundary allows the secretsmanager:PutSecretValue action"
    )
    assert access_denied("Access denied.", action="ecs:ListTasks") == "AWS doesn't allow ecs:ListTasks"


def test_long_messages_end() -> None:
    """And what is no text is none."""
    assert len(without_values("x" * 10_000, {})) == 401
    assert without_values(None, {}) == ""
    assert without_values("a b", {"environment": [{"name": "A", "value": ""}], "count": 1}) == "a b"


@pytest.fixture
def loggers() -> Iterator[list[logging.Logger]]:
    """The library's loggers, set as somebody who debugs would; restored afterwards."""
    found = [logging.getLogger(name) for name in ("boto3", "botocore", "botocore.endpoint", "botocore.x", "urllib3")]
    before = [logger.level for logger in found]
    for logger in found:
        logger.setLevel(logging.DEBUG)
    logging.getLogger("botocore.x").setLevel(logging.NOTSET)
    yield found
    for logger, level in zip(found, before, strict=True):
        logger.setLevel(level)


def test_library_does_not_log_requests(loggers: list[logging.Logger]) -> None:
    """Not even where somebody has asked for it."""
    silence_library()
    assert not any(logger.isEnabledFor(logging.DEBUG) for logger in loggers)
    logging.getLogger("botocore").setLevel(logging.ERROR)
    silence_library()
    assert logging.getLogger("botocore").level == logging.ERROR
