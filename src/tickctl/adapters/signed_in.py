"""The session of the user who is signed in: begun, renewed in time and never twice at once, ended."""

from contextlib import suppress
from typing import Final

from tickctl.adapters.auth_api import AuthApi
from tickctl.adapters.session_file import SessionFile
from tickctl.core.auth import AuthSession
from tickctl.errors import ConfigurationError, CredentialsRefusedError, TickctlError

MARGIN: Final = 60.0
"""Seconds before its end from which an access token is not used any more: a long import may take as long."""


def current_session(file: SessionFile, auth: AuthApi, *, now: float) -> AuthSession | None:
    """Return the session with a usable access token; `None` if nobody is signed in.

    Only one command at a time renews, and the others take what it got: a refresh token that is spent twice ends the
    session (https://supabase.com/docs/guides/auth/sessions). The new pair is saved before it is used.

    Raises:
        ConfigurationError: the file can't be used.
        CredentialsRefusedError: the session is over.
        UnreachableError: it could not be renewed; the saved one stays as it is.
    """
    session = file.load()
    if session is None or not session.ends_before(now + MARGIN):
        return session
    with file.locked():
        session = file.load()
        if session is None or not session.ends_before(now + MARGIN):
            return session
        renewed = auth.refresh(session)
        if renewed is None:
            raise CredentialsRefusedError("the session is over", hint="sign in again with 'tickctl login'")
        file.save(renewed)
        return renewed


def keep_session(file: SessionFile, auth: AuthApi, session: AuthSession, *, now: float) -> None:
    """Save a session that was just begun, and end the one that it replaces, if there is one and it can be done.

    Raises:
        ConfigurationError: the file can't be written; then the new session is ended.
    """
    with file.locked():
        try:
            surplus = file.load(private=False)
        except ConfigurationError:
            surplus = None
        try:
            file.save(session)
        except ConfigurationError:
            surplus = session
            raise
        finally:
            if surplus is not None:
                with suppress(TickctlError):  # a session more in the list of open ones is no reason to fail
                    _ended(surplus, auth, now)


def end_session(file: SessionFile, auth: AuthApi, *, now: float) -> bool | None:
    """Remove the saved session, and end it at the server.

    Returns:
        Whether the server has ended it or knows of no such session, so that stolen copies are worthless; `None` if
        nobody was signed in.

    Raises:
        ConfigurationError: the file can't be removed.
    """
    try:
        session = file.load(private=False)
    except ConfigurationError:
        return False if file.remove() else None
    if session is None:
        return None
    with file.locked(private=False):
        try:
            return _ended(file.load(private=False), auth, now)
        except TickctlError:
            return False
        finally:
            file.remove()


def _ended(session: AuthSession | None, auth: AuthApi, now: float) -> bool:
    # Only a good access token can end its session.
    if session is not None and session.ends_before(now + MARGIN):
        session = auth.refresh(session)
    if session is not None:
        auth.sign_out(session)
    return True
