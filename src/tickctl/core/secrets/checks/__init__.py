"""What may be wrong with env files, and with what they hold, before they are pushed; pure, and names only."""

from tickctl.core.secrets.checks.catalogue import Check
from tickctl.core.secrets.checks.content import check_entries, differing, unreadable, unsafe
from tickctl.core.secrets.checks.expectations import Expectations
from tickctl.core.secrets.checks.finding import Finding, Purpose, Result, verdict
from tickctl.core.secrets.checks.places import BuildContext, FileFacts, GitFacts, placed

__all__ = [
    "BuildContext",
    "Check",
    "Expectations",
    "FileFacts",
    "Finding",
    "GitFacts",
    "Purpose",
    "Result",
    "check_entries",
    "differing",
    "placed",
    "unreadable",
    "unsafe",
    "verdict",
]
