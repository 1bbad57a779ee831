"""File locks and waiting."""

import os
from pathlib import Path

import pytest

from tickctl.adapters.embedded.database import held
from tickctl.adapters.embedded.waiting import wait_until
from tickctl.errors import UnreachableError
from tickctl.files import open_lock, try_lock


def test_a_held_lock_is_waited_for_with_a_notice_and_an_end(tmp_path: Path) -> None:
    """After the first second people are told; after the last one, who keeps them waiting."""
    notices: list[str] = []
    with held(tmp_path / "lock", notices.append):
        with (
            pytest.raises(UnreachableError, match=str(tmp_path)),
            held(tmp_path / "lock", notices.append, patience=0.02),
        ):
            pytest.fail("two processes would work on the folder at once")
        assert notices == [f"waiting for another tickctl that is busy with {tmp_path}"]


def test_a_released_lock_is_free(tmp_path: Path) -> None:
    """An exception inside releases it, too."""
    with pytest.raises(KeyError), held(tmp_path / "lock", pytest.fail):
        raise KeyError
    with held(tmp_path / "lock", pytest.fail, patience=0):
        pass


def test_shared_locks_exclude_exclusive_ones_only(tmp_path: Path) -> None:
    """Many users at once, and the last one alone."""
    first, second = (open_lock(tmp_path / "users.lock") for _ in range(2))
    try:
        assert try_lock(first, shared=True)
        assert try_lock(second, shared=True)
        assert not try_lock(second)
        os.close(first)
        assert try_lock(second)
    finally:
        os.close(second)


def test_lock_files_are_private_and_not_inherited(tmp_path: Path) -> None:
    """Others can't hold up our commands, and programs that we start don't keep our locks."""
    descriptor = open_lock(tmp_path / "lock")
    try:
        assert os.fstat(descriptor).st_mode & 0o777 == 0o600
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)


def test_waiting_asks_at_least_once_and_not_for_ever() -> None:
    """With no time at all, the present answer counts."""
    assert wait_until(lambda: True, 0)
    assert not wait_until(lambda: False, 0)
