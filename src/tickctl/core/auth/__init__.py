"""A session with Supabase Auth, and what the Auth server's answers about signing in mean."""

from tickctl.core.auth.admin_token import read_admin_token
from tickctl.core.auth.failures import failure, says_session_is_over
from tickctl.core.auth.session import AuthSession, SecondFactor, read_challenge, read_object, read_session

__all__ = [
    "AuthSession",
    "SecondFactor",
    "failure",
    "read_admin_token",
    "read_challenge",
    "read_object",
    "read_session",
    "says_session_is_over",
]
