"""What the failures of AWS's client library mean, in words that hold no value of a request.

Codes and conditions are those of the API references of Secrets Manager, ECS and STS, "Common errors" included.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from botocore import exceptions as library
from botocore.parsers import ResponseParserError

from tickctl.adapters.aws.words import access_denied, aws_words
from tickctl.errors import (
    ConfigurationError,
    ConflictError,
    CredentialsRefusedError,
    NotFoundError,
    TickctlError,
    UnreachableError,
)

CAUGHT: Final = (library.BotoCoreError, library.ClientError, ResponseParserError)
"""Everything that the library raises on purpose."""

_NAMES: Final = {"secretsmanager": "Secrets Manager", "ecs": "ECS", "sts": "STS"}
_READING: Final = ("Describe", "Get", "List")
_AGAIN: Final = "run the same command again: it looks first, and finishes what is missing"
_LOOK: Final = "look with 'tickctl secrets list --versions' which version is current"
"""A move of a stage is no state to come to: the same command might move it back."""

_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_UNKNOWN_KEY: Final = frozenset({
    "UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "AuthFailure",
    "MissingAuthenticationToken", "MissingAuthenticationTokenException", "OptInRequired",
})  # fmt: skip
_SIGNATURE: Final = frozenset({
    "InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException",
})  # fmt: skip
_DENIED: Final = frozenset({
    "AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "NotAuthorized", "BlockedException",
    "Blocked", "ForbiddenException",
})  # fmt: skip
_KMS: Final = frozenset({"EncryptionFailure", "DecryptionFailure"})
_THROTTLED: Final = frozenset({
    "ThrottlingException", "Throttling", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded",
    "RequestThrottled", "RequestThrottledException", "SlowDown",
})  # fmt: skip
_MISSING: Final = frozenset({
    "ResourceNotFoundException", "ClusterNotFoundException", "ServiceNotFoundException", "ServiceNotActiveException",
})  # fmt: skip
_CONFLICTS: Final = frozenset({
    "ResourceExistsException", "ConflictException", "ConcurrentModificationException", "UpdateInProgressException",
})  # fmt: skip
_VALIDATION: Final = frozenset({"ValidationException", "ValidationError", "InvalidParameterException"})
_SERVER_ERROR: Final = 500
_FORBIDDEN: Final = 403


_WHY: Final = "'aws sts get-caller-identity' shows why"
_BEFOREHAND: Final[tuple[tuple[tuple[type[Exception], ...], type[TickctlError], str, str | None], ...]] = (
    (
        (library.NoCredentialsError,),
        ConfigurationError,
        "there are no AWS credentials",
        "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in ('aws sso login')",
    ),
    (
        (library.PartialCredentialsError,),
        ConfigurationError,
        "the AWS credentials are incomplete",
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together",
    ),
    (
        (library.ProfileNotFound,),
        ConfigurationError,
        "the profile that AWS_PROFILE names doesn't exist",
        "'aws configure list-profiles' shows them",
    ),
    (
        (library.SSOError, library.TokenRetrievalError, library.NoAuthTokenError, library.LoginError),
        CredentialsRefusedError,
        "the AWS sign-in is over",
        "sign in again ('aws sso login')",
    ),
    (
        (library.CredentialRetrievalError, library.RefreshWithMFAUnsupportedError),
        ConfigurationError,
        "the AWS credentials can't be fetched",
        _WHY,
    ),
    (
        (library.MetadataRetrievalError,),
        UnreachableError,
        "the service that hands out this machine's AWS credentials doesn't answer",
        _WHY,
    ),
    (
        (library.ClientError,),  # STS or SSO, asked by the library itself on its way to credentials
        CredentialsRefusedError,
        "AWS gives no credentials to this identity",
        _WHY,
    ),
    (
        (library.NoRegionError,),
        ConfigurationError,
        "no AWS region is configured",
        "give --region, or set AWS_REGION, or put 'region' into the profile",
    ),
    ((library.InvalidRegionError,), ConfigurationError, "that is no AWS region", "write it like eu-west-1"),
    (
        (library.ConfigParseError, library.InvalidConfigError, library.ConfigNotFound),
        ConfigurationError,
        "AWS's own configuration can't be read",
        "look at ~/.aws/config",
    ),
    (
        (library.ParamValidationError,),
        ConfigurationError,
        "AWS's library rejects the request: it has not the form that AWS wants",
        None,
    ),
)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for: the service and operation, where, and of what."""

    service: str
    operation: str
    region: str
    endpoint: str
    parameters: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, client: Any, method: str, parameters: Mapping[str, Any]) -> "Request":
        """Describe the call of a client's method."""
        meta = client.meta
        operation = meta.method_to_api_mapping[method]
        return cls(meta.service_model.service_name, operation, meta.region_name, meta.endpoint_url, parameters)

    @property
    def name(self) -> str:
        """The service's name, for people."""
        return _NAMES.get(self.service, self.service)

    @property
    def changes(self) -> bool:
        """Whether something may have been changed."""
        return not self.operation.startswith(_READING)


