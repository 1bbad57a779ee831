"""`tickctl quota import|export`."""

import csv
import io
import os
import stat
import subprocess
import uuid
from pathlib import Path

import pytest

from cli_support import COMMAND, Tickctl, environment


def limit_of(tickctl: Tickctl, user: str) -> int | None:
    """Return a user's limit."""
    limit: int | None = tickctl("quota", "show", user, "--json").json["daily_tick_limit"]
    return limit


def test_import_sets_the_limits_of_a_file(tickctl: Tickctl, tmp_path: Path, user: str) -> None:
    """The counts say what was done; doing it again changes nothing."""
    (tmp_path / "limits.csv").write_text(f"user,daily_tick_limit\r\n{user.upper()},77\r\n\r\n")
    first = tickctl("quota", "import", "limits.csv", "--yes", "--json")
    assert first.code == 0, first.err
    assert first.json == {"rows": 1, "planned": 1, "changed": 1, "unchanged": 0, "dry_run": False}
    assert limit_of(tickctl, user) == 77
    again = tickctl("quota", "import", "limits.csv", "--json")
    assert (again.code, again.json["changed"], again.json["unchanged"]) == (0, 0, 1)


def test_import_reads_standard_input_with_a_byte_order_mark(tickctl: Tickctl, user: str) -> None:
    """Spreadsheets write one."""
    result = tickctl("quota", "import", "-", "--yes", stdin=f"\ufeffemail,daily_tick_limit\n{user},unlimited\n")
    assert result.code == 0, result.err
    assert limit_of(tickctl, user) is None


def test_import_dry_run_changes_nothing(tickctl: Tickctl, user: str) -> None:
    """The same plan, not carried out."""
    result = tickctl("quota", "import", "-", "--dry-run", "--json", stdin=f"user,daily_tick_limit\n{user},5\n")
    assert (result.json["planned"], result.json["changed"], result.json["dry_run"]) == (1, 0, True)
    assert limit_of(tickctl, user) == 32


def test_import_without_a_yes_writes_nothing_in_a_script(tickctl: Tickctl, user: str) -> None:
    """Overwriting many limits is asked for, or said with --yes."""
    result = tickctl("quota", "import", "-", stdin=f"user,daily_tick_limit\n{user},5\n")
    assert result.code == 2
    assert limit_of(tickctl, user) == 32


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1 the header"),
        ("user\nx\n", "line 1 the header has no daily_tick_limit"),
        ("daily_tick_limit\n5\n", "line 1 the header has no user_id"),
        ("user,daily_tick_limit,colour\n", "line 1 the header has unknown"),
        ("user,daily_tick_limit\n{user},5\n{user},x\n", "line 3 daily_tick_limit is neither"),
        ("user,daily_tick_limit\n{user},-1\n", "line 2 daily_tick_limit is neither"),
        ("user,daily_tick_limit\n{user},\n", "line 2 daily_tick_limit is neither"),
        ("user,daily_tick_limit\n{user},5\n,5\n", "line 3 names no user"),
        ("user,daily_tick_limit\n{user},5,6\n", "line 2 has 3 fields"),
        ("user,daily_tick_limit\n{user},5\n{user},6\n", "line 3 names the same user as line 2"),
        ("user,daily_tick_limit\n{user},5\nnobody@nowhere.example,6\n", "line 3 names a user that doesn't exist"),
        ('user,daily_tick_limit\n{user},5\n"open,6\n', "is not well-formed CSV"),
        ("user,daily_tick_limit\n{user},5\0\n", "is not text"),
    ],
)
def test_import_names_the_wrong_line_and_writes_nothing(tickctl: Tickctl, user: str, text: str, says: str) -> None:
    """One bad line among good ones stops the whole file before it begins."""
    result = tickctl("quota", "import", "-", "--yes", stdin=text.replace("{user}", user))
    assert result.code == 2
    assert says in result.err
    assert limit_of(tickctl, user) == 32


