"""Which looks `tickctl doctor` takes: those for which something is configured, beside each other."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tickctl.cli.console.run import Run
from tickctl.core.secrets.checks.finding import Purpose
from tickctl.core.secrets.target import Target

if TYPE_CHECKING:
    from tickctl.adapters.aws import Aws
    from tickctl.core.doctor.facts import AwsIdentity, Configuration, Database, Facts, Problem, StoredSecret, Unread
    from tickctl.core.secret import Secret

Looks = dict[str, Callable[[], object]]


def look(run: Run, purpose: Purpose, env_name: str | None) -> "Facts":
    """Look at everything that is configured.

    Raises:
        ConfigurationError: the named profile doesn't exist, or can't be used.
    """
    from tickctl.adapters.doctor.looks import all_of, attempt
    from tickctl.core.doctor.facts import Configuration, Facts

    paths = _settings_files(run)
    settings = attempt(lambda: _configuration(run, paths))
    if not isinstance(settings, Configuration):
        return Facts(purpose, settings)
    target = _target(run, env_name)
    known = target if isinstance(target, Target) else Target()
    looks = _of_project(run) | _of_databases(run)
    looks["env_files"] = partial(_env_files, run, paths, known, purpose)
    asks_aws = purpose is Purpose.PRODUCTION or _mentions_aws(settings, known)
    aws = target if not isinstance(target, Target) else attempt(lambda: _aws(run, known)) if asks_aws else None
    if callable(aws):
        looks["aws"] = aws
    with run.output.progress("looking", total=len(looks)) as advance:
        facts: dict[str, Any] = all_of(looks, advance=advance)
    identity, secret = _both(facts.pop("aws", aws))
    return Facts(purpose, settings, **facts, **_by_looks(run), aws=identity, secret=secret)


def _configuration(run: Run, paths: Sequence[Path]) -> "Configuration":
    from tickctl.adapters.doctor.configuration import read_configuration

    return read_configuration(run.settings, run.environ, paths)


def _settings_files(run: Run) -> tuple[Path, ...]:
    from tickctl.settings import DEFAULT_ENV_FILES

    return run.env_files or tuple(Path(name) for name in DEFAULT_ENV_FILES if Path(name).is_file())


def _pushed_files(run: Run, target: Target) -> tuple[Path, ...]:
    from tickctl.cli.open.env_files import DEFAULT_FILES

    named = run.env_files or tuple(map(Path, target.env_files))
    return named or tuple(Path(name) for name in DEFAULT_FILES if Path(name).is_file())


def _target(run: Run, env_name: str | None) -> "Target | Problem | Unread":
    """Return what profile and environment say; a profile that was asked for must be there."""
    from tickctl.adapters.doctor.looks import attempt
    from tickctl.cli.open.target import target

    if env_name is not None:
        return target(run, env_name=env_name)
    return attempt(lambda: target(run, env_name=None))


def _env_files(run: Run, paths: Sequence[Path], target: Target, purpose: Purpose) -> object:
    from tickctl.adapters.doctor.configuration import check_env_files

    pushed = _pushed_files(run, target)
    return check_env_files(pushed, [path for path in paths if path not in pushed], target, purpose, run.environ)


def _by_looks(run: Run) -> dict[str, Any]:
    """Return what is wrong with address and key before anything is asked."""
    from tickctl.adapters.doctor import project
    from tickctl.core.doctor.facts import Problem

    if run.settings.supabase_url is None:
        return {}
    headers = project.user_headers(run.settings)
    return {
        "project_url": project.address(run.settings),
        "user_key": headers if isinstance(headers, Problem) else None,
    }


def _of_project(run: Run) -> Looks:
    from tickctl.adapters.doctor import project
    from tickctl.adapters.project import jwks_url

    settings = run.settings
    looks: Looks = {}
    if settings.jwks:
        looks["configured_keys"] = lambda: project.configured_keys(settings)
    if url := jwks_url(settings):
        looks["published_keys"] = lambda: project.fetch_keys(url)
    if settings.supabase_url and project.address(settings) is None:
        address, headers = settings.supabase_url, project.user_headers(settings)
        usable = headers if isinstance(headers, dict) else None
        looks["auth"] = lambda: project.ask_auth(address, usable)
        if usable:
            looks["api"] = lambda: project.missing_functions(address, usable)
    return looks


def _of_databases(run: Run) -> Looks:
    from tickctl.adapters.doctor import systems
    from tickctl.cli.open.backend import home_of

    home = home_of(run)
    looks: Looks = {"embedded": lambda: systems.read_embedded(home)}
    if url := run.settings.db_url:
        looks["database"] = lambda: systems.read_database(url, "the database of SUPABASE_DB_URL")
    elif run.settings.project_variable is None:
        looks["database"] = lambda: _embedded_database(home)
    return looks


def _embedded_database(home: Path) -> "Database | None":
    """Look at the embedded database, where commands would use it and it runs."""
    from tickctl.adapters.doctor import systems

    url = systems.url_of_running(home)
    return systems.read_database(url, f"the embedded database in {home}") if url else None


def _mentions_aws(settings: "Configuration", target: Target) -> bool:
    """Whether somebody said as whom or where; AWS_CA_BUNDLE and the like are about how, whoever it is."""
    from tickctl.cli.open.aws import SAYS_WHERE, SAYS_WHO

    named = any(one.name in {*SAYS_WHO, *SAYS_WHERE} for one in settings.found)
    return bool(named or target.secret_id or target.region or target.account)


def _aws(run: Run, target: Target) -> Callable[[], object]:
    """Return the look at AWS; what is asked there goes one after the other, since a session is for one thread.

    Raises:
        ConfigurationError: the credentials are incomplete, or no region is known.
    """
    from tickctl.cli.open.aws import open_target

    aws = open_target(run, target)
    return lambda: _ask_aws(run, aws, target)


def _ask_aws(
    run: Run, aws: "Aws", target: Target
) -> "tuple[AwsIdentity | Problem | Unread, StoredSecret | Problem | Unread | None]":
    from tickctl.adapters.doctor.looks import attempt
    from tickctl.adapters.doctor.systems import identity, stored
    from tickctl.core.doctor.facts import AwsIdentity, Unread

    caller = attempt(lambda: identity(aws, target.account))
    name = target.secret_id
    if not name:
        return caller, None
    if not isinstance(caller, AwsIdentity) or (caller.wanted and caller.account != caller.wanted):
        return caller, Unread("with these credentials it isn't looked at")
    values = attempt(lambda: _values(run, target))
    if values is not None and not isinstance(values, dict):
        return caller, Unread("the env files can't be read as they are, so that nothing can be compared with it")
    return caller, attempt(lambda: stored(aws, name, values))


def _values(run: Run, target: Target) -> "dict[str, Secret] | None":
    from tickctl.adapters.env_files import load_env_files
    from tickctl.cli.open.env_files import read_entries
    from tickctl.core.secrets.env_files import values

    paths = _pushed_files(run, target)
    return dict(values(read_entries(run, load_env_files(paths, read_file=run.read_env_file)))) if paths else None


def _both(found: object) -> tuple[Any, Any]:
    """Return identity and secret; where AWS wasn't reached, or wasn't to be asked, both are alike."""
    return found if isinstance(found, tuple) else (found, None)
