"""The server's configuration files."""

from pathlib import Path

import pytest

from tickctl.adapters.embedded.configuration import server_settings, user_map


def settings(*, home: Path = Path("/h"), durable: bool = True) -> dict[str, str]:
    """Return the settings by name, with their values as they are written."""
    text = server_settings(data=home / "pgdata", files=home / "conf", sockets=home / "run", durable=durable)
    lines = [line.partition(" = ") for line in text.splitlines()]
    return {name: value for name, _, value in lines}


def test_nothing_comes_over_the_network() -> None:
    """There is no TCP listener, and the socket is closed to other users."""
    assert settings()["listen_addresses"] == "''"
    assert settings()["unix_socket_permissions"] == "'0700'"


@pytest.mark.parametrize(
    ("folder", "written"),
    [
        ("/a b", """'"/a b/run"'"""),
        ("/it's", """'"/it''s/run"'"""),
        ('/"x"', """'"/""x""/run"'"""),
        ("/back\\slash", """'"/back\\\\slash/run"'"""),
        ("/$HOME/%d/a,b", """'"/$HOME/%d/a,b/run"'"""),
    ],
)
def test_paths_are_quoted_for_both_of_their_readers(folder: str, written: str) -> None:
    """The value of `unix_socket_directories` is a list in a string: its items have quotes of their own."""
    assert settings(home=Path(folder))["unix_socket_directories"] == written


def test_initdb_s_findings_are_kept_and_overruled() -> None:
    """The data folder's own file comes first, so that what follows wins."""
    first = next(iter(settings(home=Path("/it's"))))
    assert first == "include '/it''s/pgdata/postgresql.conf'"


def test_only_what_is_not_durable_spares_the_disk() -> None:
    """Both settings that keep data over a power cut go together; commits are never answered before they are written."""
    for durable, value in ((True, "on"), (False, "off")):
        found = settings(durable=durable)
        assert (found["fsync"], found["full_page_writes"]) == (value, value)
        assert "synchronous_commit" not in found


def test_one_operating_system_user_may_be_every_role() -> None:
    """The name is one quoted word, whatever is in it."""
    assert user_map("root") == 'tickctl "root" all\n'
    assert user_map("DOMAIN\\some one") == 'tickctl "DOMAIN\\some one" all\n'
