"""What a program that loads env files with python-dotenv makes of them."""

from collections.abc import Sequence
from io import StringIO

from tickctl.core.secret import Secret
from tickctl.core.secrets.env_files import EnvFile, Reading


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
