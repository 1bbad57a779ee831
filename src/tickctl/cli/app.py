"""The command tree; of which a command line needs but one branch, so that the others need not be loaded."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final

import typer

from tickctl import __version__


def build_app(arguments: Sequence[str] = ()) -> typer.Typer:
    """Return the tree with what these arguments ask for; all of it unless they begin with one of its names."""
    app = typer.Typer(
        name="tickctl",
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_root)
    if list(arguments) == ["--version"]:
        return app
    branches = [name for name in arguments[:1] if name in _BRANCHES]
    for name in branches or _BRANCHES:
        _BRANCHES[name](app)
    return app


def _show_version(value: bool) -> None:
    if value:
        sys.stdout.write(f"tickctl {__version__}\n")
        raise typer.Exit


def _root(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Check tokens, show and set quotas: for services on Supabase Auth and AWS ECS.

    Without any configuration, commands work on an embedded database; `tickctl demo` shows all of it in a minute.
    """
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")


def _verify_token(app: typer.Typer) -> None:
    from tickctl.cli.commands import verify_token

    verify_token.register(app)


def _explain(app: typer.Typer) -> None:
    from tickctl.cli.commands import explain

    explain.register(app)


def _quota(app: typer.Typer) -> None:
    from tickctl.cli.commands.quota import files as quota_files
    from tickctl.cli.commands.quota import lists as quota_lists
    from tickctl.cli.commands.quota import quota

    group = _group(app, "quota", "Show and change how many ticks users have.")
    for part in (quota, quota_lists, quota_files):
        part.register(group)


def _users(app: typer.Typer) -> None:
    from tickctl.cli.commands import users

    users.register(_group(app, "users", "Look at the accounts behind the quotas."))


def _admin(app: typer.Typer) -> None:
    from tickctl.cli.commands import admin

    admin.register(_group(app, "admin", "Say who may administer when signed in."))


def _schema(app: typer.Typer) -> None:
    from tickctl.cli.commands import schema, schema_check

    group = _group(app, "schema", "Install tickctl's tables and functions in a database, and keep them in order.")
    schema.register(group)
    schema_check.register(group)


def _audit(app: typer.Typer) -> None:
    from tickctl.cli.commands import audit

    audit.register(app)


def _login(app: typer.Typer) -> None:
    from tickctl.cli.commands import login

    login.register(app)


def _secrets(app: typer.Typer) -> None:
    from tickctl.cli.commands import secrets

    secrets.register(_group(app, "secrets", "Move env files into AWS Secrets Manager, and into running ECS tasks."))


def _local(app: typer.Typer) -> None:
    from tickctl.cli.commands import local

    local.register(_group(app, "local", "The embedded database: PostgreSQL in a folder of yours."))


def _gateway(app: typer.Typer) -> None:
    from tickctl.cli.commands.gateway import serve as gateway

    gateway.register(_group(app, "gateway", "The gateway hook, to be tried out."))


def _doctor(app: typer.Typer) -> None:
    from tickctl.cli.commands import doctor

    doctor.register(app)


def _demo(app: typer.Typer) -> None:
    from tickctl.cli.commands.demo import command as demo

    demo.register(app)


def _help(app: typer.Typer) -> None:
    from tickctl.cli.commands import help_topics

    help_topics.register(app)


def _group(app: typer.Typer, name: str, text: str) -> typer.Typer:
    group = typer.Typer(help=text)
    app.add_typer(group, name=name)
    return group


# In the order of the help, but for plain commands, which Typer puts first.
_BRANCHES: Final[Mapping[str, Callable[[typer.Typer], None]]] = {
    "verify-token": _verify_token,
    "explain": _explain,
    "quota": _quota,
    "users": _users,
    "admin": _admin,
    "schema": _schema,
    "secrets": _secrets,
    "audit": _audit,
    "login": _login,
    "local": _local,
    "gateway": _gateway,
    "doctor": _doctor,
    "demo": _demo,
    "help": _help,
}
