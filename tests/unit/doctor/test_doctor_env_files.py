"""Which env files doctor checks, and for what."""

from pathlib import Path

import pytest

from tickctl.adapters.doctor.configuration import check_env_files
from tickctl.core.doctor.facts import EnvFiles
from tickctl.core.secrets.checks import Check, Purpose
from tickctl.core.secrets.target import Target

SWITCH = "SUPABASE_SECRET_KEY=sb_secret_0123456789abcdefghij\n"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two files in a folder that no repository has."""
    monkeypatch.chdir(tmp_path)
    pushed, own = Path("pushed.env"), Path("own.env")
    for path in (pushed, own):
        path.touch(mode=0o600)
        path.write_text(SWITCH)
    return pushed, own


def checked(pushed: list[Path], others: list[Path]) -> EnvFiles | None:
    """Check files for production."""
    return check_env_files(pushed, others, Target(), Purpose.PRODUCTION, {"PATH": "/usr/bin:/bin"})


def about(found: EnvFiles | None, code: Check) -> list[str | None]:
    """Return which files a check speaks of."""
    assert found is not None
    return [finding.file for finding in found.findings if finding.check is code]


def test_no_file_is_nothing_to_check() -> None:
    """Many machines have none."""
    assert checked([], []) is None


def test_operator_s_own_file_may_hold_what_services_may_not(files: tuple[Path, Path]) -> None:
    """Both lie somewhere; only one is pushed."""
    pushed, own = files
    own.chmod(0o644)
    found = checked([pushed], [own])
    assert about(found, Check.ADMIN_CREDENTIAL) == ["pushed.env"]
    assert about(found, Check.READABLE) == ["own.env"]
    assert found is not None
    assert found.names == ("pushed.env", "own.env")
    alone = checked([], [own])
    assert about(alone, Check.ADMIN_CREDENTIAL) == []
    assert about(alone, Check.READABLE) == ["own.env"]


def test_required_keys_are_those_of_what_is_pushed(files: tuple[Path, Path]) -> None:
    """Where nothing is pushed from, nothing is missing."""
    pushed, own = files
    target = Target(required=("A_KEY",))
    for paths, missing in (([pushed], 1), ([], 0)):
        found = check_env_files(paths, [own], target, Purpose.PRODUCTION, {"PATH": "/usr/bin:/bin"})
        assert len(about(found, Check.REQUIRED)) == missing


def test_file_that_compose_wouldn_t_read_is_a_finding(files: tuple[Path, Path]) -> None:
    """With its line, and where it lies is looked at all the same."""
    pushed, _ = files
    pushed.write_text("A='x\n")
    pushed.chmod(0o644)
    found = checked([pushed], [])
    assert about(found, Check.UNREADABLE) == about(found, Check.READABLE) == ["pushed.env"]
