"""Where secrets are pushed to, and what runs on them: what a profile says and what options say over it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Target:
    """One environment, such as staging. It holds names only, never a secret. Empty means: not said."""

    env_name: str | None = None
    """The profile's name, if it comes from one."""
    secret_id: str | None = None
    """Name or ARN of the secret."""
    region: str | None = None
    account: str | None = None
    """The AWS account that this must be; another one is refused."""
    kms_key: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    cluster: str | None = None
    services: tuple[str, ...] = ()
    task_definitions: tuple[str, ...] = ()
    """Families, or files that end in `.json`."""
    containers: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    """Names that the files must hold."""
