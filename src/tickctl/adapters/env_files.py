"""Env files of the secrets commands: loads them, and tells what Docker Compose and python-dotenv would read besides."""

from collections import Counter
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Final, TypeAlias

from tickctl.core.secret import Secret
from tickctl.core.secrets.env_files import EnvFile, Reading, read
from tickctl.settings import read_env_file

_COMPOSE_FILES: Final = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")


ReadFile: TypeAlias = Callable[[Path], EnvFile]


def load_env_files(paths: Sequence[Path], *, read_file: ReadFile = read_env_file) -> tuple[EnvFile, ...]:
    """Return the text of env files in their order, a byte order mark included.

    Args:
        paths: of the files.
        read_file: reads one.

    Raises:
        ConfigurationError: one of them can't be read, or can't be an env file.
    """
    return tuple(map(read_file, paths))


def project_variables(files: Sequence[EnvFile], *, read_file: ReadFile = read_env_file) -> frozenset[str]:
    """Return the names for which Compose would take another value than these files set, as it does from the shell.

    For references, a `.env` in the folder that one works in or beside the compose file goes before all env files. Where
    it is one of them itself, that matters for names that are assigned more than once.

    Raises:
        ConfigurationError: one of the files can't be read.
    """
    paths = [Path(file.name) for file in files]
    composed = {folder for folder in (Path(), *(path.parent for path in paths)) if _has_compose_file(folder)}
    assigned = Counter(entry.name for entry in read(files))
    names: set[str] = set()
    for own in (folder / ".env" for folder in {Path(), *composed} if composed):
        if own.is_file():
            is_named = any(path.resolve() == own.resolve() for path in paths)
            own_names = {entry.name for entry in read([read_file(own)])} - {""}
            names |= {name for name in own_names if not is_named or assigned[name] > 1}
    return frozenset(names)


def _has_compose_file(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _COMPOSE_FILES)


def python_dotenv(files: Sequence[EnvFile]) -> Reading:
    """Return what python-dotenv gives for files that are loaded in this order, later ones over earlier ones.

    References are replaced as the library does it, but without this process's environment: another program's is
    another one. What the library can't parse it leaves out, so it never refuses a file.
    """
    from dotenv.parser import parse_stream  # noqa: PLC0415 - for 'secrets check' only
    from dotenv.variables import parse_variables  # noqa: PLC0415

    values: dict[str, str | None] = {}
    for file in files:
        # As from a file that is open as text: each kind of line break is one.
        text = file.text.replace("\r\n", "\n").replace("\r", "\n")
        for binding in parse_stream(StringIO(text)):
            if binding.key is None:
                continue
            values[binding.key] = binding.value and "".join(
                atom.resolve(values) for atom in parse_variables(binding.value)
            )
    return Reading({name: None if value is None else Secret(value) for name, value in values.items()})
