"""`tickctl local`: the embedded database."""

from typing import TYPE_CHECKING, Annotated

import typer

from tickctl.cli.console.confirm import AssumeYes, DryRun, confirm
from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.run import Run, command
from tickctl.cli.open.backend import home_of, open_home

if TYPE_CHECKING:
    from tickctl.adapters.embedded import EmbeddedDatabase

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The user's e-mail address.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "start", examples="tickctl local start")(start)
    command(app, "stop", examples="tickctl local stop")(stop)
    command(app, "status", examples="tickctl local status && echo it runs")(status)
    command(app, "reset", examples="tickctl local reset --yes")(reset)
    command(
        app,
        "psql",
        examples='tickctl local psql\ntickctl local psql -- -c "select * from public.profiles"\n'
        "tickctl local psql --user authenticator",
    )(psql)
    command(
        app,
        "add-user",
        examples="tickctl local add-user user@example.com\ntickctl local add-user new@example.com --unconfirmed",
    )(add_user)
    command(app, "token", examples="tickctl local token user@example.com | tickctl verify-token -")(token)
    command(app, "env", examples='eval "$(tickctl local env --export)"\ntickctl local env > gateway.env')(env)


def start(run: Run) -> None:
    """Start the embedded database and keep it running.

    It runs until `tickctl local stop`. Without it, each command starts the database for itself and stops it again.
    """
    database = _database(run)
    server = database.start()
    run.output.notice("the embedded database runs until 'tickctl local stop'")
    _answer(run, {"running": True, "home": str(database.home), "pid": server.pid, "url": server.url()})


def stop(run: Run) -> None:
    """Stop the embedded database; its data stays."""
    database = _database(run)
    stopped = database.stop()
    run.output.notice("stopped" if stopped else "it was not running")
    _answer(run, {"running": False, "home": str(database.home)})


def status(run: Run) -> ExitCode:
    """Say whether the embedded database runs, and where.

    Exit code 1 says that it doesn't.
    """
    state = _database(run).status()
    _answer(
        run,
        {
            "running": state.running,
            "kept": state.kept,
            "home": str(state.home),
            "pid": state.pid,
            "version": state.version,
            "size_bytes": state.size_bytes,
            "started_at": state.started_at,
        },
    )
    return ExitCode.YES if state.running else ExitCode.NO


def reset(run: Run, dry_run: DryRun = False, yes: AssumeYes = False) -> None:
    """Remove the embedded database with everything in it."""
    database = _database(run)
    plan = f"remove the embedded database in {database.home}"
    if dry_run:
        run.output.notice(f"would {plan}")
    else:
        confirm(plan, assume_yes=yes)
        database.reset()
        run.output.notice(f"done: {plan}")
    _answer(run, {"home": str(database.home), "removed": not dry_run})


def psql(
    run: Run,
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[-- ARGS]", help="Passed on to psql.")] = None,
    user: Annotated[str, typer.Option("--user", "-U", help="The database role to connect as.")] = "postgres",
) -> int:
    """Open psql on the embedded database."""
    import subprocess

    with _database(run).use() as server:
        try:
            return subprocess.run(  # noqa: S603 - the wheel's own psql, no shell
                [server.psql_path, *(arguments or [])],
                env={**run.environ, **server.environment(user=user)},
                check=False,
            ).returncode
        except KeyboardInterrupt:
            return ExitCode.INTERRUPTED


def add_user(
    run: Run,
    email: Email,
    unconfirmed: Annotated[bool, typer.Option("--unconfirmed", help="As before the click in the e-mail.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Add a user with a confirmed e-mail to the database."""
    from tickctl.adapters.embedded import accounts

    database = _database(run)
    with database.use() as server:
        user_id = accounts.add_user(server, email, confirmed=not unconfirmed, dry_run=dry_run)
    run.output.notice(f"{'would add' if dry_run else 'added'} to the embedded database in {database.home}")
    fields = {"user_id": None if dry_run else str(user_id), "email": accounts.normalised(email)}
    _answer(run, {**fields, "email_confirmed": not unconfirmed})


def token(run: Run, email: Email) -> None:
    """Print an access token for a user of the database.

    It has the form of Supabase's, holds for an hour, and is signed with the folder's own secret, so that it opens
    nothing else.
    """
    from tickctl.adapters.embedded import accounts

    database = _database(run)
    with database.use() as server:
        minted = accounts.mint_token(server, database.jwt_secret(), email)
    if run.json:
        run.output.document({"token": minted.reveal()})
    else:
        run.output.text(minted.reveal())


def env(
    run: Run,
    export: Annotated[
        bool, typer.Option("--export", help="Print export commands for a shell instead of lines of an env file.")
    ] = False,
) -> None:
    """Print the settings of a gateway on the embedded database.

    An application of your own that runs with them has the same users, limits and tokens. Start the database first.

    The settings include a secret, but one of this development database only: it opens nothing else.
    """
    import shlex

    from tickctl.adapters.embedded import LOCAL_ISSUER

    database = _database(run)
    if run.settings.supabase_url and run.settings.anon_key:
        run.output.warning(
            "SUPABASE_URL and SUPABASE_ANON_KEY are set: an application that reads them too works on that project"
        )
    variables = {
        "SUPABASE_DB_URL": database.running().url("authenticator"),
        "SUPABASE_JWT_SECRET": database.jwt_secret().reveal(),
        "SUPABASE_JWT_ISSUER": LOCAL_ISSUER,
    }
    if run.json:
        run.output.document(variables)
        return
    for name, value in variables.items():
        run.output.text(f"export {name}={shlex.quote(value)}" if export else f"{name}='{value}'")


def _database(run: Run) -> "EmbeddedDatabase":
    return open_home(run, home_of(run))


def _answer(run: Run, fields: dict[str, object]) -> None:
    if run.json:
        run.output.document(fields)
    else:
        run.output.record(fields)  # type: ignore[arg-type] # all of them are cells