def explained(error: Exception, request: Request | None) -> TickctlError:
    """Return our error for one of the library's.

    Args:
        error: the library's; of another kind where it stumbled over an answer that it couldn't read.
        request: None where a client or a session was to be made.
    """
    if isinstance(error, library.ClientError) and request is not None:
        return _answered(error.response, request)
    if request is not None and not isinstance(error, CAUGHT):
        return stranger(request.name)
    return _local(error) or _no_answer(error, request)


def stranger(name: str) -> UnreachableError:
    """Return the error for an answer that AWS would not give."""
    return UnreachableError(
        f"what answered in the place of AWS {name} isn't AWS",
        hint="look for a proxy in between, and at AWS_ENDPOINT_URL",
    )


def _answered(answer: Mapping[str, Any], request: Request) -> TickctlError:
    """Explain an answer that says no."""
    code = str(answer.get("Error", {}).get("Code", ""))
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    message = aws_words(answer.get("Error", {}).get("Message"), request.parameters)
    if status >= _SERVER_ERROR:
        return _uncertain(request, f"AWS {request.name} has trouble of its own ({code or status})")
    if not code or code.isdigit():
        return stranger(request.name)
    if code in _THROTTLED:
        return _uncertain(request, f"AWS {request.name} is asked too much at the moment ({code})")
    return _refused(code, message, request, status) or _rejected(code, message, request)


def _refused(code: str, message: str, request: Request, status: int) -> TickctlError | None:
    """Explain the refusals that concern the one who asks."""
    if code in _EXPIRED:
        return CredentialsRefusedError(
            "the AWS credentials have expired", hint="sign in again ('aws sso login'), or fetch new ones"
        )
    if code in _UNKNOWN_KEY:
        return CredentialsRefusedError(
            f"AWS doesn't know these credentials ({code})",
            hint="check AWS_PROFILE or AWS_ACCESS_KEY_ID, that AWS_SESSION_TOKEN belongs to them, and that the account "
            f"has enabled {request.region}",
        )
    if code in _SIGNATURE:
        return CredentialsRefusedError(
            f"AWS refuses the signature ({code})", hint="check AWS_SECRET_ACCESS_KEY, and this machine's clock"
        )
    if code in _KMS or (code in _DENIED and "KMS" in message):
        use = "decrypt" if not request.changes or code == "DecryptionFailure" else "encrypt"
        return CredentialsRefusedError(
            f"AWS KMS doesn't {use} with the key of the secret ({code})",
            hint="the key must be enabled, and these credentials need kms:Decrypt and, to write, kms:GenerateDataKey",
        )
    if code in _DENIED or status == _FORBIDDEN:
        return CredentialsRefusedError(
            access_denied(message, action=f"{request.service}:{request.operation}"),
            hint="'tickctl secrets policy' prints policies that suffice",
        )
    return None


