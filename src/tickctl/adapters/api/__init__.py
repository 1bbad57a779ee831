"""The SQL functions over a project's API: PostgREST behind Supabase's API gateway."""

from tickctl.adapters.api.functions import CONNECTIONS, TIMEOUT, ApiFunctions, AsyncApiFunctions

__all__ = ["CONNECTIONS", "TIMEOUT", "ApiFunctions", "AsyncApiFunctions"]
