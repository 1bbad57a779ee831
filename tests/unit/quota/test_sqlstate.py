"""The table of SQLSTATEs, row by row."""

import pytest

from tickctl.core.quota.sqlstate import ERRORS, error_for
from tickctl.errors import (
    ConfigurationError,
    ConflictError,
    CredentialsRefusedError,
    InvalidInputError,
    NotFoundError,
    TickctlError,
    UnreachableError,
)

EXPECTED: dict[str, type[TickctlError]] = {
    "08006": UnreachableError,
    "08P01": UnreachableError,
    "21000": ConflictError,
    "22003": InvalidInputError,
    "22023": InvalidInputError,
    "22P02": InvalidInputError,
    "23503": ConflictError,
    "23505": ConflictError,
    "23514": UnreachableError,
    "25006": UnreachableError,
    "28000": CredentialsRefusedError,
    "28P01": CredentialsRefusedError,
    "3D000": ConfigurationError,
    "3F000": ConfigurationError,
    "40001": UnreachableError,
    "40P01": UnreachableError,
    "42501": CredentialsRefusedError,
    "42601": UnreachableError,
    "42703": ConfigurationError,
    "42704": ConfigurationError,
    "42883": ConfigurationError,
    "42P01": ConfigurationError,
    "53100": UnreachableError,
    "53200": UnreachableError,
    "53300": UnreachableError,
    "55P03": UnreachableError,
    "57014": UnreachableError,
    "57P01": UnreachableError,
    "57P02": UnreachableError,
    "57P03": UnreachableError,
    "58030": UnreachableError,
    "P0001": UnreachableError,
    "P0002": NotFoundError,
    "XX000": UnreachableError,
}
TOLD = {"21000", "22003", "22023", "22P02", "42501", "P0002"}


@pytest.mark.parametrize("sqlstate", EXPECTED)
def test_each_code_means_one_error(sqlstate: str) -> None:
    """What is not known is a cannot-tell, never a yes or a no."""
    assert type(error_for(sqlstate, "message")) is EXPECTED[sqlstate]


@pytest.mark.parametrize("row", ERRORS)
def test_each_row_of_the_table_is_tested(row: str) -> None:
    """A row that is added here is added above."""
    assert any(sqlstate.startswith(row) for sqlstate in EXPECTED)


@pytest.mark.parametrize("sqlstate", EXPECTED)
def test_the_server_s_words_are_passed_on_only_where_they_are_ours(sqlstate: str) -> None:
    """A message about anything else may quote rows, names of hosts or statements."""
    error = error_for(sqlstate, "the server's words", "and its hint")
    assert (error.message == "the server's words") is (sqlstate in TOLD)
    assert (error.hint == "and its hint") is (sqlstate in TOLD)
    assert error.message
