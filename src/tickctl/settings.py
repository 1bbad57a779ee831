"""Settings: the process environment and env files, read once, at the edge.

Which variables there are stands in `core/variables.py`. Secret values travel in `Secret` from here on.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tickctl.core.secret import Secret
from tickctl.core.urls import is_safe
from tickctl.core.variables import PREFIXES, VARIABLES, is_secret
from tickctl.errors import ConfigurationError
from tickctl.files import read_regular

if TYPE_CHECKING:
    from tickctl.core.secrets.env_files import EnvFile

DEFAULT_ENV_FILES: Final = ("services/.env", "services/keys.env", ".env", "keys.env")
LARGEST_ENV_FILE: Final = 1024 * 1024
"""Bytes. A larger file is a mistake (a database dump, a device) and is not read."""

_ENVIRONMENT: Final = "environment"


@dataclass(frozen=True, slots=True)
class Settings:
    """What tickctl was told. `None` means not given; an empty value counts as not given."""

    supabase_url: str | None = None
    anon_key: Secret | None = None
    jwt_secret: Secret | None = None
    jwt_secret_previous: Secret | None = None
    """Accepted beside `jwt_secret` while a rotation goes on."""
    jwt_issuer: str | None = None
    jwt_audience: str = "authenticated"
    jwks_url: str | None = None
    jwks: str | None = None
    confirmed_claim: str | None = None
    allow_unconfirmed: bool = False
    secret_key: Secret | None = None
    db_url: Secret | None = None
    admin_token: Secret | None = None
    token: Secret | None = None
    home: Path | None = None
    secret_id: str | None = None
    aws: Mapping[str, Secret] = field(default_factory=dict)
    """The `AWS_` variables that only files give; boto3 reads those of the environment by itself."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where each variable was found: `environment` or a file name. Never a value."""

    @property
    def project_variable(self) -> str | None:
        """The first variable that was found of those that mean a Supabase project or a database."""
        return next((name for name, one in VARIABLES.items() if one.means_project and name in self.sources), None)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Every secret value, for removing them from whatever is about to be shown."""
        values = [getattr(self, attribute.name) for attribute in fields(self)]
        values += [value for name, value in self.aws.items() if is_secret(name)]
        return tuple(value for value in values if isinstance(value, Secret) and value)


def load(
    environ: Mapping[str, str],
    env_files: Sequence[Path] | None = None,
    *,
    read_file: Callable[[Path], "EnvFile"] | None = None,
) -> Settings:
    """Read the settings: the environment first, then files, later files over earlier ones.

    Args:
        environ: the process environment.
        env_files: the files to read, each of which must exist; `None` reads those of `DEFAULT_ENV_FILES` that do.
        read_file: for whoever keeps what was read; `read_env_file` unless given.

    Raises:
        ConfigurationError: a file can't be read, or a value is not of its variable's form.
    """
    paths = [Path(name) for name in DEFAULT_ENV_FILES if Path(name).is_file()] if env_files is None else env_files
    variables = {name: (value, _ENVIRONMENT) for name, value in environ.items() if value}
    # Most runs have no env file, and reading one is slow to begin with.
    return _settings(
        (_from_files([*map(read_file or read_env_file, paths)], environ, variables) if paths else {}) | variables
    )


def read_env_file(path: Path, *, hint: str = "check the path given with --env-file") -> "EnvFile":
    """Return the text of an env file.

    Args:
        path: of the file.
        hint: what to do where it can't be read, by whoever named it.

    Raises:
        ConfigurationError: it can't be read, or can't be an env file: a folder, a device, far too large, no UTF-8 text.
    """
    from tickctl.core.secrets.env_files import EnvFile  # noqa: PLC0415 - most runs have no env file

    try:
        return EnvFile(str(path), read_regular(path, LARGEST_ENV_FILE).content.decode())
    except OSError as error:
        raise ConfigurationError(f"can't read {path}: {error.strerror}", hint=hint) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8 text", hint="save the file as UTF-8") from None


def _from_files(
    files: "Sequence[EnvFile]", environ: Mapping[str, str], given: Collection[str]
) -> dict[str, tuple[str, str]]:
    """Read what files say as Docker Compose does, so that a value means the same here and in the container.

    Raises:
        ConfigurationError: as `load`, and where it is not certain what tickctl's own variables are.
    """
    from tickctl.core.secrets.env_files import RefusalKind, describe, read  # noqa: PLC0415

    latest = {}
    for entry in read(files, shell=environ.keys()):
        refused = entry.refusal is not None and entry.refusal.kind is not RefusalKind.NO_VALUE
        if entry.name.startswith(PREFIXES) and (entry.value or refused):
            latest[entry.name] = entry
    values = {}
    for name, entry in latest.items():
        if entry.value is not None:
            values[name] = (entry.value.reveal(), entry.file)
        elif entry.refusal and name not in given:
            message, mend = describe(entry.refusal, entry)
            raise ConfigurationError(message, hint=mend)
    return values


def _settings(found: Mapping[str, tuple[str, str]]) -> Settings:
    def text(name: str) -> str | None:
        return found[name][0].strip() if name in found else None

    def secret(*names: str) -> Secret | None:
        # Not stripped: white space is part of a secret, and the container would get it too.
        return next((Secret(found[name][0]) for name in names if name in found), None)

    home = text("TICKCTL_HOME")
    return Settings(
        supabase_url=_url("SUPABASE_URL", text("SUPABASE_URL")),
        anon_key=secret("SUPABASE_ANON_KEY"),
        jwt_secret=secret("SUPABASE_JWT_SECRET"),
        jwt_secret_previous=secret("SUPABASE_JWT_SECRET_PREVIOUS"),
        jwt_issuer=text("SUPABASE_JWT_ISSUER"),
        jwt_audience=text("SUPABASE_JWT_AUDIENCE") or "authenticated",
        jwks_url=_url("SUPABASE_JWKS_URL", text("SUPABASE_JWKS_URL")),
        jwks=text("SUPABASE_JWKS"),
        confirmed_claim=text("SUPABASE_CONFIRMED_CLAIM"),
        allow_unconfirmed=_boolean("SUPABASE_ALLOW_UNCONFIRMED", text("SUPABASE_ALLOW_UNCONFIRMED")),
        secret_key=secret("SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY"),
        db_url=secret("SUPABASE_DB_URL"),
        admin_token=secret("TICKCTL_ADMIN_TOKEN"),
        token=secret("TICKCTL_TOKEN"),
        home=Path(home) if home else None,
        secret_id=text("TICKCTL_SECRET_ID"),
        aws={
            name: Secret(value)
            for name, (value, source) in found.items()
            if name.startswith("AWS_") and source != _ENVIRONMENT
        },
        sources={name: source for name, (_, source) in sorted(found.items()) if name.startswith(PREFIXES)},
    )


def _boolean(name: str, value: str | None) -> bool:
    match (value or "false").lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            raise ConfigurationError(f"{name} is neither true nor false", hint=f"write {name}=true or leave it out")


def _url(name: str, value: str | None) -> str | None:
    """Check a base URL: https, or http on the loopback interface, without credentials, query or fragment."""
    if value is None:
        return None
    from urllib.parse import urlsplit  # noqa: PLC0415 - only with a project configured

    example = "write it like https://<project-ref>.supabase.co"
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(f"{name} is not a URL", hint=example) from None
    if parts.scheme not in {"http", "https"} or not host or any(char.isspace() for char in value):
        raise ConfigurationError(f"{name} is not an http(s) URL", hint=example)
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigurationError(f"{name} carries credentials, a query or a fragment", hint=example)
    if not is_safe(parts):
        raise ConfigurationError(f"{name} is not https", hint="plain http is accepted on the loopback interface only")
    return value.rstrip("/")
