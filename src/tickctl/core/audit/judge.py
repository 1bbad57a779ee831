"""Judges an account: every check of the catalogue, in its order, with at least one finding for each."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from tickctl.core.audit.catalogue import Check
from tickctl.core.audit.facts import AccountFacts
from tickctl.core.audit.rules import encryption, forbidden_values, isolation, references
from tickctl.core.audit.rules.forbidden_values import KnownNames, known_names
from tickctl.core.audit.saying import nothing, unread
from tickctl.core.findings import Finding

_RULES: Final[Mapping[Check, Callable[[AccountFacts], Iterator[Finding]]]] = {
    Check.SECRET_EXISTS: references.secret_exists,
    Check.SECRET_KEY: references.secret_key,
    Check.SECRET_STAGE: references.secret_stage,
    Check.SECRET_READABLE: references.secret_readable,
    Check.STALE_TASKS: references.stale_tasks,
    Check.NETWORK_MODE: isolation.network_mode,
    Check.PUBLIC_IP: isolation.public_ip,
    Check.PUBLIC_SUBNET: isolation.public_subnet,
    Check.OPEN_SECURITY_GROUP: isolation.open_security_group,
    Check.HOST_NAMESPACE: isolation.host_namespace,
    Check.PRIVILEGED: isolation.privileged,
    Check.CONNECTION_URL: encryption.connection_url,
    Check.HTTPS_LISTENER: encryption.https_listener,
    Check.HTTP_REDIRECT: encryption.http_redirect,
    Check.TLS_POLICY: encryption.tls_policy,
    Check.EBS_VOLUME: encryption.ebs_volume,
    Check.EBS_DEFAULT: encryption.ebs_default,
    Check.ECS_VOLUME: encryption.ecs_volume,
    Check.EFS_TRANSIT: encryption.efs_transit,
    Check.EFS_AT_REST: encryption.efs_at_rest,
    Check.ALLOW_UNCONFIRMED: forbidden_values.allow_unconfirmed,
    Check.DEMO_SECRET: forbidden_values.demo_secret,
}
_BY_NAME: Final[Mapping[Check, Callable[[AccountFacts, KnownNames], Iterator[Finding]]]] = {
    Check.PLAIN_SECRET: forbidden_values.plain_secret,
    Check.IMAGE_ENV: forbidden_values.image_env,
}
"""Those that ask whether a name is that of a secret."""
_OF_THE_REGION: Final = frozenset({Check.EBS_VOLUME, Check.EBS_DEFAULT})
"""Those that don't rest on the list of services."""


def judge(facts: AccountFacts, *, names: Iterable[str] = ()) -> Iterator[Finding]:
    """Yield what the facts say of each check.

    A check without anything to judge says so; one that rests on what couldn't be read says that it can't be told.

    Args:
        facts: what was read.
        names: what the env files assign; such a name is that of a secret, whatever it looks like.
    """
    known = known_names(facts, names)
    for check in Check:
        findings = _BY_NAME[check](facts, known) if check in _BY_NAME else _RULES[check](facts)
        unique = dict.fromkeys(findings)  # the same thing may be referred to by many
        if check not in _OF_THE_REGION:
            unique.update(dict.fromkeys(unread(check, missing.what, missing) for missing in facts.unlisted))
        yield from unique or [nothing(check, f"region {facts.region}")]
