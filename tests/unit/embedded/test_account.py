"""Whose account the server runs under."""

import os
import pwd
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tickctl.adapters.embedded.account import bounding_set, find_account, setpriv_options
from tickctl.errors import ConfigurationError

DAC_OVERRIDE, DAC_READ_SEARCH = 1 << 1, 1 << 2


@pytest.fixture
def as_user(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let this process seem to run as a user id."""
    return lambda uid: monkeypatch.setattr(os, "geteuid", lambda: uid)


def test_an_ordinary_user_runs_the_server_directly(as_user: Callable[[int], None]) -> None:
    """No change of user, no change of owner."""
    user = next(entry for entry in pwd.getpwall() if entry.pw_uid != 0)
    as_user(user.pw_uid)
    account = find_account()
    assert (account.client, account.prefix, account.uid) == (pwd.getpwuid(user.pw_uid).pw_name, (), user.pw_uid)


def test_nothing_is_given_away_by_an_ordinary_user(as_user: Callable[[int], None], tmp_path: Path) -> None:
    """Folders stay whose they are where the server is ours."""
    user = next(entry for entry in pwd.getpwall() if entry.pw_uid != os.getuid())
    as_user(user.pw_uid or 1)
    find_account().give(tmp_path)
    assert tmp_path.stat().st_uid == os.getuid()


def test_a_user_id_without_a_name_is_refused(as_user: Callable[[int], None]) -> None:
    """PostgreSQL's initdb needs the name, and says so less clearly."""
    unknown = max(entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid < 2**31) + 1
    as_user(unknown)
    with pytest.raises(ConfigurationError, match=f"{unknown} has no name"):
        find_account()


@pytest.mark.parametrize("platform", ["darwin", "linux"])
def test_root_needs_setpriv(as_user: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    """On macOS there is none; elsewhere it may be missing."""
    as_user(0)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if platform == "darwin" else None)
    with pytest.raises(ConfigurationError, match="setpriv") as caught:
        find_account()
    assert "ordinary user" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("bounding", "capability"),
    [
        (DAC_READ_SEARCH | DAC_OVERRIDE, "dac_read_search"),
        (DAC_READ_SEARCH, "dac_read_search"),
        (DAC_OVERRIDE, "dac_override"),
        (0xA80425FB, "dac_override"),  # what Docker leaves to root
    ],
)
def test_the_server_keeps_one_capability_and_the_smaller_if_it_can(bounding: int, capability: str) -> None:
    """Reading anywhere is enough; writing anywhere is what a container's root has instead."""
    options = setpriv_options(65534, 65533, bounding)
    assert options[:4] == ("--reuid", "65534", "--regid", "65533")
    for name in ("--inh-caps", "--ambient-caps", "--bounding-set"):
        assert options[options.index(name) + 1] == f"-all,+{capability}"
    assert options[options.index("--securebits") + 1] == "+no_setuid_fixup"


def test_a_root_with_neither_is_told_to_be_somebody_else() -> None:
    """It could not even read what the server's user writes; and the server never runs as root."""
    with pytest.raises(ConfigurationError, match="no reach to lend"):
        setpriv_options(65534, 65533, 0xFFFF & ~(DAC_OVERRIDE | DAC_READ_SEARCH))


def test_the_bounding_set_is_read_from_proc() -> None:
    """The mask is hexadecimal; a kernel that tells none has none."""
    assert bounding_set("Name:\tx\nCapEff:\t0000000000000001\nCapBnd:\t00000000a80425fb\n") == 0xA80425FB
    assert bounding_set("Name:\tx\n") == 0
