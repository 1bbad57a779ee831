"""Which place `auto` stands for."""

import pytest

from tickctl.cli.console.run import BackendName
from tickctl.cli.open.backend import choose
from tickctl.core.variables import VARIABLES
from tickctl.errors import ConfigurationError
from tickctl.settings import load

# Each needs a value of its own form.
VALUES = {"SUPABASE_JWKS_URL": "https://example.com/jwks.json"}


def test_nothing_configured_means_the_embedded_database() -> None:
    """Other variables of tickctl don't point to a project."""
    assert choose(load({"TICKCTL_TOKEN": "x", "AWS_REGION": "y"}, []), BackendName.AUTO) is BackendName.LOCAL


def test_an_address_means_the_project() -> None:
    """Whatever else is set."""
    environ = {"SUPABASE_URL": "https://abcdefghijklmnopqrst.supabase.co", "TICKCTL_ADMIN_TOKEN": "a.b.c"}
    assert choose(load(environ, []), BackendName.AUTO) is BackendName.SUPABASE


@pytest.mark.parametrize(
    "variable", [name for name, one in VARIABLES.items() if one.means_project and name != "SUPABASE_URL"]
)
def test_half_a_configuration_is_an_error(variable: str) -> None:
    """Any variable that means a project keeps `auto` from the embedded database, and is named."""
    settings = load({variable: VALUES.get(variable, "x")}, [])
    with pytest.raises(ConfigurationError, match=f"^{variable} is set but SUPABASE_URL is not$"):
        choose(settings, BackendName.AUTO)
