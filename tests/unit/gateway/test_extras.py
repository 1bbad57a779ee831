"""Parts of the gateway that need more than it does itself say which extra brings that."""

import importlib
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [
        ("tickctl.gateway.fastapi", "fastapi", "tickctl[gateway]"),
        ("tickctl.gateway.metrics", "prometheus_client", "tickctl[metrics]"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, module: str, package: str, extra: str
) -> None:
    """At the import, where the traceback shows whose line it is."""
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(ModuleNotFoundError, match="pip install") as caught:
        importlib.import_module(module)
    assert extra in str(caught.value)
    assert caught.value.name == package
