"""Users of the embedded database, their sessions, and tokens shaped like Supabase Auth's.

All of it is done as `supabase_auth_admin`, the role that Supabase Auth itself works as. Times are the database's.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from tickctl.adapters.embedded.server import LOCAL_ISSUER, Server
from tickctl.adapters.embedded.startup import SUPERUSER
from tickctl.core.json import JsonObject
from tickctl.core.secret import Secret
from tickctl.errors import ConflictError, InvalidInputError, NotFoundError, UnreachableError

# Supabase's default, "JWT expiry" in the project's Auth settings.
LIFETIME: Final = timedelta(hours=1)
_LONGEST_EMAIL: Final = 254
# What the HTML standard takes for an e-mail address, as Supabase Auth does; the domain of at least two labels.
_LABEL: Final = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL: Final = re.compile(rf"[a-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})+")


@dataclass(frozen=True, slots=True)
class Session:
    """A user's session and the claims of an access token in it."""

    user_id: UUID
    session_id: UUID
    claims: JsonObject


def add_user(
    server: Server, email: str, *, confirmed: bool = True, dry_run: bool = False, database: str = "postgres"
) -> UUID:
    """Add a user who signed up with e-mail and password, and return the new id.

    Args:
        server: the running server.
        email: the address, stored in lower case.
        confirmed: whether the link in the confirmation e-mail was followed.
        dry_run: undo it in the end; the id is then nobody's.
        database: the database within the server.

    Raises:
        InvalidInputError: that is no e-mail address.
        ConflictError: a user has it already.
    """
    address = normalised(email)
    user_id = uuid4()
    # `email_verified` is what Auth notes at sign-up, and the user's own to change: nothing to rely on.
    user = {"email": address, "email_verified": confirmed, "phone_verified": False, "sub": str(user_id)}
    with _auth_admin(server, database) as connection:
        try:
            connection.execute(
                "insert into auth.users (id, aud, role, email, email_confirmed_at, raw_app_meta_data,"
                " raw_user_meta_data, created_at, updated_at)"
                " values (%s, 'authenticated', 'authenticated', %s, case when %s then now() end, %s, %s, now(), now())",
                [user_id, address, confirmed, Jsonb({"provider": "email", "providers": ["email"]}), Jsonb(user)],
            )
        except psycopg.errors.UniqueViolation:
            raise ConflictError(f"there is already a user {address}", hint="choose another address") from None
        if dry_run:
            connection.rollback()
    return user_id


def open_session(
    server: Server,
    email: str,
    *,
    issued_at: datetime | None = None,
    lifetime: timedelta = LIFETIME,
    database: str = "postgres",
) -> Session:
    """Sign a user in: a new session and the claims for its access token.

    It asks for no password and looks at no ban or missing confirmation: trying out what happens then is the point.

    Where the access-token hook is installed, the claims are what it makes of them.

    Args:
        server: the running server.
        email: whose session, in any case.
        issued_at: the token's `iat` if not now; in the past it makes an expired token.
        lifetime: from `iat` to `exp`.
        database: the database within the server.

    Raises:
        InvalidInputError: that is no e-mail address.
        NotFoundError: no user has it.
    """
    address = normalised(email)
    with _auth_admin(server, database) as connection:
        row = connection.execute(
            "update auth.users set last_sign_in_at = now(), updated_at = now()"
            " where id = (select id from auth.users where lower(email) = %s and not is_sso_user order by id limit 1)"
            " returning id, coalesce(phone, ''), raw_app_meta_data, raw_user_meta_data, is_anonymous, now()",
            [address],
        ).fetchone()
        if row is None:
            raise NotFoundError(f"there is no user {address}", hint=f"tickctl local add-user {address}")
        user_id, phone, app_metadata, user_metadata, is_anonymous, now = row
        session_id = uuid4()
        connection.execute(
            "insert into auth.sessions (id, user_id, created_at, updated_at, aal)"
            " values (%s, %s, now(), now(), 'aal1')",
            [session_id, user_id],
        )
        issued = int((issued_at or now).astimezone(UTC).timestamp())
        # The claims of an access token, in Supabase's documentation under "JWT Claims Reference".
        claims: JsonObject = {
            "iss": LOCAL_ISSUER,
            "sub": str(user_id),
            "aud": "authenticated",
            "exp": issued + int(lifetime.total_seconds()),
            "iat": issued,
            "email": address,
            "phone": phone,
            "app_metadata": app_metadata or {},
            "user_metadata": user_metadata or {},
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": issued}],
            "session_id": str(session_id),
            "is_anonymous": is_anonymous,
        }
        claims = _through_hook(connection, user_id, claims)
    return Session(user_id, session_id, claims)


def mint_token(
    server: Server,
    secret: Secret,
    email: str,
    *,
    issued_at: datetime | None = None,
    lifetime: timedelta = LIFETIME,
    database: str = "postgres",
) -> Secret:
    """Sign a user in as `open_session` does, and return the access token."""
    session = open_session(server, email, issued_at=issued_at, lifetime=lifetime, database=database)
    return sign(session.claims, secret)


def sign(claims: JsonObject, secret: Secret) -> Secret:
    """Return the claims as a compact JWS, signed with HS256 and the secret's bytes as they are."""
    import jwt  # noqa: PLC0415  (takes longer to load than adding a user)

    return Secret(jwt.encode(dict(claims), secret.reveal(), algorithm="HS256"))


def normalised(email: str) -> str:
    """Return an e-mail address as Supabase Auth stores it: trimmed and in lower case.

    Raises:
        InvalidInputError: that is no e-mail address.
    """
    address = email.strip().lower()
    if len(address) > _LONGEST_EMAIL or not _EMAIL.fullmatch(address):
        raise InvalidInputError(f"{email[:80]!r} is not an e-mail address", hint="it looks like name@example.com")
    return address


def _through_hook(connection: psycopg.Connection, user_id: UUID, claims: JsonObject) -> JsonObject:
    """Let the access-token hook have its say where it is installed, as Auth does where it is switched on."""
    installed = (
        "select from pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n on n.oid = p.pronamespace"
        " where n.nspname = 'tick' and p.proname = 'access_token_hook'"
    )
    if connection.execute(installed).fetchone() is None:
        return claims
    event = {"user_id": str(user_id), "claims": dict(claims), "authentication_method": "password"}
    row = connection.execute("select tick.access_token_hook(%s)", [Jsonb(event)]).fetchone()
    hooked: JsonObject = row[0]["claims"] if row else claims
    return hooked


@contextmanager
def _auth_admin(server: Server, database: str) -> Iterator[psycopg.Connection]:
    """Connect, and work as Auth's role in one transaction."""
    try:
        with psycopg.connect(server.url(SUPERUSER, database), connect_timeout=10) as connection:
            connection.execute("set local role supabase_auth_admin")
            yield connection
    except psycopg.Error as error:
        reason = error.diag.message_primary or type(error).__name__
        raise UnreachableError(f"the embedded database did not do it: {reason}") from error
