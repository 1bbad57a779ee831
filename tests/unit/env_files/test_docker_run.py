"""What `docker run --env-file` makes of env files, beyond the recorded cases."""

import pytest

from tickctl.core.secret import Secret
from tickctl.core.secrets.env_files import EnvFile
from tickctl.core.secrets.env_files.differences import LONGEST_LINE, docker_run


def test_lines_are_taken_literally() -> None:
    """Comments in a line, quotes and references are parts of the value; later files go over earlier ones."""
    first, second = EnvFile("a.env", "\ufeff#c\n\n A='1' # c\nB=$A\nC"), EnvFile("b.env", "B=2\n\u2003D=\t3 ")
    reading = docker_run([first, second])
    assert reading.refused is None
    assert reading.values == {"A": Secret("'1' # c"), "B": Secret("2"), "C": None, "D": Secret("\t3 ")}


@pytest.mark.parametrize(
    "line",
    ["A B=1", "A =1", "A\t=1", "A B", "=1", "K=" + "x" * (LONGEST_LINE - 1), "K=" + "\u00e9" * 40000, "#" * 70000],
)
def test_line_that_docker_refuses_refuses_everything(line: str) -> None:
    """White space in a name, no name, and a line longer than Go's scanner takes."""
    reading = docker_run([EnvFile("a.env", "A=1"), EnvFile("b.env", f"#c\n{line}\nB=1")])
    assert reading.refused == ("b.env", 2)
    assert not reading.values


def test_longest_line_is_read() -> None:
    """Bytes count, not characters."""
    value = "x" + "\u00e9" * ((LONGEST_LINE - 3) // 2)
    assert len(f"K={value}".encode()) == LONGEST_LINE
    assert docker_run([EnvFile("a.env", f"K={value}\n")]).values == {"K": Secret(value)}
    assert docker_run([EnvFile("a.env", f"K={value}\r\n")]).refused == ("a.env", 1)
