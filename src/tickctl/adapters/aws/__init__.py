"""AWS in one region, with one set of credentials."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from tickctl.adapters.aws.client import Client, new_client, new_session, region_of
from tickctl.adapters.aws.errors import not_aws

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tickctl.core.audit.port import PostureReader
    from tickctl.core.ecs.port import ContainerPlatform
    from tickctl.core.secret import Secret
    from tickctl.core.secrets.store import SecretStore

__all__ = ["Aws", "open_aws"]


class Aws:
    """What an operator can reach. Clients are made when they are first used; nothing is sent before.

    Args:
        session: of boto3.
        user_agent: added to the library's own.
    """

    def __init__(self, session: Any, *, user_agent: str) -> None:
        self._session = session
        self._user_agent = user_agent

    @property
    def region(self) -> str:
        """The region, such as eu-west-1.

        Raises:
            ConfigurationError: none is configured anywhere, or AWS's configuration can't be read.
        """
        return region_of(self._session)

    @cached_property
    def secrets(self) -> "SecretStore":
        """Secrets Manager."""
        from tickctl.adapters.aws.secrets_manager import SecretsManager  # noqa: PLC0415 - only what is used

        return SecretsManager(self._client("secretsmanager"))

    @cached_property
    def containers(self) -> "ContainerPlatform":
        """ECS."""
        from tickctl.adapters.aws.ecs import Ecs  # noqa: PLC0415 - only what is used

        return Ecs(self._client("ecs"))

    @cached_property
    def posture(self) -> "PostureReader":
        """Everything that an audit reads."""
        from tickctl.adapters.aws.posture import Posture  # noqa: PLC0415 - only what is used

        return Posture(self.region, self._client)

    def account(self) -> str:
        """Return the number of the account that the credentials belong to; AWS is asked once.

        Raises:
            CredentialsRefusedError: AWS doesn't know the credentials.
            UnreachableError: no usable answer.
        """
        return self._account

    @cached_property
    def _account(self) -> str:
        account = self._client("sts").call("get_caller_identity").get("Account")
        if not isinstance(account, str):
            raise not_aws("STS")
        return account

    def _client(self, service: str) -> Client:
        _ = self.region  # raises the clearest error if none is configured
        return new_client(self._session, service, user_agent=self._user_agent)


def open_aws(
    *, region: str | None, credentials: "Mapping[str, Secret] | None" = None, user_agent: str = "tickctl"
) -> Aws:
    """Return access to AWS; nothing is sent yet.

    Args:
        region: None takes the configured one.
        credentials: AWS_ variables of env files that the process environment doesn't have.
        user_agent: program and version, for the account's CloudTrail.

    Raises:
        ConfigurationError: the credentials are incomplete, or name a profile that doesn't exist.
    """
    return Aws(new_session(region, credentials or {}), user_agent=user_agent)
