"""Where to connect to."""

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from tickctl.adapters.embedded import Server


@pytest.mark.parametrize("folder", ["/a b", "/50%/$x", "/ünï/ç", '/it\'s "quoted"', "/a&b=c?d#e", "/back\\slash"])
def test_every_folder_survives_the_url(folder: str) -> None:
    """The URL means what was put in."""
    found = conninfo_to_dict(Server(Path(folder), 1, Path("psql")).url("some one", "a/b?c"))
    assert (found["host"], found["user"], found["dbname"]) == (folder, "some one", "a/b?c")


def test_psql_is_led_to_the_server_by_its_environment() -> None:
    """An address that the environment has already is taken out of the way."""
    environment = Server(Path("/run"), 1, Path("psql")).environment(user="anon")
    assert environment["PGHOST"] == "/run"
    assert environment["PGUSER"] == "anon"
    assert environment["PGHOSTADDR"] == ""
