"""`tickctl explain`."""

from tickctl.cli.commands.explain.command import register

__all__ = ["register"]
