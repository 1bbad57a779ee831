"""What a run is about: the profile's words, and those of options and environment over them."""

import os
from collections.abc import Iterable

from tickctl.cli.run import Run
from tickctl.core.secrets.target import Target
from tickctl.errors import ConfigurationError


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
    return Target(
        env_name=env_name,
        secret_id=secret_id or os.environ.get("TICKCTL_SECRET_ID") or None,
        region=region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None,
        cluster=cluster,
        services=tuple(services or ()),
        task_definitions=tuple(task_definitions or ()),
        containers=tuple(containers or ()),
    )


def secret_of(target: Target) -> str:
    """Return the name or ARN of the secret.

    Raises:
        ConfigurationError: nothing says which; the hint names the three ways to say it.
    """
    if target.secret_id:
        return target.secret_id
    raise ConfigurationError(
        "nothing says which secret this is about",
        hint="give --secret-id, set TICKCTL_SECRET_ID, or name a profile with --env-name",
    )
