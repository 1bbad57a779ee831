"""A stand-in for PostgREST, held to what real ones were recorded to answer."""

from standin.postgrest.config import Config, Version
from standin.postgrest.errors import RestError
from standin.postgrest.server import PostgREST

__all__ = ["Config", "PostgREST", "RestError", "Version"]
