"""What a failure of AWS or of its client library means. No error repeats a value of a request.

Codes and conditions are those of the API references of the services, "Common errors" included.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from botocore import exceptions as library
from botocore.parsers import ResponseParserError

from tickctl.adapters.aws.messages import Request, access_denied, without_values
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

_WHY: Final = "'aws sts get-caller-identity' shows why"
_BEFORE_REQUEST: Final[tuple[tuple[tuple[type[Exception], ...], type[TickctlError], str, str | None], ...]] = (
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
        "the AWS sign-in has expired",
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
        (library.ClientError,),  # of STS or SSO, which the library itself calls to get credentials
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
    ((library.InvalidRegionError,), ConfigurationError, "that is not an AWS region", "write it like eu-west-1"),
    (
        (library.ConfigParseError, library.InvalidConfigError, library.ConfigNotFound),
        ConfigurationError,
        "AWS's own configuration can't be read",
        "check ~/.aws/config",
    ),
    (
        (library.ParamValidationError,),
        ConfigurationError,
        "AWS's library rejects the request as malformed",
        None,
    ),
)
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
    "NoSuchEntity", "NotFoundException", "LoadBalancerNotFound", "TargetGroupNotFound", "ListenerNotFound",
    "SSLPolicyNotFound", "FileSystemNotFound", "RepositoryNotFoundException", "ImageNotFoundException",
    "LayersNotFoundException",
})  # fmt: skip
_CONFLICTS: Final = frozenset({
    "ResourceExistsException", "ConflictException", "ConcurrentModificationException", "UpdateInProgressException",
})  # fmt: skip
_VALIDATION: Final = frozenset({"ValidationException", "ValidationError", "InvalidParameterException"})
_SERVER_ERROR: Final = 500
_FORBIDDEN: Final = 403
_NOT_AWS: Final = "check for a proxy in between, and AWS_ENDPOINT_URL"
_AGAIN: Final = "run the same command again: it checks first, and finishes what is missing"
_CHECK: Final = "check with 'tickctl secrets list --versions' which version is current"
"""For a move of a stage: repeating the command might move it back."""


def explained(error: Exception, request: Request | None) -> TickctlError:
    """Return our error for one of the library's.

    Args:
        error: the library's; of another kind where its parser fails on an answer that isn't AWS's.
        request: None where a client or a session was to be made.
    """
    if request is not None:
        if isinstance(error, library.ClientError):
            return _answered(error.response, request)
        if isinstance(error, library.PaginationError) or not isinstance(error, CAUGHT):
            return not_aws(request.name, request)
    return _before_request(error) or _no_answer(error, request)


def not_aws(service: str, request: Request | None = None) -> UnreachableError:
    """Return the error for an answer that AWS would not give.

    Args:
        service: its name, for people.
        request: where it may have changed something.
    """
    reason = f"the server that answered isn't AWS {service}"
    return uncertain(request, reason, hint=_NOT_AWS) if request else UnreachableError(reason, hint=_NOT_AWS)


def uncertain(request: Request, reason: str, *, hint: str = "try again later") -> UnreachableError:
    """Return the error for a request without a usable answer; a change may have been made all the same.

    The library repeats requests that get no answer. So even where a change can't be sent any more, its first attempt
    may have arrived.
    """
    if not request.changes:
        return UnreachableError(reason, hint=hint)
    again = _CHECK if request.operation == "UpdateSecretVersionStage" else _AGAIN
    return UnreachableError(f"{reason}; whether {request.operation} was carried out is not known", hint=again)


def _before_request(error: Exception) -> TickctlError | None:
    """Explain an error that comes before anything is sent to the service."""
    if isinstance(error, (library.ConnectionError, library.HTTPClientError, ResponseParserError)):
        return None
    for kinds, failure, message, hint in _BEFORE_REQUEST:
        if isinstance(error, kinds):
            return failure(message, hint=hint)
    # The library's text may quote what was sent.
    return ConfigurationError(f"AWS's library can't go on ({type(error).__name__})")


def _no_answer(error: Exception, request: Request | None) -> TickctlError:
    if request is None or isinstance(error, ResponseParserError):
        return not_aws(request.name if request else "", request)
    host = urlsplit(request.endpoint).netloc.rpartition("@")[2]
    if isinstance(error, library.SSLError):
        return UnreachableError(
            f"no safe connection to {host}: its certificate isn't trusted",
            hint="behind a proxy that inspects TLS, AWS_CA_BUNDLE must name the proxy's certificate",
        )
    if isinstance(error, library.ProxyConnectionError):
        return UnreachableError("can't connect to the proxy", hint="check HTTPS_PROXY")
    if isinstance(error, (library.EndpointConnectionError, library.ConnectTimeoutError)):
        reason = f"can't connect to AWS {request.name} at {host}"
        return uncertain(request, reason, hint=f"check the region ({request.region}) and the network")
    return uncertain(request, f"AWS {request.name} at {host} gave no answer to {request.operation}")


def _answered(response: Mapping[str, Any], request: Request) -> TickctlError:
    """Explain an error that AWS answers with."""
    code = str(response.get("Error", {}).get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    message = without_values(response.get("Error", {}).get("Message"), request.parameters)
    if status >= _SERVER_ERROR:
        return uncertain(request, f"AWS {request.name} has an internal error ({code or status})")
    if not code or code.isdigit():
        return not_aws(request.name, request)
    if code in _THROTTLED:
        return uncertain(request, f"AWS {request.name} is throttling requests ({code})")
    return _credentials(code, message, request, status) or _rejected(code, message, request)


def _credentials(code: str, message: str, request: Request, status: int) -> TickctlError | None:
    """Explain a refusal that is about the credentials or their rights."""
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
            f"AWS rejects the signature ({code})", hint="check AWS_SECRET_ACCESS_KEY, and this machine's clock"
        )
    if code in _KMS or (code in _DENIED and "KMS" in message):
        use = "decrypt" if not request.changes or code == "DecryptionFailure" else "encrypt"
        return CredentialsRefusedError(
            f"AWS KMS doesn't {use} with the key of the secret ({code})",
            hint="the key must be enabled, and these credentials need kms:Decrypt and, to write, kms:GenerateDataKey",
        )
    if code in _DENIED or status == _FORBIDDEN:
        return CredentialsRefusedError(
            access_denied(message, action=request.action),
            hint="'tickctl secrets policy' prints policies that suffice",
        )
    return None


def _rejected(code: str, message: str, request: Request) -> TickctlError:
    """Explain a refusal that is about the request."""
    subject = request.subject
    if code in _MISSING or message.startswith("Unable to describe task definition"):
        return NotFoundError(_absence(message, request), hint="check the name, the region and the account")
    if "scheduled for deletion" in message or "marked for deletion" in message:
        return ConflictError(
            f"{subject} is scheduled for deletion",
            hint="'tickctl secrets push --restore' cancels the deletion; a new secret would have another ARN",
        )
    if code in _CONFLICTS or "RemoveFromVersionId" in message or "currently has the staging label" in message:
        return ConflictError(
            f"somebody else has changed {subject} in the meantime; nothing was written",
            hint="compare with 'tickctl secrets diff', and run the command again",
        )
    if code == "LimitExceededException":
        return ConfigurationError(
            f"{request.operation} would exceed a quota of AWS {request.name}",
            hint="check the service's quotas in the AWS console",
        )
    # The message holds no whole value by now, but validation may quote any piece of a secret.
    quotes = "SecretString" in request.parameters and code in _VALIDATION
    quoted = f": {message}" if message and not quotes else ""
    return ConfigurationError(f"AWS {request.name} rejects {request.operation} for {subject} ({code}){quoted}")


def _absence(message: str, request: Request) -> str:
    region = f"in {request.region}"
    if version := request.parameters.get("VersionId") or request.parameters.get("MoveToVersionId"):
        return f"{request.subject} {region} has no version {version}"
    if "staging label" in message:
        return f"{request.subject} {region} has no value yet"
    if message.startswith("Cluster not found"):
        return f"the cluster {request.parameters.get('cluster', 'default')} {region} doesn't exist"
    return f"{request.subject} {region} doesn't exist"
