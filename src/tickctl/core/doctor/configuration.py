"""Checks of what is configured, before anything is asked."""

from collections.abc import Iterator
from typing import Final

from tickctl.core.audit.urls import judge_url
from tickctl.core.doctor.catalogue import Check
from tickctl.core.doctor.facts import Configuration, EnvFiles, Facts
from tickctl.core.doctor.verdicts import failed, looked, nothing, passed, warned
from tickctl.core.findings import Finding, Result
from tickctl.core.secrets.checks import Check as FileCheck
from tickctl.core.secrets.checks import Finding as FileFinding
from tickctl.core.secrets.checks import Purpose
from tickctl.core.secrets.checks import Result as FileResult
from tickctl.core.secrets.checks.credentials import judged
from tickctl.core.variables import VARIABLES

BEGIN: Final = (
    "begin with 'tickctl demo', which shows all of it in a minute; 'tickctl local start' keeps an embedded database "
    "running; for a Supabase project set SUPABASE_URL and SUPABASE_ANON_KEY, as README.md says"
)
_PLACES: Final = frozenset(
    {
        FileCheck.TRACKED,
        FileCheck.NOT_IGNORED,
        FileCheck.IN_HISTORY,
        FileCheck.BUILD_CONTEXT,
        FileCheck.READABLE,
        FileCheck.WRITABLE,
        FileCheck.OWNER,
        FileCheck.SYMLINK,
        FileCheck.NO_REPOSITORY,
        FileCheck.GIT,
    }
)
# What has a row of its own here, where the value that counts is judged.
_JUDGED_BY_VALUE: Final = frozenset(
    {
        FileCheck.ALLOW_UNCONFIRMED,
        FileCheck.WEAK_SECRET,
        FileCheck.PREVIOUS_SECRET,
        FileCheck.PREVIOUS_SECRET_SAME,
    }
)
_RESULTS: Final = {
    FileResult.FAIL: Result.FAIL,
    FileResult.WARNING: Result.WARNING,
    FileResult.CANNOT_TELL: Result.CANNOT_TELL,
}
_SWITCH: Final = "SUPABASE_ALLOW_UNCONFIRMED"


def found(facts: Facts, settings: Configuration) -> Iterator[Finding]:
    """Say what was found where."""
    places = dict.fromkeys(one.place for one in settings.found)
    for location in places:
        names = ", ".join(one.name for one in settings.found if one.place == location)
        yield passed(Check.SETTINGS, location, names)
    if settings.has_project:
        return
    if facts.purpose is Purpose.PRODUCTION:
        yield failed(Check.SETTINGS, "project", "no Supabase project is configured", BEGIN)
    else:
        message = "no Supabase project is configured, so that commands use the embedded database"
        yield nothing(Check.SETTINGS, "project", message, BEGIN)


def overridden(settings: Configuration) -> Iterator[Finding]:
    """Find variables of which another value doesn't count."""
    differing = [variable for variable in settings.found if variable.differing]
    for variable in differing:
        message = f"the value of {variable.place} counts, and another one in {' and '.join(variable.differing)} doesn't"
        yield warned(Check.OVERRIDDEN, variable.name, message)
    if settings.found and not differing:
        yield passed(Check.OVERRIDDEN, "configuration", "no variable has a second value that doesn't count")
    elif not settings.found:
        yield nothing(Check.OVERRIDDEN, "configuration", "there are no settings")


def half_configured(settings: Configuration) -> Iterator[Finding]:
    """Find what is there without what belongs to it."""
    missing = [
        (variable.name, variable.needs)
        for variable in VARIABLES.values()
        if variable.needs and settings.value(variable.name) and not settings.value(variable.needs)
    ]
    if settings.needs_url:
        missing.insert(0, (settings.needs_url, "SUPABASE_URL"))
    for there, counterpart in missing:
        yield failed(Check.HALF_CONFIGURED, there, f"{there} is set, and {counterpart} is not")
    if settings.found and not missing:
        yield passed(Check.HALF_CONFIGURED, "configuration", "what belongs together is there together")
    elif not settings.found:
        yield nothing(Check.HALF_CONFIGURED, "configuration", "there are no settings")


def env_files(facts: Facts, settings: Configuration) -> Iterator[Finding]:
    """Pass on what the checks of env files say."""
    absent = "there are none here"
    yield from looked(
        Check.ENV_FILES, "env files", facts.env_files, absent, lambda files: _of_files(files, settings, places=False)
    )
    yield from looked(
        Check.ENV_FILE_PLACES,
        "env files",
        facts.env_files,
        absent,
        lambda files: _of_files(files, settings, places=True),
    )


def _of_files(files: EnvFiles, settings: Configuration, *, places: bool) -> Iterator[Finding]:
    check = Check.ENV_FILE_PLACES if places else Check.ENV_FILES
    own = [
        finding
        for finding in files.findings
        if (finding.check in _PLACES) is places
        and finding.result in _RESULTS
        and not _has_its_own_row(finding, settings)
    ]
    for finding in own:
        line = f" line {finding.line}" if finding.line else ""
        subject = f"{finding.file or 'env files'}{line}"
        yield Finding(check, _RESULTS[finding.result], subject, finding.message, finding.mend or check.mend)
    clean = [name for name in files.names if all(finding.file != name for finding in own)]
    for name in clean:
        message = "it lies where it should" if places else "nothing is wrong with what it holds"
        yield passed(check, name, message)


def _has_its_own_row(finding: FileFinding, settings: Configuration) -> bool:
    if finding.key is None or finding.check not in _JUDGED_BY_VALUE:
        return False
    counting = settings.entries.get(finding.key)
    return counting is not None and counting.file == finding.file


def allow_unconfirmed(facts: Facts, settings: Configuration) -> Iterator[Finding]:
    """Find the switch that lets everybody in."""
    entries = {name: entry for name, entry in settings.entries.items() if name == _SWITCH}
    on = [one for one in judged(entries, facts.purpose) if one.check is FileCheck.ALLOW_UNCONFIRMED]
    if on and facts.purpose is Purpose.PRODUCTION:
        yield failed(Check.ALLOW_UNCONFIRMED, _SWITCH, "people get in whose e-mail address nobody has confirmed")
    elif on:
        yield warned(Check.ALLOW_UNCONFIRMED, _SWITCH, "people get in whose e-mail address nobody has confirmed")
    else:
        yield passed(Check.ALLOW_UNCONFIRMED, _SWITCH, "it is off")


def connections(facts: Facts, settings: Configuration) -> Iterator[Finding]:
    """Judge every connection by its URL."""
    local = facts.purpose is Purpose.LOCAL
    any_found = False
    for name, entry in sorted(settings.entries.items()):
        judgement = judge_url(name, entry.value, local=local) if entry.value else None
        if judgement is not None:
            any_found = True
            yield Finding(Check.CONNECTION_URL, judgement.result, name, f"it {judgement.message}", judgement.mend)
    if not any_found:
        yield nothing(Check.CONNECTION_URL, "connections", "no URL of a connection is configured")
