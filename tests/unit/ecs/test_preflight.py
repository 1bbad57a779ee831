"""Services that can't be deployed here."""

from dataclasses import replace

import pytest

from ecs_support import service
from tickctl.core.ecs.preflight import check_service
from tickctl.errors import ConfigurationError


@pytest.mark.parametrize("controller", ["CODE_DEPLOY", "EXTERNAL"])
def test_service_of_another_controller_is_refused(controller: str) -> None:
    """UpdateService is refused for it, or starts nothing."""
    with pytest.raises(ConfigurationError, match=f"deployed by {controller}"):
        check_service(replace(service(), controller=controller))


@pytest.mark.parametrize("version", ["1.3.0", "1.0.0", "1.2"])
def test_old_platform_versions_are_refused(version: str) -> None:
    """They know secrets as a whole only."""
    with pytest.raises(ConfigurationError, match=f"platform version {version}"):
        check_service(replace(service(), platform_version=version))


@pytest.mark.parametrize("version", ["1.4.0", "1.10.0", "2.0.0", "LATEST", None])
def test_other_platform_versions_are_taken(version: str | None) -> None:
    """EC2 has none."""
    check_service(replace(service(), platform_version=version))
