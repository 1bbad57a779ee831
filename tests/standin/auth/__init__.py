"""A stand-in for Supabase Auth (GoTrue), as far as tickctl speaks with it."""

from standin.auth.errors import AuthError
from standin.auth.server import Auth, AuthConfig
from standin.auth.store import Store

__all__ = ["Auth", "AuthConfig", "AuthError", "Store"]
