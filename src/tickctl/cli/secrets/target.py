"""What a run is about: the profile's words, and those of options and environment over them."""

from collections.abc import Iterable

from tickctl.cli.run import Run
from tickctl.core.secrets.target import Target


def target(
    run: Run,
    *,
    env_name: str | None,
    secret_id: str | None = None,
    region: str | None = None,
    cluster: str | None = None,
    services: Iterable[str] | None = None,
    task_definitions: Iterable[str] | None = None,
    containers: Iterable[str] | None = None,
) -> Target:
    """Return what profile, environment and options say together.

    Options go before TICKCTL_SECRET_ID and AWS_REGION, these before the profile.

    Raises:
        ConfigurationError: there is no such profile, or it can't be used.
    """
    raise NotImplementedError


def secret_of(target: Target) -> str:
    """Return the name or ARN of the secret.

    Raises:
        ConfigurationError: nothing says which; the hint names the three ways to say it.
    """
    raise NotImplementedError