def test_import_finds_one_user_named_in_two_ways(tickctl: Tickctl, user: str) -> None:
    """By e-mail and by id is still twice."""
    user_id = tickctl("quota", "show", user, "--json").json["user_id"]
    text = f"user,daily_tick_limit\n{user},5\n{user_id},6\n"
    result = tickctl("quota", "import", "-", "--yes", stdin=text)
    assert result.code == 2
    assert "line 3 names the same user as line 2" in result.err


@pytest.mark.parametrize("content", [b"\xff\xfe", b"user,daily_tick_limit\n\xe9,5\n"])
def test_import_refuses_other_encodings(tickctl: Tickctl, content: bytes) -> None:
    """Guessing an encoding would change names."""
    result = tickctl("quota", "import", "-", "--yes", stdin=content)
    assert result.code == 2
    assert "UTF-8" in result.err


def test_import_of_a_missing_file_is_wrong_usage(tickctl: Tickctl) -> None:
    """With the file's name and no traceback."""
    result = tickctl("quota", "import", "missing.csv")
    assert result.code == 2
    assert "missing.csv" in result.err


def test_import_of_several_chunks_writes_all(tickctl: Tickctl) -> None:
    """More rows than one transaction holds; the users come by SQL because there are many."""
    tag = uuid.uuid4().hex[:8]
    tickctl(
        "local",
        "psql",
        "--user",
        "supabase_admin",
        "--",
        "-qc",
        "insert into auth.users (id, email, email_confirmed_at)"
        f" select gen_random_uuid(), 'bulk-' || n || '@{tag}.example', now() from generate_series(1, 1201) n",
    )
    lines = "".join(f"bulk-{n}@{tag}.example,{n + 32}\n" for n in range(1, 1202))
    result = tickctl("quota", "import", "-", "--yes", "--json", stdin=f"user,daily_tick_limit\n{lines}")
    assert result.code == 0, result.err
    assert result.json["changed"] == 1201
    assert limit_of(tickctl, f"bulk-1201@{tag}.example") == 1233


def test_export_can_be_imported_again(tickctl: Tickctl, user: str) -> None:
    """What comes out goes in, and changes nothing."""
    exported = tickctl("quota", "export").out
    assert user in exported
    result = tickctl("quota", "import", "-", "--json", stdin=exported)
    assert (result.code, result.json["planned"]) == (0, 0), result.err


def test_export_writes_a_private_file_and_does_not_overwrite_unasked(
    tickctl: Tickctl, tmp_path: Path, user: str
) -> None:
    """Who the users are is nobody else's business."""
    assert tickctl("quota", "export", "--output", "out.csv", env={"UMASK": "0"}).code == 0
    path = tmp_path / "out.csv"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert user in path.read_text()
    assert tickctl("quota", "export", "--output", "out.csv").code == 2
    assert tickctl("quota", "export", "--output", "out.csv", "--yes").code == 0


def test_export_replaces_a_symlink_instead_of_following_it(tickctl: Tickctl, tmp_path: Path, user: str) -> None:
    """A link in the way must not turn into somebody else's file with our users in it."""
    target = tmp_path / "target"
    target.write_text("untouched")
    (tmp_path / "link.csv").symlink_to(target)
    assert tickctl("quota", "export", "--output", "link.csv", "--yes").code == 0
    assert target.read_text() == "untouched"
    assert user in (tmp_path / "link.csv").read_text()


def test_export_is_safe_to_open_in_a_spreadsheet(tickctl: Tickctl) -> None:
    """An e-mail address may begin like a formula; the sign-up form is open to everybody."""
    email = f"=cmd-{uuid.uuid4().hex[:8]}@example.com"
    assert tickctl("local", "add-user", email).code == 0
    rows = list(csv.DictReader(io.StringIO(tickctl("quota", "export").out)))
    assert [row["email"] for row in rows if email in row["email"]] == [f"'{email}"]


def test_export_into_a_closed_pipe_ends_quietly(tickctl: Tickctl, home: Path, user: str) -> None:
    """`| head -1` is no error to complain about."""
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [*COMMAND, "quota", "export"], env=environment(home), stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert process.returncode == 141
    assert b"Traceback" not in process.stderr
    assert b"error" not in process.stderr
