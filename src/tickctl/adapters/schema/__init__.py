"""Installs the SQL of `tickctl/sql`, adopts tables that are there already, keeps both up to date, and removes them."""

from tickctl.adapters.schema.install import apply, outstanding, plan
from tickctl.adapters.schema.remove import removal, remove
from tickctl.adapters.schema.requirements import Connection
from tickctl.adapters.schema.script import as_one_file
from tickctl.adapters.schema.steps import Plan, Step, StepKind

__all__ = ["Connection", "Plan", "Step", "StepKind", "apply", "as_one_file", "outstanding", "plan", "removal", "remove"]
