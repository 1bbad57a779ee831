"""Installs the SQL of `tickctl/sql`, adopts tables that are there already, and keeps both up to date."""

from tickctl.adapters.schema.install import Connection, apply, plan
from tickctl.adapters.schema.script import as_one_file
from tickctl.adapters.schema.steps import Plan, Step, StepKind

__all__ = ["Connection", "Plan", "Step", "StepKind", "apply", "as_one_file", "plan"]
