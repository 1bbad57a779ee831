"""The recorded answers of Docker Compose 2.40.3, python-dotenv 1.2.4 and `docker run --env-file`."""

import json
from pathlib import Path
from typing import Any

import pytest

from tickctl.adapters.env_files import python_dotenv
from tickctl.core.secrets.env_files import EnvFile, Reading, RefusalKind, effective, read, values
from tickctl.core.secrets.env_files.differences import docker_run
from tickctl.errors import ConfigurationError

CASES = json.loads((Path(__file__).parents[2] / "data" / "env-grammar.json").read_text())
SHELL = {"FROMENV": "penv"}
"""What the shell had when the answers were recorded."""

REFUSED = {
    "key only (no =)": {"": RefusalKind.NO_VALUE},
    "key only, set in env": {"FROMENV": RefusalKind.NO_VALUE},
    "unset $VAR": {"K": RefusalKind.UNSET},
    "forward ref": {"K": RefusalKind.UNSET},
    "var from process env": {"K": RefusalKind.SHELL},
    "NUL": {"K": RefusalKind.UNUSABLE},
}
"""Where Compose depends on the shell or quietly puts nothing, and what no process can be given."""
MALFORMED = {"dq then garbage"}
"""What Compose reads, and is refused together with its file."""


def case_names(case: dict[str, Any]) -> str:
    """Name a case in the report."""
    return str(case["name"])


def given(case: dict[str, Any]) -> list[EnvFile]:
    """Return the file of a case."""
    return [EnvFile("x.env", case["source"])]


def shown(reading: Reading) -> dict[str, str | None]:
    """Return a reading with its values, those of the shell filled in."""
    filled = {name: SHELL.get(name) if value is None else value.reveal() for name, value in reading.values.items()}
    return {name: value for name, value in filled.items() if value is not None}


def test_all_cases_are_there() -> None:
    """A case that went missing would be a rule that nobody checks."""
    assert len(CASES) == 64
    assert {case["name"] for case in CASES} >= REFUSED.keys() | MALFORMED


@pytest.mark.parametrize("case", CASES, ids=case_names)
def test_value_is_that_of_compose_or_refused(case: dict[str, Any]) -> None:
    """What is read here is what was tested in the local containers; what isn't certain is refused."""
    if isinstance(case["compose"], str) or case["name"] in MALFORMED:
        with pytest.raises(ConfigurationError, match=r"^x\.env:[12]: "):
            read(given(case), shell=SHELL)
        return
    entries = effective(read(given(case), shell=SHELL))
    refused = {name: entry.refusal.kind for name, entry in entries.items() if entry.refusal}
    assert refused == REFUSED.get(case["name"], {})
    taken = {name: value.reveal() for name, value in values(e for e in entries.values() if not e.refusal).items()}
    assert taken == {name: value for name, value in case["compose"].items() if name not in refused}


@pytest.mark.parametrize("case", CASES, ids=case_names)
def test_docker_run_reads_as_recorded(case: dict[str, Any]) -> None:
    """The rules of `docker run --env-file` are those that were recorded."""
    reading = docker_run(given(case))
    if isinstance(case["docker_run"], str):
        assert reading.refused
        assert not reading.values
    else:
        assert shown(reading) == case["docker_run"]


@pytest.mark.parametrize("case", CASES, ids=case_names)
def test_python_dotenv_reads_as_recorded(case: dict[str, Any]) -> None:
    """The library's parser, used without this process's environment, gives what its `dotenv_values` gave."""
    reading = python_dotenv(given(case))
    values = {name: None if value is None else value.reveal() for name, value in reading.values.items()}
    assert values == case["python_dotenv"]
