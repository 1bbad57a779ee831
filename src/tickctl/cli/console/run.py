"""One run of a command: its options, settings and output; and the options that every command has."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.output import Output, Style
from tickctl.cli.console.redact import redact
from tickctl.errors import TickctlError

if TYPE_CHECKING:
    from tickctl.core.secrets.env_files import EnvFile
    from tickctl.settings import Settings

Command = Callable[..., int | None]
"""A command returns its exit code; None is 0."""
_PANEL = "Common options"


class BackendName(StrEnum):
    """Where quotas live."""

    AUTO = "auto"
    LOCAL = "local"
    POSTGRES = "postgres"
    SUPABASE = "supabase"


class IdentityName(StrEnum):
    """As whom an operator acts."""

    AUTO = "auto"
    CONNECTION = "connection"
    SECRET_KEY = "secret-key"  # noqa: S105 - a name
    USER = "user"


@dataclass(frozen=True)
class Run:
    """What a command needs from the outside: how to answer, and what was configured.

    `environ` is the process environment: nothing else of the command line looks at it.
    """

    output: Output
    backend: BackendName
    identity: IdentityName
    env_files: tuple[Path, ...] | None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    read_files: dict[Path, "EnvFile"] = field(default_factory=dict, repr=False)

    @property
    def json(self) -> bool:
        """Whether the answer is to be JSON."""
        return self.output.style.json

    @cached_property
    def settings(self) -> "Settings":
        """The settings, read when first asked for.

        Raises:
            ConfigurationError: a file or value is unusable.
        """
        from tickctl.settings import load

        return load(self.environ, self.env_files, read_file=self.read_env_file)

    def read_env_file(self, path: Path, *, hint: str = "check the path given with --env-file") -> "EnvFile":
        """Return the text of an env file; each is opened once, since a second look could see another file.

        Args:
            path: of the file.
            hint: what to do where it can't be read, by whoever named it.

        Raises:
            ConfigurationError: as `tickctl.settings.read_env_file`.
        """
        from tickctl.settings import read_env_file

        if path not in self.read_files:
            self.read_files[path] = read_env_file(path, hint=hint)
        return self.read_files[path]

    def mask(self, error: TickctlError) -> None:
        """Take this run's secrets out of an error: an operator may have pasted one where a name belongs."""
        if "settings" in vars(self):  # not read for this, since reading them may be what failed
            error.message = redact(error.message, self.settings.secrets)
            error.hint = redact(error.hint, self.settings.secrets) if error.hint else None


def command(
    app: typer.Typer,
    name: str,
    *,
    backend: bool = False,
    identity: bool | None = None,
    examples: str = "",
    env_files: str = "An env file to read instead of services/.env, services/keys.env, .env and keys.env; repeatable.",
) -> Callable[[Command], Command]:
    """Register a command that takes a `Run` first; adds the common options.

    Args:
        app: where to register it.
        name: the command's name.
        backend: whether it has `--backend`.
        identity: whether it has `--as`; unless said otherwise, where there is a backend.
        examples: shown at the end of the command's help, one a line.
        env_files: what the help says of `--env-file`.
    """
    absent = set() if backend else {"backend"}
    absent |= set() if (backend if identity is None else identity) else {"identity"}

    def register(function: Command) -> Command:
        own = list(signature(function, eval_str=True).parameters.values())[1:]
        files = _option("env_file", list[Path] | None, None, "--env-file", text=env_files)
        common = [option for option in (*_BEFORE, files, *_AFTER) if option.name not in absent]

        @wraps(function)
        def run_command(**options: Any) -> int:
            run = _run(**{option.name: options.pop(option.name) for option in common})
            try:
                return int(function(run, **options) or ExitCode.YES)
            except TickctlError as error:
                run.mask(error)
                raise

        run_command.__signature__ = Signature([*own, *common])  # type: ignore[attr-defined] # Typer reads options here
        help_text = (function.__doc__ or "").strip()
        epilog = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in examples.splitlines()) if examples else None
        app.command(name, help=help_text, epilog=epilog)(run_command)
        return function

    return register


def _run(
    *,
    json: bool,
    quiet: bool,
    no_color: bool,
    env_file: list[Path] | None,
    backend: BackendName = BackendName.AUTO,
    identity: IdentityName = IdentityName.AUTO,
) -> Run:
    style = Style.decide(os.environ, json=json, quiet=quiet, no_color=no_color)
    env_files = tuple(env_file) if env_file else None
    return Run(output=Output(style), backend=backend, identity=identity, env_files=env_files)


def _option(name: str, kind: Any, default: object, *flags: str, text: str) -> Parameter:
    option = typer.Option(*flags, help=text, rich_help_panel=_PANEL, show_default=False)
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])


_BEFORE = (
    _option("json", bool, False, "--json", text="Answer with one JSON document on stdout."),
    _option("quiet", bool, False, "--quiet", "-q", text="Leave only the answer and errors."),
    _option("no_color", bool, False, "--no-color", text="No colours; NO_COLOR works as well."),
)
_AFTER = (
    _option(
        "backend",
        BackendName,
        BackendName.AUTO,
        "--backend",
        text="Where quotas live: auto, local (embedded), postgres (SUPABASE_DB_URL) or supabase.",
    ),
    _option(
        "identity",
        IdentityName,
        IdentityName.AUTO,
        "--as",
        text="As whom: auto, connection (SUPABASE_DB_URL), secret-key, or user (TICKCTL_ADMIN_TOKEN or login).",
    ),
)
