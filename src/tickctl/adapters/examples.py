"""Example files such as keys.env.example: committed, without secrets, and the list of what env files hold.

The example of `services/keys.env` is `services/keys.env.example`, or else `keys.env.example` in the folder that one
works in. What stands there as a comment is not asked for.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tickctl.adapters.env_files import load_env_files
from tickctl.core.secrets.checks import Expectations
from tickctl.core.secrets.env_files import Entry, read
from tickctl.core.secrets.target import Target

if TYPE_CHECKING:
    from tickctl.core.secret import Secret

_SUFFIX: Final = ".example"


def required_names(path: Path) -> tuple[str, ...]:
    """Return the names that an example file assigns, in their order, each once.

    Raises:
        ConfigurationError: it can't be read as an env file.
    """
    return tuple(dict.fromkeys(entry.name for entry in _assignments(path)))


def expectations(target: Target, paths: Sequence[Path], *, required_from: Path | None = None) -> Expectations:
    """Return what these env files are expected to hold.

    What the profile or `required_from` asks for is required; where neither asks for anything, the examples do.

    Raises:
        ConfigurationError: an example file can't be read as an env file.
    """
    required = (*target.required, *(required_names(required_from) if required_from else ()))
    examples = tuple(dict.fromkeys(example for path in paths if (example := _example_of(path))))
    assignments = [entry for example in examples for entry in _assignments(example)]
    placeholders: dict[str, set[Secret]] = {}
    for entry in assignments:
        if entry.value:
            placeholders.setdefault(entry.name, set()).add(entry.value)
    if required_from:
        source = str(required_from)
    elif required:
        source = f"profile {target.env_name}"
    else:
        source = " or ".join(map(str, examples)) or "no example"
    return Expectations(
        required=tuple(dict.fromkeys(required)),
        listed=() if required else tuple(dict.fromkeys(entry.name for entry in assignments)),
        examples=placeholders,
        source=source,
    )


def _example_of(path: Path) -> Path | None:
    choices = (path.with_name(path.name + _SUFFIX), Path(path.name + _SUFFIX))
    return next((choice for choice in choices if choice.is_file()), None)


def _assignments(path: Path) -> tuple[Entry, ...]:
    return read(load_env_files([path]))
