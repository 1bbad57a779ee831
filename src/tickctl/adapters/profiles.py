"""Finds and reads the profiles of a project: tickctl.toml, or `[tool.tickctl]` in pyproject.toml.

The folder that one works in is looked at first. Its parents are looked at as long as they are of the same git working
tree, and nothing is looked at above that: what lies in /tmp or in a home folder was not meant for this project.
"""

import os
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tickctl.core.secrets.profile import Profile, Profiles, parse
from tickctl.core.secrets.target import Target
from tickctl.errors import ConfigurationError
from tickctl.files import read_regular

OWN_FILE: Final = "tickctl.toml"
SHARED_FILE: Final = "pyproject.toml"
_LARGEST: Final = 1024 * 1024
_Document = Mapping[str, Any]


def find_profiles(folder: Path) -> Profiles | None:
    """Return the profiles for whoever works in a folder; None if there is no file with any.

    Raises:
        ConfigurationError: a file can't be read or used, or both files of one folder hold profiles.
    """
    owner = folder.stat().st_uid
    for parent in _places(folder):
        relative = Path(os.path.relpath(parent, folder))
        own = _load(parent / OWN_FILE, relative / OWN_FILE, owner, _whole)
        shared = _load(parent / SHARED_FILE, relative / SHARED_FILE, owner, _table)
        if own is not None and shared is not None:
            raise ConfigurationError(
                f"both {relative / OWN_FILE} and {relative / SHARED_FILE} configure tickctl", hint="keep one of the two"
            )
        if own is not None:
            return parse(own, file=str(relative / OWN_FILE))
        if shared is not None:
            return parse(shared, file=str(relative / SHARED_FILE), table="tool.tickctl")
    return None


def complete(profile: Profile) -> Target:
    """Return a profile's target with the names of its `required-from` file.

    Raises:
        ConfigurationError: that file can't be read.
    """
    if profile.required_from is None:
        return profile.target
    from tickctl.adapters.examples import required_names  # noqa: PLC0415 - most profiles ask for none

    names = required_names(Path(profile.required_from))
    return replace(profile.target, required=tuple(dict.fromkeys((*profile.target.required, *names))))


def _places(folder: Path) -> Iterator[Path]:
    folder = folder.resolve()
    parents = [folder, *folder.parents]
    root = next((index for index, place in enumerate(parents) if os.path.lexists(place / ".git")), 0)
    yield from parents[: root + 1]


def _load(path: Path, shown: Path, owner: int, part: Callable[[_Document], _Document | None]) -> _Document | None:
    """Return the part of a file that is about tickctl; None if there is none."""
    try:
        file = read_regular(path, _LARGEST)
        document = part(tomllib.loads(file.content.decode()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"can't read {shown}: {error.strerror}", hint="check its permissions") from None
    except tomllib.TOMLDecodeError as error:
        # The parser's words may hold a piece of the text.
        raise ConfigurationError(f"{shown} is not TOML{_place(error)}", hint="correct it there") from None
    except (UnicodeDecodeError, RecursionError):
        raise ConfigurationError(f"{shown} is not TOML", hint="save it as UTF-8 text") from None
    # What a stranger has written could send secrets to a place of their own.
    if document is not None and (file.owner not in {0, os.geteuid(), owner} or file.mode & stat.S_IWOTH):
        raise ConfigurationError(
            f"others than you may have written {shown}, which says where secrets go",
            hint="look through it, then make it yours: chown, chmod o-w",
        )
    return document


def _place(error: tomllib.TOMLDecodeError) -> str:
    words = str(error).rpartition("(at ")[2].removesuffix(")")
    numbers = [word.rstrip(",") for word in words.split() if word.rstrip(",").isdigit()]
    return f": line {numbers[0]}, column {numbers[1]}" if len(numbers) == 2 else ""  # noqa: PLR2004 - a pair


def _whole(document: _Document) -> _Document:
    return document


def _table(document: _Document) -> _Document | None:
    tool = document.get("tool")
    if not isinstance(tool, Mapping) or "tickctl" not in tool:
        return None
    table = tool["tickctl"]
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"{SHARED_FILE}: tool.tickctl must be a table", hint="write [tool.tickctl]")
    return table
