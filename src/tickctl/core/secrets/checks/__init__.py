"""What may be wrong with env files, and with what they hold, before they are pushed; pure, and names only."""

from tickctl.core.secrets.checks.catalogue import Check
from tickctl.core.secrets.checks.entries import check_entries, unsafe
from tickctl.core.secrets.checks.expectations import Expectations
from tickctl.core.secrets.checks.finding import Finding, Purpose, Result, verdict
from tickctl.core.secrets.checks.places import BuildContext, FileFacts, GitFacts, placed
from tickctl.core.secrets.checks.reading import differing, unreadable

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
