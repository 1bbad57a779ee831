"""Stands in for `tickctl.adapters.postgres` until everybody has moved there."""

from tickctl.adapters.postgres import AsyncPostgresFunctions

__all__ = ["AsyncPostgresFunctions"]
