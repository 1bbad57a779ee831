"""Values that must not be there: secrets in the clear, public demo keys, development switches."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tickctl.core.audit.catalogue import Check
from tickctl.core.audit.facts import AccountFacts, Image, SecretFacts, Unread
from tickctl.core.audit.plain_values import shown, why_secret, why_secret_in
from tickctl.core.audit.saying import failed, of_definition, of_revision, of_secret, passed, unknown, unread
from tickctl.core.audit.values import Given, each_value
from tickctl.core.ecs.model import Container, Named, TaskDefinition
from tickctl.core.findings import Finding
from tickctl.core.secrets.public_keys import is_demo
from tickctl.core.secrets.store import CURRENT, Phase

_SWITCH: Final = "SUPABASE_ALLOW_UNCONFIRMED"
_OFF: Final = frozenset({"", "false"})


@dataclass(frozen=True, slots=True)
class KnownNames:
    """Names whose values are secrets by their owner's own word.

    Attributes:
        names: the keys of secrets that could be read, and what env files assign.
        missing: secrets whose keys couldn't be read, so that there may be more names.
    """

    names: frozenset[str]
    missing: tuple[str, ...] = ()


def known_names(facts: AccountFacts, names: Iterable[str] = ()) -> KnownNames:
    """Return the names that are known from secrets, and those of env files.

    Args:
        facts: with the secrets.
        names: what env files assign.
    """
    known, missing = set(names), []
    for arn, secret in facts.secrets.items():
        keys = _keys(secret)
        known.update(keys or ())
        missing += [of_secret(arn)] if keys is None else []
    return KnownNames(frozenset(known), tuple(missing))


def plain_secret(facts: AccountFacts, known: KnownNames) -> Iterator[Finding]:
    """Find secrets in the clear in task definitions."""
    for arn, definition in facts.definitions.items():
        if isinstance(definition, Unread):
            yield unread(Check.PLAIN_SECRET, of_revision(arn), definition)
            continue
        findings = [finding for container in definition.containers for finding in _in(definition, container, known)]
        yield from findings or [passed(Check.PLAIN_SECRET, of_definition(definition))]


def image_env(facts: AccountFacts, known: KnownNames) -> Iterator[Finding]:
    """Find secrets that are baked into images."""
    check = Check.IMAGE_ENV
    names: dict[str, None] = {}
    for arn, definition in facts.definitions.items():
        if isinstance(definition, Unread):
            yield unread(check, of_revision(arn), definition)
        else:
            names.update(dict.fromkeys(container.image for container in definition.containers))
    for name in names:
        subject = f"image {shown(name)}"
        image = facts.images.get(name, Unread(subject, "nobody has looked"))
        if isinstance(image, Unread):
            yield unread(check, subject, image)
            continue
        # What every image has, such as PATH, is no reason to say that it can't be told.
        sure = KnownNames(known.names)
        findings = [*_named(check, subject, _kinds(image), sure), *_baked_command(subject, image)]
        yield from findings or [passed(check, subject)]


def _in(definition: TaskDefinition, container: Container, known: KnownNames) -> Iterator[Finding]:
    subject = of_definition(definition, container)
    kinds = (("environment", container.environment), ("label", container.labels), ("log option", container.log_options))
    yield from _named(Check.PLAIN_SECRET, subject, kinds, known)
    if why := why_secret_in(container.command):
        yield failed(Check.PLAIN_SECRET, f"{subject}, command", f"it {why}")
    if container.environment_files:
        message = "it takes variables from env files in S3, which hold them in the clear, and nobody looks into these"
        mend = "move them into the secret with 'tickctl secrets push', and take 'environmentFiles' out"
        yield unknown(Check.PLAIN_SECRET, subject, message, mend)


def _named(
    check: Check, subject: str, kinds: Iterable[tuple[str, Iterable[Named]]], known: KnownNames
) -> Iterator[Finding]:
    for kind, named in kinds:
        for value in named:
            location = f"{subject}, {kind} {shown(value.name)}"
            if why := why_secret(value.name, value.value, known.names):
                yield failed(check, location, f"it {why}")
            elif known.missing and why_secret(value.name, value.value, {value.name}):
                message = f"it stands in the clear, and the keys of {', '.join(known.missing)} can't be read"
                yield unknown(check, location, message, "look again with the right to read the secret")


def _kinds(image: Image) -> Iterator[tuple[str, Iterable[Named]]]:
    yield "environment", image.environment
    yield "label", image.labels


def _baked_command(subject: str, image: Image) -> Iterator[Finding]:
    if why := why_secret_in(image.command):
        yield failed(Check.IMAGE_ENV, f"{subject}, command", f"it {why}")


def _keys(secret: SecretFacts | Unread) -> Iterable[str] | None:
    """Return the keys of a secret; None if they couldn't be read, although there may be some."""
    if isinstance(secret, Unread):
        return None
    if secret.state.phase is Phase.ABSENT:
        return ()
    version = secret.version(stage=CURRENT, version_id=None)
    if version is None:
        return ()
    return None if isinstance(version, Unread) else version.values or ()


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
