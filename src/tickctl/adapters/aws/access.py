"""What an operator can reach in AWS with one set of credentials, in one region."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from tickctl.adapters.aws.failures import stranger
from tickctl.adapters.aws.session import call, new_client, new_session, region_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tickctl.core.audit.port import PostureReader
    from tickctl.core.ecs.port import ContainerPlatform
    from tickctl.core.secret import Secret
    from tickctl.core.secrets.store import SecretStore


class Aws:
    """AWS in one region. Clients are made when they are first used, and nothing is asked of AWS before.

    Args:
        session: of boto3.
        user_agent: added to what the library says of itself.
    """

    def __init__(self, session: Any, *, user_agent: str) -> None:
        self._session = session
        self._user_agent = user_agent
        self._account: str | None = None

    @property
    def region(self) -> str:
        """The region, such as eu-west-1.

        Raises:
            ConfigurationError: none is configured anywhere, or what is configured can't be read.
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
        """Everything that an audit looks at."""
        from tickctl.adapters.aws.posture import Posture  # noqa: PLC0415 - only what is used

        return Posture(self.region, self._client)

    def account(self) -> str:
        """Return the number of the account that the credentials belong to; AWS is asked once.

        Raises:
            CredentialsRefusedError: AWS doesn't know the credentials.
            UnreachableError: no usable answer.
        """
        if self._account is None:
            response = call(self._client("sts"), "get_caller_identity")
            if not isinstance(response.get("Account"), str):
                raise stranger("STS")
            self._account = response["Account"]
        return self._account

    def _client(self, service: str) -> Any:
        _ = self.region  # says best what is missing
        return new_client(self._session, service, user_agent=self._user_agent)


def open_aws(
    *, region: str | None, credentials: "Mapping[str, Secret] | None" = None, user_agent: str = "tickctl"
) -> Aws:
    """Return access to AWS, without asking AWS anything yet.

    Args:
        region: None takes the configured one.
        credentials: AWS_ variables that the process environment doesn't have, since env files gave them.
        user_agent: program and version, for the account's CloudTrail.

    Raises:
        ConfigurationError: the credentials are half there, or name a profile that doesn't exist.
    """
    return Aws(new_session(region, credentials or {}), user_agent=user_agent)
