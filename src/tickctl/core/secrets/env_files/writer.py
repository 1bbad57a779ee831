"""Writes assignments that read back exactly: by this reader, and where that can be by python-dotenv as well.

Where a value needs no quotes, `docker run --env-file` reads the same too.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from tickctl.core.secret import Secret
from tickctl.errors import ConfigurationError

_NAME: Final = re.compile(r"[\w.\[\]-]++")
_PLAIN: Final = re.compile(r"[!%-&(-\[\]-_a-~]*+")  # printable ASCII but for space, quotes, # $ \ `
_UNWRITABLE: Final = re.compile("[\0\ud800-\udfff]")
# Compose drops a backslash before the quote only, python-dotenv before a backslash too; neither of them reads
# one that stands before the closing quote.
_NOT_IN_SINGLE: Final = re.compile(r"\r|\\(?:'|\Z)")
_IN_DOUBLE: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "$": "$$", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


class Form(NamedTuple):
    """A way of writing values."""

    name: str
    fits: Callable[[str], bool]
    """Whether Compose reads the value back."""
    alike: Callable[[str], bool]
    """Whether python-dotenv does too; `${...}`, which it replaces everywhere, is left out of account."""
    write: Callable[[str], str]


PLAIN: Final = Form("without quotes", lambda value: bool(_PLAIN.fullmatch(value)), lambda _: True, str)
SINGLE: Final = Form(
    "between single quotes",
    lambda value: not _NOT_IN_SINGLE.search(value),
    lambda value: "\\\\" not in value,
    lambda value: "'" + value.replace("'", "\\'") + "'",
)
DOUBLE: Final = Form(
    "between double quotes",
    lambda _: True,
    lambda value: "$" not in value,
    lambda value: '"' + value.translate(_IN_DOUBLE) + '"',
)
FORMS: Final = (PLAIN, SINGLE, DOUBLE)
"""In the order of preference."""


def line(name: str, value: Secret) -> str:
    """Return an assignment, without a line break at its end; it holds the value.

    Raises:
        ConfigurationError: no env file can give a variable this name, or this value.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} can't be the name of a variable in an env file",
            hint="names have letters, digits, and the characters _ . - [ ]",
        )
    if _UNWRITABLE.search(value.reveal()):
        raise ConfigurationError(
            f"the value of {name} can't be written to an env file: it holds a NUL byte or is no text",
            hint="encode the value, such as in base64",
        )
    return f"{name}={_form(value).write(value.reveal())}"


def write(values: Mapping[str, Secret]) -> str:
    """Return an env file with these values, in their order.

    Raises:
        ConfigurationError: as `line`.
    """
    return "".join(f"{line(name, value)}\n" for name, value in values.items())


def _form(value: Secret) -> Form:
    fitting = [form for form in FORMS if form.fits(value.reveal())]
    return next((form for form in fitting if form.alike(value.reveal())), fitting[0])
