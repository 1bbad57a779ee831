"""Sessions with AWS, and clients whose calls raise tickctl's errors."""

import logging
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import NoRegionError
from botocore.paginate import Paginator

from tickctl.adapters.aws.errors import CAUGHT, explained, not_aws
from tickctl.adapters.aws.messages import Request
from tickctl.core.secret import Secret
from tickctl.core.urls import is_loopback
from tickctl.errors import ConfigurationError

IDENTITY: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
"""The variables of an env file that say whose credentials are used. They are taken from one place or not at all."""
REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")

_ATTEMPTS: Final = 5
_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 20
_LOGGERS: Final = ("boto3", "botocore", "urllib3")
# Lists that come in pages although the library has no paginator for them (Secrets Manager API reference).
_MORE_PAGES: Final = {
    "list_secret_version_ids": {
        "input_token": "NextToken",
        "output_token": "NextToken",
        "limit_key": "MaxResults",
        "result_key": "Versions",
    }
}


class Client:
    """One service of AWS. Its methods raise `TickctlError`, with nothing of a request's values in it.

    Args:
        library: boto3's client.
        actions: the IAM actions that may be called; None allows all of them.
    """

    def __init__(self, library: Any, *, actions: frozenset[str] | None = None) -> None:
        self._library = library
        self._actions = actions

    @property
    def region(self) -> str:
        """The region that it talks to."""
        return str(self._library.meta.region_name)

    @property
    def endpoint(self) -> str:
        """The URL that it talks to."""
        return str(self._library.meta.endpoint_url)

    def limited_to(self, actions: frozenset[str]) -> "Client":
        """Return a client that refuses to call anything else than these IAM actions."""
        return Client(self._library, actions=actions)

    def shape(self, operation: str) -> Any:
        """Return what the library knows of an operation's parameters, such as RegisterTaskDefinition's."""
        return self._library.meta.service_model.operation_model(operation).input_shape

    def call(self, method: str, **parameters: Any) -> Mapping[str, Any]:
        """Call one operation and return the response.

        Args:
            method: of boto3's client, such as `get_secret_value`.
            parameters: in AWS's spelling.

        Raises:
            TickctlError: the operation failed; which one says what that means, as `SecretStore` describes.
        """
        request = self._request(method, parameters)
        try:
            response: Mapping[str, Any] = getattr(self._library, method)(**parameters)
        except Exception as error:  # noqa: BLE001 - the library's parsers fail in many ways on what isn't AWS's
            failure = explained(error, request)
        else:
            return response
        # Out of the handler, so that the library's exception, with request and response in its frames, is dropped.
        raise failure

    def pages(self, method: str, *, page_size: int | None = None, **parameters: Any) -> list[Any]:
        """Return all elements of a list that comes in pages.

        Args:
            method: of boto3's client, such as `list_tasks`.
            page_size: elements of a page; None leaves it to AWS.
            parameters: in AWS's spelling.

        Raises:
            TickctlError: as `call`.
        """
        request = self._request(method, parameters)
        paginator = self._paginator(method)
        member = paginator.result_keys[0].expression
        try:
            pages = paginator.paginate(**parameters, PaginationConfig={"PageSize": page_size})
            result: Mapping[str, list[Any]] = pages.build_full_result()
        except Exception as error:  # noqa: BLE001 - as in `call`
            failure = explained(error, request)
        else:
            if member in result:
                return result[member]
            # JSON has empty lists; XML leaves them out.
            if not self._speaks_json:
                return []
            failure = not_aws(request.name, request)
        raise failure

    @property
    def _speaks_json(self) -> bool:
        return "json" in str(self._library.meta.service_model.metadata.get("protocol"))

    def _paginator(self, method: str) -> Paginator:
        if method in _MORE_PAGES:
            operation = self._library.meta.method_to_api_mapping[method]
            model = self._library.meta.service_model.operation_model(operation)
            return Paginator(getattr(self._library, method), _MORE_PAGES[method], model)
        paginator: Paginator = self._library.get_paginator(method)
        return paginator

    def _request(self, method: str, parameters: Mapping[str, Any]) -> Request:
        meta = self._library.meta
        operation = meta.method_to_api_mapping[method]
        request = Request(meta.service_model.service_name, operation, self.region, self.endpoint, parameters)
        if self._actions is not None and request.action not in self._actions:
            raise AssertionError(f"{request.action} is not among the operations that may be called here")
        return request


def new_session(region: str | None, variables: Mapping[str, Secret]) -> Any:
    """Return a session of boto3.

    Args:
        region: None leaves it to `variables`, then to the environment and AWS's own configuration files.
        variables: AWS_ variables that the process environment doesn't have: those of `IDENTITY` and `REGIONS` count.

    Raises:
        ConfigurationError: half of a key pair, or a profile that doesn't exist.
    """
    silence_library()
    if ("AWS_ACCESS_KEY_ID" in variables) != ("AWS_SECRET_ACCESS_KEY" in variables):
        raise ConfigurationError(
            "the env files hold half of an AWS key pair",
            hint="set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither",
        )
    options: dict[str, Any] = {}
    if not region:
        region = next((variables[name].reveal() for name in REGIONS if name in variables), None)
    if region:
        options["region_name"] = region
    if "AWS_ACCESS_KEY_ID" in variables:
        options["aws_access_key_id"] = variables["AWS_ACCESS_KEY_ID"].reveal()
        options["aws_secret_access_key"] = variables["AWS_SECRET_ACCESS_KEY"].reveal()
        if "AWS_SESSION_TOKEN" in variables:
            options["aws_session_token"] = variables["AWS_SESSION_TOKEN"].reveal()
    elif "AWS_PROFILE" in variables:
        options["profile_name"] = variables["AWS_PROFILE"].reveal()
    try:
        return boto3.Session(**options)
    except CAUGHT as error:
        failure = explained(error, None)
    raise failure


def region_of(session: Any) -> str:
    """Return the region of a session.

    Raises:
        ConfigurationError: none is configured anywhere, or AWS's configuration can't be read.
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


def new_client(session: Any, service: str, *, user_agent: str) -> Client:
    """Return a client for a service, such as `secretsmanager`.

    The environment's AWS_ENDPOINT_URL and AWS_MAX_ATTEMPTS apply.

    Raises:
        ConfigurationError: no region is known, or the configuration can't be used or isn't safe.
    """
    try:
        library = session.client(service, config=_config(session, user_agent))
    except (*CAUGHT, ValueError) as error:  # ValueError: an endpoint that is no URL
        failure = explained(error, None)
    else:
        client = Client(library)
        _check_endpoint(client.endpoint)
        return client
    raise failure


def silence_library() -> None:
    """Hold the library's loggers at INFO, whatever their level: at DEBUG they write requests and responses."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.INFO))
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(tuple(f"{parent}." for parent in _LOGGERS)):
            logger = logging.getLogger(name)
            if logger.level != logging.NOTSET:  # one without a level of its own has its parent's
                logger.setLevel(max(logger.level, logging.INFO))


def _config(session: Any, user_agent: str) -> Config:
    retries: Any = {"mode": "standard"}
    if session._session.get_config_variable("max_attempts") is None:  # noqa: SLF001 - boto3 offers no other way
        retries["total_max_attempts"] = _ATTEMPTS
    return Config(
        retries=retries, connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, user_agent_extra=user_agent
    )


def _check_endpoint(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ConfigurationError(
            "the AWS endpoint is not https", hint="plain http is accepted on the loopback interface only"
        )
