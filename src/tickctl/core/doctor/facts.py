"""What `tickctl doctor` has looked up, before anybody judges it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from tickctl.core.json import JsonObject
from tickctl.core.secrets.checks import Finding as FileFinding
from tickctl.core.secrets.checks import Purpose
from tickctl.core.secrets.env_files import Entry

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unread:
    """It could not be found out."""

    reason: str
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """It was found out that something is wrong."""

    message: str
    mend: str | None = None


Looked: TypeAlias = T | Problem | Unread | None
"""What a look gave; None where there was nothing to look at."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where a variable was found.

    Attributes:
        name: the variable's.
        place: `environment` or a file; this one counts.
        differing: the places that give it another value, which doesn't count.
    """

    name: str
    place: str
    differing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is configured.

    Attributes:
        found: the variables of tickctl and of connections.
        entries: what counts of every variable, by name; of the environment, only of those in `found`.
        has_project: whether a project or a database is configured, or a part of one.
        url: the project's address.
        on_loopback: whether that is this machine.
        needs_url: a variable that makes no sense without the project's address, which is missing.
    """

    found: tuple[Found, ...] = ()
    entries: Mapping[str, Entry] = field(default_factory=dict)
    has_project: bool = False
    url: str | None = None
    on_loopback: bool = False
    needs_url: str | None = None

    def value(self, name: str) -> str | None:
        """Return a variable's value without the spaces around it; None where it isn't set."""
        entry = self.entries.get(name)
        return entry.value.reveal().strip() if entry and entry.value else None


@dataclass(frozen=True, slots=True)
class EnvFiles:
    """The env files that were looked at, and what is wrong with them."""

    names: tuple[str, ...]
    findings: tuple[FileFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class Keys:
    """A set of public keys: how many can be used, and why others can't."""

    usable: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AuthAnswer:
    """What the Auth server said.

    Attributes:
        accepted: whether it accepted the publishable key; None where there was none to show.
        settings: the project's public Auth settings; None where they weren't given.
        seconds_apart: the least by which its clock and ours differ, positive if it is ahead; None where it didn't say.
    """

    accepted: bool | None
    settings: JsonObject | None
    seconds_apart: float | None


@dataclass(frozen=True, slots=True)
class Schema:
    """What bringing the schema up to date would take, in sentences; nothing where it is current."""

    steps: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Database:
    """A database that answered; `hook` says whether the access-token hook is installed."""

    place: str
    schema: "Schema | Problem | Unread"
    hook: bool | Unread


@dataclass(frozen=True, slots=True)
class Embedded:
    """The embedded database; `version` is PostgreSQL's, as the data folder has it."""

    home: str
    running: bool
    version: str | None
    wanted_version: str


@dataclass(frozen=True, slots=True)
class AwsIdentity:
    """The account and region that the credentials lead to, and the account that the profile wants."""

    account: str
    region: str
    wanted: str | None = None


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A secret in AWS; `differing` are the keys in which it and the env files differ, None without any env files."""

    name: str
    differing: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was looked up, and by which promises to judge it."""

    purpose: Purpose
    settings: Configuration | Problem | Unread
    env_files: Looked[EnvFiles] = None
    configured_keys: Looked[Keys] = None
    published_keys: Looked[Keys] = None
    project_url: Problem | None = None
    user_key: Problem | None = None
    """What is wrong with the publishable key by its looks; then it was sent nowhere."""
    auth: Looked[AuthAnswer] = None
    api: Looked[tuple[str, ...]] = None
    """Whether the API offers tickctl's functions."""
    database: Looked[Database] = None
    embedded: Looked[Embedded] = None
    aws: Looked[AwsIdentity] = None
    secret: Looked[StoredSecret] = None
