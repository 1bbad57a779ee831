"""Sessions with AWS, clients, and single calls."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import NoRegionError

from tickctl.adapters.aws import logs
from tickctl.adapters.aws.failures import CAUGHT, Request, explained
from tickctl.core.secret import Secret
from tickctl.core.urls import is_safe
from tickctl.errors import ConfigurationError

IDENTITY: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
"""The variables of a file that say as whom. They belong together: never one of them with others from elsewhere."""
REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")

_ATTEMPTS: Final = 5
_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 20


def new_session(region: str | None, given: Mapping[str, Secret]) -> Any:
    """Return a session of boto3.

    Args:
        region: None leaves it to `given`, then to the environment and AWS's own configuration files.
        given: AWS_ variables that the process environment doesn't have: those of `IDENTITY` and `REGIONS` count.

    Raises:
        ConfigurationError: half of a key pair, or a profile that doesn't exist.
    """
    logs.hold_back()
    if ("AWS_ACCESS_KEY_ID" in given) != ("AWS_SECRET_ACCESS_KEY" in given):
        raise ConfigurationError(
            "the env files hold half of an AWS key pair",
            hint="set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither",
        )
    options: dict[str, Any] = {}
    if not region:
        region = next((given[name].reveal() for name in REGIONS if name in given), None)
    if region:
        options["region_name"] = region
    if "AWS_ACCESS_KEY_ID" in given:
        options["aws_access_key_id"] = given["AWS_ACCESS_KEY_ID"].reveal()
        options["aws_secret_access_key"] = given["AWS_SECRET_ACCESS_KEY"].reveal()
        if "AWS_SESSION_TOKEN" in given:
            options["aws_session_token"] = given["AWS_SESSION_TOKEN"].reveal()
    elif "AWS_PROFILE" in given:
        options["profile_name"] = given["AWS_PROFILE"].reveal()
    try:
        return boto3.Session(**options)
    except CAUGHT as error:
        failure = explained(error, None)
    raise failure


def region_of(session: Any) -> str:
    """Return the region of a session.

    Raises:
        ConfigurationError: none is configured anywhere, or what is configured can't be read.
    """
    try:
        region: str | None = session.region_name
    except CAUGHT as error:
        failure = explained(error, None)
    else:
        if region:
            return region
        failure = explained(NoRegionError(), None)
    raise failure


def new_client(session: Any, service: str, *, user_agent: str) -> Any:
    """Return a client for a service, such as `secretsmanager`.

    AWS_ENDPOINT_URL of the environment holds; so does AWS_MAX_ATTEMPTS.

    Raises:
        ConfigurationError: no region is known, or what is configured can't be used or isn't safe.
    """
    try:
        client = session.client(service, config=_config(session, user_agent))
    except (*CAUGHT, ValueError) as error:  # ValueError: an endpoint that is no URL
        failure = explained(error, None)
    else:
        _check_endpoint(client.meta.endpoint_url)
        return client
    raise failure


def call(client: Any, operation: str, **parameters: Any) -> Mapping[str, Any]:
    """Carry out one operation and return the answer.

    Args:
        client: of `new_client`.
        operation: the client's method, such as `get_secret_value`.
        parameters: in AWS's spelling; what holds secret values is not repeated in any error.

    Raises:
        TickctlError: the operation failed, as `SecretStore` tells it.
    """
    request = Request.of(client, operation, parameters)
    try:
        response: Mapping[str, Any] = getattr(client, operation)(**parameters)
    except Exception as error:  # noqa: BLE001 - its parsers stumble in many ways over what isn't AWS's
        failure = explained(error, request)
    else:
        return response
    # Out here, so that the library's exception, with request and answer in its frames, doesn't travel along.
    raise failure


def _config(session: Any, user_agent: str) -> Config:
    retries: Any = {"mode": "standard"}
    if session._session.get_config_variable("max_attempts") is None:  # noqa: SLF001 - boto3 hands it out nowhere else
        retries["total_max_attempts"] = _ATTEMPTS
    return Config(
        retries=retries, connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, user_agent_extra=user_agent
    )


def _check_endpoint(url: str) -> None:
    if not is_safe(urlsplit(url)):
        raise ConfigurationError(
            "the AWS endpoint is not https", hint="plain http is accepted on the loopback interface only"
        )
