"""Finds where each variable comes from, and checks the env files: the settings' own and those that are pushed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tickctl.adapters.env_files import load_env_files, project_variables
from tickctl.adapters.examples import expectations
from tickctl.adapters.file_facts import look_at
from tickctl.core.audit.urls import CONNECTION_NAMES
from tickctl.core.doctor.facts import Configuration, EnvFiles, Found
from tickctl.core.secret import Secret
from tickctl.core.secrets.checks import Finding, Purpose, check_entries, placed, unreadable
from tickctl.core.secrets.env_files import Entry, read
from tickctl.core.secrets.target import Target
from tickctl.core.urls import is_loopback
from tickctl.core.variables import PREFIXES
from tickctl.errors import ConfigurationError
from tickctl.settings import Settings

ENVIRONMENT: Final = "environment"


def read_configuration(settings: Settings, environ: Mapping[str, str], paths: Sequence[Path]) -> Configuration:
    """Return what is configured, and where.

    Args:
        settings: as the other commands have them.
        environ: the process environment.
        paths: the env files that the settings were read from.

    Raises:
        ConfigurationError: a file can't be read.
    """
    variables = [
        Entry(name, Secret(value), ENVIRONMENT, 0)
        for name, value in environ.items()
        if value and (name.startswith(PREFIXES) or name in CONNECTION_NAMES)
    ]
    in_files = [entry for entry in read(load_env_files(paths), shell=environ.keys()) if entry.value]
    # The one that counts comes last: later files over earlier ones, the environment over all.
    places: dict[str, dict[str, Entry]] = {}
    for entry in (*in_files, *variables):
        own = places.setdefault(entry.name, {})
        own.pop(entry.file, None)
        own[entry.file] = entry
    entries = {name: list(own.values())[-1] for name, own in places.items()}
    names = sorted(name for name in places if name.startswith(PREFIXES) or name in CONNECTION_NAMES)
    return Configuration(
        found=tuple(Found(name, entries[name].file, _differing(places[name].values())) for name in names),
        entries=entries,
        has_project=settings.project_variable is not None,
        url=settings.supabase_url,
        on_loopback=settings.supabase_url is not None and is_loopback(urlsplit(settings.supabase_url).hostname or ""),
        needs_url=None if settings.supabase_url else settings.project_variable,
    )


def _differing(entries: Collection[Entry]) -> tuple[str, ...]:
    *entries_of_name, counting = entries
    return tuple(entry.file for entry in entries_of_name if entry.value != counting.value)


def check_env_files(
    pushed: Sequence[Path], others: Collection[Path], target: Target, purpose: Purpose, environ: Mapping[str, str]
) -> EnvFiles | None:
    """Check where all files lie, and what those hold that are pushed; None where there is none.

    Args:
        pushed: what the services get.
        others: what only an operator has, who may have keys that the services may not.
        target: whose profile says which keys are required.
        purpose: what the files are for.
        environ: the process environment.

    Raises:
        ConfigurationError: a file can't be read.
    """
    paths = tuple(dict.fromkeys((*pushed, *others)))
    if not paths:
        return None
    findings = [finding for path in paths for finding in placed(look_at(path, environ))]
    if pushed:
        findings += _of_content(pushed, target, purpose, environ)
    return EnvFiles(tuple(map(str, paths)), tuple(findings))


def _of_content(
    paths: Sequence[Path], target: Target, purpose: Purpose, environ: Mapping[str, str]
) -> Iterator[Finding]:
    files = load_env_files(paths)
    expected = expectations(target, paths)
    try:
        entries = read(files, shell=environ.keys() | project_variables(files))
    except ConfigurationError as error:
        yield unreadable(error, files)
        return
    yield from check_entries(entries, expected, purpose)
