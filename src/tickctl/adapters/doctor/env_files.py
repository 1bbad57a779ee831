"""Asks the checks of `tickctl secrets check` about env files."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from tickctl.adapters.env_files import load_env_files, project_variables
from tickctl.adapters.examples import expectations
from tickctl.adapters.file_facts import look_at
from tickctl.core.doctor.facts import EnvFiles
from tickctl.core.secrets.checks import Finding, Purpose, check_entries, placed, unreadable
from tickctl.core.secrets.env_files import read
from tickctl.core.secrets.target import Target
from tickctl.errors import ConfigurationError


def check(
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
