"""As whom an operator acts: over a direct connection, with the secret key, or as a signed-in administrator."""

import time
from typing import TYPE_CHECKING

from tickctl.cli.console.run import BackendName, IdentityName, Run
from tickctl.errors import ConfigurationError, InvalidInputError

if TYPE_CHECKING:
    from tickctl.adapters.session_file import SessionFile
    from tickctl.core.quota import SignedInUser
    from tickctl.core.secret import Secret
    from tickctl.settings import Settings


def choose_identity(run: Run, backend: BackendName) -> IdentityName:
    """Return the identity that is asked for, or the first one configured; nothing is sent for it.

    Raises:
        InvalidInputError: this identity is not to be had at this place.
        ConfigurationError: none is configured.
    """
    choice, settings = run.identity, run.settings
    if backend is not BackendName.SUPABASE:
        if choice in {IdentityName.AUTO, IdentityName.CONNECTION}:
            return IdentityName.CONNECTION
        raise InvalidInputError(
            f"--as {choice} goes through a project's API, which --backend {backend} does not",
            hint="leave --as out, or say --backend supabase",
        )
    if choice is not IdentityName.AUTO:
        return choice
    if settings.db_url:
        return IdentityName.CONNECTION
    if settings.secret_key:
        return IdentityName.SECRET_KEY
    if settings.admin_token or session_file(settings).exists():
        return IdentityName.USER
    raise ConfigurationError(
        f"nothing says as whom to administer {project_url(settings)}",
        hint="set SUPABASE_DB_URL, SUPABASE_SECRET_KEY or TICKCTL_ADMIN_TOKEN, or sign in with 'tickctl login'",
    )


def project_url(settings: "Settings") -> str:
    """Return the project's address.

    Raises:
        ConfigurationError: it is not set.
    """
    if settings.supabase_url is None:
        raise ConfigurationError("SUPABASE_URL is not set", hint="set it to https://<project-ref>.supabase.co")
    return settings.supabase_url


def database_url(settings: "Settings") -> "Secret":
    """Return the connection string.

    Raises:
        ConfigurationError: it is not set.
    """
    if settings.db_url is None:
        raise ConfigurationError(
            "SUPABASE_DB_URL is not set",
            hint="copy the connection string from the project's Connect dialog into SUPABASE_DB_URL",
        )
    return settings.db_url


def secret_key(settings: "Settings") -> "Secret":
    """Return the secret key.

    Raises:
        ConfigurationError: it is not set.
    """
    if settings.secret_key is None:
        raise ConfigurationError(
            "SUPABASE_SECRET_KEY is not set", hint="copy a secret key (sb_secret_...) from the project's API keys"
        )
    return settings.secret_key


def publishable_key(settings: "Settings") -> "Secret":
    """Return the publishable key, which goes along with every user's token.

    Raises:
        ConfigurationError: it is not set.
    """
    if settings.anon_key is None:
        raise ConfigurationError(
            "SUPABASE_ANON_KEY is not set",
            hint="copy the publishable key (sb_publishable_...) from the project's API keys",
        )
    return settings.anon_key


def session_file(settings: "Settings") -> "SessionFile":
    """Return where the session of `tickctl login` with this project is kept.

    Raises:
        ConfigurationError: no project is named.
    """
    from tickctl.adapters.session_file import SessionFile, default_folder

    return SessionFile(default_folder(), project_url(settings))


def signed_in_user(settings: "Settings") -> tuple["SignedInUser", str]:
    """Return the administrator who is signed in, and their name for people.

    TICKCTL_ADMIN_TOKEN goes before the session of `tickctl login`, which is renewed if need be.

    Raises:
        ConfigurationError: there is neither, or the token is none of a user of this project.
        CredentialsRefusedError: the token has expired, or the session is over.
        UnreachableError: the session could not be renewed.
    """
    from tickctl.core.quota import SignedInUser

    if settings.admin_token:
        from tickctl.adapters import project
        from tickctl.core.auth import read_admin_token

        issuer, audience = project.issuer(settings), settings.jwt_audience
        user = read_admin_token(settings.admin_token, issuer=issuer, audience=audience, now=time.time())
        claims = {"role": user.role, "sub": user.subject}
        return SignedInUser(claims, settings.admin_token), f"{user.email or user.subject} (TICKCTL_ADMIN_TOKEN)"
    from tickctl.adapters.auth_api import AuthApi
    from tickctl.adapters.signed_in import current_session

    auth = AuthApi(project_url(settings), publishable_key(settings))
    session = current_session(session_file(settings), auth, now=time.time())
    if session is None:
        raise ConfigurationError(
            f"nobody is signed in to {settings.supabase_url}",
            hint="sign in with 'tickctl login', or set TICKCTL_ADMIN_TOKEN",
        )
    claims = {"role": "authenticated", "sub": session.user_id}
    return SignedInUser(claims, session.access_token), session.email or session.user_id
