"""`tickctl login`: sign in as an administrator, and stay signed in."""

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.prompt import ask, ask_secret, has_terminal, read_secret
from tickctl.cli.console.run import Run, command
from tickctl.cli.open.identity import project_url, publishable_key, session_file
from tickctl.errors import CredentialsRefusedError, InvalidInputError, TickctlError

if TYPE_CHECKING:
    from tickctl.adapters.auth_api import AuthApi
    from tickctl.cli.console.output import Cell
    from tickctl.core.auth import AuthSession

_STDIN = "--password-stdin"


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "login",
        examples="tickctl login ada@example.com\npass show supabase/ada | tickctl login ada@example.com "
        f"{_STDIN}\ntickctl login --status\ntickctl login --logout",
    )(login)


def login(
    run: Run,
    email: Annotated[str | None, typer.Argument(metavar="[EMAIL]", help="The administrator's e-mail address.")] = None,
    password_stdin: Annotated[
        bool, typer.Option(_STDIN, help="Read the password from standard input instead of asking.")
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Say who is signed in; exit code 1 for nobody.")] = False,
    logout: Annotated[bool, typer.Option("--logout", help="End the session, here and at the project.")] = False,
) -> ExitCode:
    """Sign in to the project, so that admin commands act as you.

    The password is asked for without being shown, and not kept. The session is kept in a file that only you can read,
    renewed when needed, and used where neither SUPABASE_DB_URL, a secret key nor TICKCTL_ADMIN_TOKEN is set, or with
    --as user.
    """
    if (status or logout) and (email or password_stdin or (status and logout)):
        raise InvalidInputError("--status and --logout stand alone", hint="sign in, ask or sign out, one at a time")
    if logout:
        return _log_out(run)
    session = _saved(run) if status else _sign_in(run, email, password_stdin=password_stdin)
    if session is None:
        run.output.notice(f"nobody is signed in to {project_url(run.settings)}")
        _answer(run, _fields(run, None, administrator=None))
        return ExitCode.NO
    _answer(run, _fields(run, session, administrator=_is_administrator(run, session)))
    return ExitCode.YES


def _auth(run: Run) -> "AuthApi":
    from tickctl.adapters.auth_api import AuthApi

    return AuthApi(project_url(run.settings), publishable_key(run.settings))


def _sign_in(run: Run, email: str | None, *, password_stdin: bool) -> "AuthSession":
    from tickctl.adapters.signed_in import keep_session
    from tickctl.core.auth import SecondFactor

    auth, file = _auth(run), session_file(run.settings)
    file.prepare()
    if email is None:
        email = ask("E-mail:", instead="give the address on the command line")
    if "@" not in email:
        raise InvalidInputError("that is not an e-mail address", hint="the password is asked for afterwards")
    instead = f"give it with {_STDIN}"
    password = read_secret(_STDIN) if password_stdin else ask_secret("Password:", instead=instead)
    session = auth.sign_in(email, password)
    if session.second_factor is SecondFactor.MISSING:
        session = _with_second_factor(run, auth, session)
    keep_session(file, auth, session, now=time.time())
    run.output.notice(f"signed in to {project_url(run.settings)} as {session.email or session.user_id}")
    run.output.notice(f"the session is kept in {file.path}")
    _tell_what_goes_first(run)
    return session


def _with_second_factor(run: Run, auth: "AuthApi", session: "AuthSession") -> "AuthSession":
    """Ask for a code of the user's authenticator app where there are one and a terminal; else go on without."""
    from tickctl.core.secret import Secret

    if session.authenticator is None or not has_terminal():
        run.output.warning("your second factor was not asked for: the session has assurance level aal1 only")
        return session
    try:
        code = ask("Code of your authenticator app:", instead="open the app and type its six digits")
        return auth.show_second_factor(session, Secret("".join(code.split())))
    except BaseException:
        with suppress(TickctlError):  # half a session is of no use to anybody who may sign in properly
            auth.sign_out(session)
        raise


def _tell_what_goes_first(run: Run) -> None:
    settings = run.settings
    if settings.admin_token:
        run.output.notice("TICKCTL_ADMIN_TOKEN is set and goes before this session, also with --as user")
    elif settings.db_url or settings.secret_key:
        first = "SUPABASE_DB_URL" if settings.db_url else "the secret key"
        run.output.notice(f"{first} is set and goes before this session; --as user makes commands act as you")


def _saved(run: Run) -> "AuthSession | None":
    """Return the kept session, which the Auth server has just confirmed: it may have been ended elsewhere."""
    from tickctl.adapters.auth_server import AuthServer
    from tickctl.adapters.signed_in import current_session
    from tickctl.core.tokens import Denial

    url, key = project_url(run.settings), publishable_key(run.settings)
    session = current_session(session_file(run.settings), _auth(run), now=time.time())
    if session is not None:
        account = AuthServer(url, key).lookup(session.user_id, "", session.access_token)
        if isinstance(account, Denial):
            raise CredentialsRefusedError(
                f"{url} does not accept the session any more ({account})", hint="sign in again with 'tickctl login'"
            )
    return session


def _log_out(run: Run) -> ExitCode:
    from tickctl.adapters.signed_in import end_session

    url, file = project_url(run.settings), session_file(run.settings)
    ended = end_session(file, _auth(run), now=time.time())
    if ended is None:
        run.output.notice(f"nobody was signed in to {url}")
    elif ended:
        run.output.notice(f"signed out of {url}")
    else:
        run.output.warning(
            f"the session was removed from this machine, but {url} could not be told: a copy of it could still be used"
        )
    _answer(run, {"url": url, "signed_in": False, "ended": ended})
    return ExitCode.CANNOT_TELL if ended is False else ExitCode.YES


def _fields(run: Run, session: "AuthSession | None", *, administrator: bool | None) -> "dict[str, Cell]":
    from datetime import UTC, datetime

    return {
        "url": project_url(run.settings),
        "signed_in": session is not None,
        "user_id": session.user_id if session else None,
        "email": session.email if session else None,
        "expires_at": datetime.fromtimestamp(session.expires_at, UTC) if session else None,
        "administrator": administrator,
        "second_factor": session.second_factor if session else None,
    }


def _is_administrator(run: Run, session: "AuthSession") -> bool | None:
    """Ask the database whether this user may administer; `None` if it can't be told, with a word on why."""
    from tickctl.adapters.api import ApiFunctions
    from tickctl.core.auth import SecondFactor
    from tickctl.core.quota import QuotaAdmin, SignedInUser, my_ticks

    name = session.email or session.user_id
    caller = SignedInUser({"role": "authenticated", "sub": session.user_id}, session.access_token)
    try:
        with ApiFunctions(project_url(run.settings), publishable_key(run.settings)) as functions:
            try:
                QuotaAdmin(functions, "login", caller=caller).admins()
            except CredentialsRefusedError:
                my_ticks(functions, caller)  # refused as well: then it is the token or the key that is not accepted
                if session.second_factor is SecondFactor.MISSING:  # administrators are refused then as well
                    run.output.warning(f"can't tell whether {name} is an administrator without the second factor")
                    return None
                run.output.notice(f"{name} is no administrator; 'tickctl admin add', as somebody else, makes one")
                return False
    except TickctlError as error:
        run.mask(error)
        run.output.warning(f"can't tell whether {name} is an administrator: {error.message}")
        return None
    return True


def _answer(run: Run, fields: "dict[str, Cell]") -> None:
    if run.json:
        run.output.document(fields)
    else:
        run.output.record(fields)
