"""Development switches are off."""

from collections.abc import Iterator
from typing import Final

from tickctl.core.audit.catalogue import Check
from tickctl.core.audit.facts import AccountFacts
from tickctl.core.audit.saying import failed, passed
from tickctl.core.audit.values import Given, each_value
from tickctl.core.findings import Finding
from tickctl.core.secrets.public_keys import is_demo

_SWITCH: Final = "SUPABASE_ALLOW_UNCONFIRMED"
_OFF: Final = frozenset({"", "false"})


def allow_unconfirmed(facts: AccountFacts) -> Iterator[Finding]:
    """Find where unconfirmed addresses are let in."""
    return each_value(facts, Check.ALLOW_UNCONFIRMED, _switch)


def demo_secret(facts: AccountFacts) -> Iterator[Finding]:
    """Find keys that everybody has."""
    return each_value(facts, Check.DEMO_SECRET, _demo)


def _switch(given: Given) -> Finding:
    if given.name != _SWITCH or given.value.reveal().strip().lower() in _OFF:
        return passed(Check.ALLOW_UNCONFIRMED, given.subject)
    message = "it lets people in whose e-mail address nobody has confirmed"
    return failed(Check.ALLOW_UNCONFIRMED, given.subject, message)


def _demo(given: Given) -> Finding:
    if not is_demo(given.value):
        return passed(Check.DEMO_SECRET, given.subject)
    return failed(
        Check.DEMO_SECRET, given.subject, "it is a public key of local set-ups, so that anybody can sign tokens"
    )
