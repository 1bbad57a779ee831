"""Proves that a database keeps its promise: what its catalogue says, and what happens when it is tried."""

from tickctl.adapters.schema_check.finding import Finding, Part, Result
from tickctl.adapters.schema_check.run import check

__all__ = ["Finding", "Part", "Result", "check"]
