"""What AWS's refusals mean, in words that hold no value of a request.

Codes and conditions are those of the API references of Secrets Manager, ECS and STS, "Common errors" included.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tickctl.adapters.aws.request import Request, stranger, uncertain
from tickctl.core.secret import MASK
from tickctl.errors import (
    ConfigurationError,
    ConflictError,
    CredentialsRefusedError,
    NotFoundError,
    TickctlError,
)

_LONGEST: Final = 400
_SHORTEST: Final = 4
"""Characters of a part that is masked; shorter ones would blank out ordinary words."""
# IAM user guide, "Troubleshoot access denied error messages".
_DENIAL: Final = re.compile(
    r"User: (?P<who>arn:\S+) is not authorized to perform: (?P<action>[\w-]+:\w+)"
    r"(?: on resource: (?P<resource>\S+))?"
    r"(?P<why> because no [\w -]+ allows the [\w:-]+ action| with an explicit deny(?: in an? [\w -]+)?)?"
)
# Members of requests that hold, or may hold, secret values: a secret's text, and a container's plain environment.
_VALUES: Final = frozenset({"SecretString", "SecretBinary", "value"})


def access_denied(message: str, *, action: str) -> str:
    """Say which action is denied to whom on what, and why, as far as AWS says it.

    Args:
        message: AWS's.
        action: the IAM action of the request, for a message that names none.
    """
    if not (match := _DENIAL.search(message)):
        return f"AWS doesn't allow {action}"
    resource = f" on {match['resource'].rstrip('.')}" if match["resource"] else ""
    return f"AWS doesn't allow {match['action']}{resource} to {match['who']}{match['why'] or ''}"


def aws_words(message: object, parameters: Mapping[str, Any]) -> str:
    """Return AWS's message on one line and not too long, without values of the request."""
    text = " ".join(message.split()) if isinstance(message, str) else ""
    spellings = {spelling for value in _values(parameters) for spelling in _spellings(value)}
    for value in sorted(spellings, key=len, reverse=True):
        text = text.replace(value, MASK)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _values(member: object, *, inside: bool = False) -> Iterator[str]:
    match member:
        case str():
            if inside and member.strip():
                yield member
                yield from (part for part in _parts(member) if len(part) >= _SHORTEST)
        case Mapping():
            for name, part in member.items():
                yield from _values(part, inside=inside or name in _VALUES)
        case Sequence():
            for part in member:
                yield from _values(part, inside=inside)


def _spellings(text: str) -> Iterator[str]:
    """Yield a text, and how it looks within JSON and within JSON that is a text of JSON."""
    for _ in range(3):
        yield text
        text = json.dumps(text)[1:-1]


def _parts(text: str) -> Iterator[str]:
    """Yield the words of a value; of a JSON object, as a secret's text is one, also its values and their words."""
    yield from text.split()
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        return
    for value in members.values() if isinstance(members, dict) else ():
        if isinstance(value, str):
            yield value
            yield from value.split()


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


def answered(answer: Mapping[str, Any], request: Request) -> TickctlError:
    """Explain an answer that says no."""
    code = str(answer.get("Error", {}).get("Code", ""))
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    message = aws_words(answer.get("Error", {}).get("Message"), request.parameters)
    if status >= _SERVER_ERROR:
        return uncertain(request, f"AWS {request.name} has trouble of its own ({code or status})")
    if not code or code.isdigit():
        return stranger(request.name, request)
    if code in _THROTTLED:
        return uncertain(request, f"AWS {request.name} is asked too much at the moment ({code})")
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
            access_denied(message, action=request.action),
            hint="'tickctl secrets policy' prints policies that suffice",
        )
    return None


def _rejected(code: str, message: str, request: Request) -> TickctlError:
    """Explain the refusals that concern what was asked."""
    subject = request.subject
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


def _absence(message: str, request: Request) -> str:
    region_text = f"in {request.region}"
    if version := request.parameters.get("VersionId") or request.parameters.get("MoveToVersionId"):
        return f"{request.subject} {region_text} has no version {version}"
    if "staging label" in message:
        return f"{request.subject} {region_text} has no value yet"
    if message.startswith("Cluster not found"):
        return f"the cluster {request.parameters.get('cluster', 'default')} {region_text} doesn't exist"
    return f"{request.subject} {region_text} doesn't exist"
