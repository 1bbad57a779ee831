"""What a program with python-dotenv makes of env files, beyond the recorded cases."""

import pytest

from tickctl.adapters.env_files import python_dotenv
from tickctl.core.secret import Secret
from tickctl.core.secrets.env_files import EnvFile


def test_files_follow_each_other() -> None:
    """Later files override earlier ones and may refer to them; line breaks are those of text files."""
    first, second = EnvFile("a.env", "\ufeffA=1\r\nB='x\ry'\rC"), EnvFile("b.env", "A=2\nD=${A}${B}${C}")
    values = python_dotenv([first, second]).values
    assert values == {"A": Secret("2"), "B": Secret("x\ny"), "C": None, "D": Secret("2x\ny")}


def test_environment_of_this_process_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that is meant has another one."""
    monkeypatch.setenv("FROM_HERE", "here")
    assert python_dotenv([EnvFile("a.env", "A=x${FROM_HERE}")]).values == {"A": Secret("x")}
