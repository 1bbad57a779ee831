"""What the failures of AWS's client library mean, in words that hold no value of a request."""

from typing import Final
from urllib.parse import urlsplit

from botocore import exceptions as library
from botocore.parsers import ResponseParserError

from tickctl.adapters.aws.refusals import answered
from tickctl.adapters.aws.request import Request, stranger, uncertain
from tickctl.errors import ConfigurationError, CredentialsRefusedError, TickctlError, UnreachableError

__all__ = ["CAUGHT", "Request", "explained", "stranger"]

CAUGHT: Final = (library.BotoCoreError, library.ClientError, ResponseParserError)
"""Everything that the library raises on purpose."""

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


def explained(error: Exception, request: Request | None) -> TickctlError:
    """Return our error for one of the library's.

    Args:
        error: the library's; of another kind where it stumbled over an answer that it couldn't read.
        request: None where a client or a session was to be made.
    """
    if isinstance(error, library.ClientError) and request is not None:
        return answered(error.response, request)
    if request is not None and not isinstance(error, CAUGHT):
        return stranger(request.name, request)
    return _local(error) or _no_answer(error, request)


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
        return stranger(request.name if request else "", request)
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
        return uncertain(request, reason, hint=f"check the region ({request.region}) and the network")
    return uncertain(request, f"AWS {request.name} at {host} gave no answer to {request.operation}")
