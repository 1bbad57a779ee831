"""Files are read as what they are, and written whole or not at all."""

import os
import socket
from pathlib import Path

import pytest

from tickctl.files import read_regular, replace, replacing


def test_a_regular_file_is_read_with_its_owner_and_mode(tmp_path: Path) -> None:
    """As it is when it is open."""
    path = tmp_path / "file"
    path.write_bytes(b"text")
    path.chmod(0o600)
    file = read_regular(path, 4)
    assert (file.content, file.owner, file.mode, file.is_private) == (b"text", os.geteuid(), 0o600, True)
    path.chmod(0o640)
    assert not read_regular(path, 4).is_private


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe without a writer, a folder, a device."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/null")):
        with pytest.raises(OSError, match="not a regular file"):
            read_regular(path, 100)


def test_a_longer_file_and_a_link_are_refused(tmp_path: Path) -> None:
    """The latter where the caller doesn't follow links."""
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    with pytest.raises(OSError, match="larger than"):
        read_regular(tmp_path / "file", 4)
    assert read_regular(tmp_path / "link", 5).content == b"12345"
    with pytest.raises(OSError, match="symbolic links"):
        read_regular(tmp_path / "link", 5, follow=False)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """Whatever interrupts it."""
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write_half() -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_replaces_a_link_and_has_its_mode(tmp_path: Path) -> None:
    """What the link points to stays as it is."""
    (tmp_path / "other").write_bytes(b"other")
    (tmp_path / "file").symlink_to("other")
    replace(tmp_path / "file", b"new", mode=0o640)
    assert not (tmp_path / "file").is_symlink()
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "other").read_bytes() == b"other"


def test_an_exclusive_write_takes_no_name_that_is_taken(tmp_path: Path) -> None:
    """By anything, a socket or a dangling link for instance."""
    (tmp_path / "link").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for name in ("link", "socket"):
            with pytest.raises(FileExistsError), replacing(tmp_path / name, exclusive=True) as file:
                file.write(b"x")
    with replacing(tmp_path / "new", exclusive=True) as file:
        file.write(b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "new", "socket"]
