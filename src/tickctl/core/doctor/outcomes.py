"""All checks of `tickctl doctor`, in the order of the catalogue."""

from collections.abc import Iterator

from tickctl.core.doctor import configuration, project, systems, tokens
from tickctl.core.doctor.catalogue import Check
from tickctl.core.doctor.facts import Facts, Problem, Unread
from tickctl.core.doctor.verdicts import failed, untold
from tickctl.core.findings import Finding, Result


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge everything that was looked up; each check gives a finding at least."""
    settings = facts.settings
    if isinstance(settings, Problem | Unread):
        if isinstance(settings, Problem):
            yield failed(Check.SETTINGS, "configuration", settings.message, settings.mend)
        else:
            yield untold(Check.SETTINGS, "configuration", settings.reason, settings.mend)
        for check in list(Check)[1:]:
            yield Finding(check, Result.CANNOT_TELL, check, "without readable settings it isn't looked at")
        return
    yield from configuration.found(facts, settings)
    yield from configuration.overridden(settings)
    yield from configuration.half_configured(settings)
    yield from configuration.env_files(facts, settings)
    yield from configuration.allow_unconfirmed(facts, settings)
    yield from tokens.secrets(settings)
    yield from tokens.keys(facts, settings)
    yield from tokens.issuer(settings)
    yield from tokens.clock(facts)
    yield from project.address(facts, settings)
    yield from project.auth(facts)
    yield from project.publishable_key(facts, settings)
    yield from project.email_confirmation(facts)
    yield from project.anonymous_sign_ins(facts)
    yield from project.api(facts)
    yield from systems.database(facts)
    yield from systems.schema(facts)
    yield from systems.hook(facts, settings)
    yield from systems.embedded(facts)
    yield from systems.aws(facts)
    yield from systems.secret(facts)
    yield from configuration.connections(facts, settings)
