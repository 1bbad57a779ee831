"""What the server's log and the operating system say, in our words."""

import errno
from pathlib import Path

import pytest

from tickctl.adapters.embedded.failures import reported, server_failure
from tickctl.errors import ConfigurationError, TickctlError, UnreachableError

HOME = Path("/srv/tickctl")


@pytest.mark.parametrize(
    "line",
    [
        '2026-01-02 UTC [7] FATAL:  could not write lock file "postmaster.pid": No space left on device',
        'initdb: error: could not create directory "/h/pgdata.new/base": No space left on device',
        "2026-01-02 UTC [7] PANIC:  could not write to file: Disk quota exceeded",
    ],
)
def test_a_full_disk_is_named_with_its_folder(line: str) -> None:
    """It is no fault of ours or of the settings, and trying again helps once there is room."""
    error = server_failure(f"LOG:  starting\n{line}\nchild process exited with exit code 1\n", HOME)
    assert isinstance(error, UnreachableError)
    assert error.message == "the disk is full"
    assert str(HOME) in str(error.hint)


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("x [1] LOG:  starting\nx [1] FATAL:  could not map memory\nx [1] LOG:  shut down\n", "could not map memory"),
        ("x FATAL:  first\nx PANIC:  second\nHINT:  no\n", "second"),
        ("initdb: error: invalid locale name\ninitdb: hint: try another\n", "invalid locale name"),
        ("", "it gave no reason"),
    ],
)
def test_the_last_reason_in_the_log_is_the_message(log: str, reason: str) -> None:
    """The whole log is named in the hint."""
    error = server_failure(log, HOME)
    assert isinstance(error, UnreachableError)
    assert error.message == f"the embedded database did not start: {reason}"
    assert "/srv/tickctl/server.log" in str(error.hint)


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("setpriv: failed to execute /root/x/initdb: Permission denied\n", "failed to execute /root/x/initdb"),
        ("setpriv: setresuid failed: Operation not permitted\n", "setresuid failed"),
        (
            'initdb: error: could not access directory "/h/pgdata.new": Permission denied\n',
            "could not access directory",
        ),
    ],
)
def test_what_the_server_s_user_may_not_do_is_a_setting(log: str, reason: str) -> None:
    """Root may be somebody with few rights."""
    error = server_failure(log, HOME)
    assert isinstance(error, ConfigurationError)
    assert reason in error.message
    assert "ordinary user" in str(error.hint)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, UnreachableError),
        (errno.EDQUOT, UnreachableError),
        (errno.EIO, UnreachableError),
        (errno.EACCES, ConfigurationError),
        (errno.EROFS, ConfigurationError),
        (errno.ENOTDIR, ConfigurationError),
    ],
)
def test_the_operating_system_s_refusals_have_a_class(number: int, expected: type[TickctlError]) -> None:
    """What another setting mends is configuration; the rest is out of reach."""
    with pytest.raises(expected), reported(HOME):
        raise OSError(number, "refused", str(HOME / "lock"))
