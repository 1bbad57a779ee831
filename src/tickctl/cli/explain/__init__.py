"""`tickctl explain`."""

from tickctl.cli.explain.command import register

__all__ = ["register"]