def _rejected(code: str, message: str, request: Request) -> TickctlError:
    """Explain the refusals that concern what was asked."""
    subject = _subject(request)
    if code in _MISSING or message.startswith("Unable to describe task definition"):
        return NotFoundError(_absence(message, request), hint="check the name, the region and the account")
    if "scheduled for deletion" in message or "marked for deletion" in message:
        return ConflictError(
            f"{subject} is scheduled for deletion",
            hint="'tickctl secrets push --restore' takes the deletion back; a new one would have another ARN",
        )
    if code in _CONFLICTS or "RemoveFromVersionId" in message or "currently has the staging label" in message:
        return ConflictError(
            f"somebody else has changed {subject} in between; nothing was written",
            hint="look with 'tickctl secrets diff', and run the command again",
        )
    if code == "LimitExceededException":
        return ConfigurationError(
            f"{request.operation} would exceed a quota of AWS {request.name}",
            hint="look at the service's quotas in the AWS console",
        )
    # AWS's words are needed, and hold no value by now; but its validation may quote any piece of a secret.
    quotes = "SecretString" in request.parameters and code in _VALIDATION
    quoted = f": {message}" if message and not quotes else ""
    return ConfigurationError(f"AWS {request.name} rejects {request.operation} for {subject} ({code}){quoted}")


def _local(error: Exception) -> TickctlError | None:
    """Explain what is wrong before anything is sent to the service."""
    if isinstance(error, (library.ConnectionError, library.HTTPClientError, ResponseParserError)):
        return None
    for kinds, failure, message, hint in _BEFOREHAND:
        if isinstance(error, kinds):
            return failure(message, hint=hint)
    # The text may quote what was sent, so the kind has to do.
    return ConfigurationError(f"AWS's library can't go on ({type(error).__name__})")


def _no_answer(error: Exception, request: Request | None) -> TickctlError:
    if request is None or isinstance(error, ResponseParserError):
        return stranger(request.name if request else "")
    host = urlsplit(request.endpoint).netloc.rpartition("@")[2]
    if isinstance(error, library.SSLError):
        return UnreachableError(
            f"no safe connection to {host}: its certificate isn't trusted",
            hint="behind a proxy that looks into TLS, AWS_CA_BUNDLE must name its certificate",
        )
    if isinstance(error, library.ProxyConnectionError):
        return UnreachableError("can't connect to the proxy", hint="check HTTPS_PROXY")
    if isinstance(error, (library.EndpointConnectionError, library.ConnectTimeoutError)):
        reason = f"can't connect to AWS {request.name} at {host}"
        return _uncertain(request, reason, hint=f"check the region ({request.region}) and the network")
    return _uncertain(request, f"AWS {request.name} at {host} gave no answer to {request.operation}")


def _uncertain(request: Request, reason: str, *, hint: str = "try again later") -> UnreachableError:
    """Return the error for a request whose answer is missing; of a change it isn't known whether it was made.

    The library repeats what wasn't answered. So of a change that can't be sent any more, the first attempt may have
    arrived.
    """
    if not request.changes:
        return UnreachableError(reason, hint=hint)
    again = _LOOK if request.operation == "UpdateSecretVersionStage" else _AGAIN
    return UnreachableError(f"{reason}; whether {request.operation} was carried out is not known", hint=again)


def _subject(request: Request) -> str:
    parameters = request.parameters
    named = {
        "SecretId": "the secret", "Name": "the secret", "service": "the service", "services": "the services",
        "taskDefinition": "the task definition", "family": "the task definition", "cluster": "the cluster",
    }  # fmt: skip
    for member, kind in named.items():
        if value := parameters.get(member):
            shown = ", ".join(value) if isinstance(value, list | tuple) else value
            return f"{kind} {shown}"
    return "this"


def _absence(message: str, request: Request) -> str:
    where = f"in {request.region}"
    if version := request.parameters.get("VersionId") or request.parameters.get("MoveToVersionId"):
        return f"{_subject(request)} {where} has no version {version}"
    if "staging label" in message:
        return f"{_subject(request)} {where} has no value yet"
    if message.startswith("Cluster not found"):
        return f"the cluster {request.parameters.get('cluster', 'default')} {where} doesn't exist"
    return f"{_subject(request)} {where} doesn't exist"
