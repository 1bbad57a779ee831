"""The folder: where it is, whether it is ours, and the secret in it."""

import base64
import os
import stat
from pathlib import Path

import pytest

from tickctl.adapters.embedded.home import Home, default_home, remove, write_new
from tickctl.errors import ConfigurationError


def mode(path: Path) -> int:
    """Return the permission bits."""
    return stat.S_IMODE(path.lstat().st_mode)


def test_the_folder_is_the_one_that_is_set() -> None:
    """`TICKCTL_HOME` wins; an empty one counts as none."""
    assert default_home({"TICKCTL_HOME": "/srv/x"}) == Path("/srv/x")
    assert default_home({"TICKCTL_HOME": ""}) == default_home({})
    assert default_home({}).name == "tickctl"


@pytest.mark.parametrize("name", ["a\nb", "a\0b", "a\rb", "\x1b[31m", "\udcff"])
def test_names_that_no_configuration_file_can_hold_are_refused(name: str) -> None:
    """A newline in the name would write settings of its own."""
    with pytest.raises(ConfigurationError):
        Home.at(Path("/srv") / name)


def test_a_link_and_its_target_are_the_same_home(tmp_path: Path) -> None:
    """Else two commands would hold two different locks."""
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert Home.at(tmp_path / "link") == Home.at(tmp_path / "target")


def test_what_is_created_is_closed_to_others(tmp_path: Path) -> None:
    """Missing parents too, whatever the umask is."""
    before = os.umask(0)
    try:
        Home(tmp_path / "a" / "b").claim()
    finally:
        os.umask(before)
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o700, 0o700)
    assert mode(tmp_path / "a" / "b" / "tickctl-home") == 0o600


def test_an_empty_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    """Its mode is the owner's choice."""
    home = Home(tmp_path / "h")
    home.path.mkdir()
    home.path.chmod(0o755)
    assert not home.is_claimed()
    home.claim()
    assert home.is_claimed()
    assert mode(home.path) == 0o755


@pytest.mark.parametrize("permissions", [0o775, 0o757, 0o1777])
def test_a_folder_that_others_can_change_is_refused(tmp_path: Path, permissions: int) -> None:
    """They could put a server configuration of their own in it, and it would run as us."""
    home = Home(tmp_path / "h")
    home.path.mkdir()
    home.path.chmod(permissions)
    with pytest.raises(ConfigurationError, match="other users can change"):
        home.claim()
    assert list(home.path.iterdir()) == []


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    """Nothing is written into it."""
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ConfigurationError, match="not empty"):
        Home(tmp_path).claim()
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_marker_must_be_a_file(tmp_path: Path) -> None:
    """A symbolic link of that name could lead anywhere."""
    (tmp_path / "tickctl-home").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="not empty"):
        Home(tmp_path).claim()
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_is_no_home(tmp_path: Path) -> None:
    """A file in its place is refused."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="not a folder"):
        Home(tmp_path / "file").claim()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_somebody_else_s_folder_is_refused(tmp_path: Path) -> None:
    """Even for root, who could write there: what root puts in it would be at its owner's mercy."""
    home = Home(tmp_path / "h")
    home.path.mkdir()
    os.chown(home.path, 1, 1)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        home.claim()


def test_a_format_of_the_future_is_refused(tmp_path: Path) -> None:
    """An older tickctl must not meddle with what it doesn't know."""
    home = Home(tmp_path / "h")
    home.claim()
    home.marker.write_text("2\n")
    with pytest.raises(ConfigurationError, match="format '2'"):
        home.check_format()


def test_an_empty_marker_is_completed(tmp_path: Path) -> None:
    """A process killed between creating and writing it has done no harm."""
    home = Home(tmp_path / "h")
    home.claim()
    home.check_format()
    home.check_format()
    assert home.marker.read_text() == "1\n"


def test_the_secret_is_random_lasting_and_private(tmp_path: Path) -> None:
    """At least 32 bytes of randomness, the same at each call, readable by its owner only."""
    first, second = Home(tmp_path / "a"), Home(tmp_path / "b")
    for home in (first, second):
        home.claim()
    secret = first.read_or_make_secret()
    assert len(base64.urlsafe_b64decode(secret.reveal())) >= 32
    assert first.read_or_make_secret() == secret
    assert second.read_or_make_secret() != secret
    assert mode(first.jwt_secret) == 0o600
    assert secret.reveal() not in repr(secret)


def test_a_half_written_secret_is_replaced(tmp_path: Path) -> None:
    """It gets its name when it is complete."""
    home = Home(tmp_path / "h")
    home.claim()
    (home.path / "jwt-secret.new").write_text("x")
    assert len(home.read_or_make_secret().reveal()) == 64
    assert not (home.path / "jwt-secret.new").exists()


@pytest.mark.parametrize("permissions", [0o640, 0o604, 0o620])
def test_a_secret_that_others_can_read_is_none(tmp_path: Path, permissions: int) -> None:
    """Whoever could read it could sign tokens."""
    home = Home(tmp_path / "h")
    home.claim()
    secret = home.read_or_make_secret()
    home.jwt_secret.chmod(permissions)
    with pytest.raises(ConfigurationError) as caught:
        home.read_or_make_secret()
    assert secret.reveal() not in f"{caught.value} {caught.value.hint}"


def test_a_secret_is_not_read_through_a_link(tmp_path: Path) -> None:
    """The link could lead to a file that others know."""
    home = Home(tmp_path / "h")
    home.claim()
    (tmp_path / "known").write_text("known\n")
    home.jwt_secret.symlink_to(tmp_path / "known")
    with pytest.raises(OSError, match="symbolic"):
        home.read_or_make_secret()


def test_a_new_file_replaces_a_link_and_not_its_target(tmp_path: Path) -> None:
    """And has its mode from the first byte."""
    (tmp_path / "target").write_text("untouched")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_new(tmp_path / "link", "new")
    assert (tmp_path / "target").read_text() == "untouched"
    assert not (tmp_path / "link").is_symlink()
    assert mode(tmp_path / "link") == 0o600


def test_removing_a_link_leaves_its_target(tmp_path: Path) -> None:
    """Neither a file nor a folder that it leads to is touched."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    remove(tmp_path / "link")
    remove(tmp_path / "nothing")
    assert (tmp_path / "folder" / "file").exists()
    assert not (tmp_path / "link").is_symlink()
