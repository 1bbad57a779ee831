"""What a gate is built from, and what it warns of."""

import asyncio
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from tickctl.adapters.api import AsyncApiFunctions
from tickctl.adapters.embedded.accounts import sign
from tickctl.adapters.postgres import AsyncPostgresFunctions
from tickctl.core.secret import Secret
from tickctl.errors import ConfigurationError
from tickctl.gateway import Gate, GateRequest, RefusedError, build_gate
from tickctl.settings import load

PROJECT = {"SUPABASE_URL": "https://abcdefghijklmnopqrst.supabase.co", "SUPABASE_ANON_KEY": "sb_publishable_abc"}
DATABASE = {
    "SUPABASE_DB_URL": "postgresql://authenticator:hunter2@127.0.0.1:1/postgres",
    "SUPABASE_JWT_SECRET": "an HS256 secret of more than 32 bytes",
    "SUPABASE_JWT_ISSUER": "https://auth.example.com",
}


def gate_of(environ: dict[str, str]) -> Gate:
    """Build a gate from variables alone."""
    return build_gate(load(environ, []))


@pytest.mark.parametrize(
    ("environ", "store"), [(PROJECT, AsyncApiFunctions), (DATABASE, AsyncPostgresFunctions)], ids=["api", "database"]
)
def test_the_settings_choose_the_store(environ: dict[str, str], store: type, caplog: pytest.LogCaptureFixture) -> None:
    """The publishable key means the API, a connection string alone PostgreSQL; a sound set-up warns of nothing."""
    gate = gate_of(environ)
    assert type(gate._store) is store
    assert caplog.records == []
    asyncio.run(gate.aclose())


def test_the_api_goes_before_a_connection_string(caplog: pytest.LogCaptureFixture) -> None:
    """Where both are set, the gateway uses the one with fewer rights, and says that the other should go."""
    gate = gate_of(DATABASE | PROJECT)
    assert type(gate._store) is AsyncApiFunctions
    assert "take it away" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("variable", "value", "warning"),
    [
        ("SUPABASE_SECRET_KEY", "sb_secret_abc", "take it away"),
        ("TICKCTL_ADMIN_TOKEN", "abc", "take it away"),
        ("SUPABASE_ALLOW_UNCONFIRMED", "true", "not confirmed"),
        ("SUPABASE_JWT_SECRET_PREVIOUS", "another HS256 secret of more than 32 bytes", "take it away"),
        ("SUPABASE_JWT_ISSUER", "", "issuer"),
    ],
)
def test_an_unsafe_setting_is_said(variable: str, value: str, warning: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever starts the gateway reads of it in the log, without the value."""
    gate_of(DATABASE | {variable: value})
    assert warning in caplog.text
    assert "sb_secret_abc" not in caplog.text


@pytest.mark.parametrize(
    ("environ", "hint"),
    [
        ({}, "SUPABASE_JWT_SECRET"),
        ({"SUPABASE_URL": PROJECT["SUPABASE_URL"]}, "SUPABASE_ANON_KEY"),
        (PROJECT | {"SUPABASE_ANON_KEY": "sb_secret_abc"}, "publishable"),
    ],
    ids=["nothing", "no key", "a secret key"],
)
def test_a_traceback_says_what_to_do(environ: dict[str, str], hint: str) -> None:
    """A server that can't start shows what to set, and no secret."""
    with pytest.raises(ConfigurationError) as refusal:
        gate_of(environ)
    shown = "".join(traceback.format_exception(refusal.value))
    assert hint in shown
    assert "sb_secret_abc" not in shown


def test_the_gateway_loads_no_command_line(tmp_path: Path) -> None:
    """Neither the terminal's packages nor AWS's nor a web framework's come with `import tickctl.gateway`."""
    program = (
        "import sys, tickctl.gateway;"
        "print({'typer', 'rich', 'boto3', 'botocore', 'supabase', 'fastapi', 'starlette'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "set()\n"


def test_a_missing_jwt_secret_is_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Every request of an HS256 project is 503 then, and the log must say what to set, without the token."""
    token = sign({"sub": "x"}, Secret("an HS256 secret that this gate does not know")).reveal()
    gate = gate_of(DATABASE | {"SUPABASE_JWT_SECRET": "", "SUPABASE_JWKS": '{"keys": []}'})

    async def asked() -> None:
        headers = [(b"authorization", f"Bearer {token}".encode())]
        await gate.admit(GateRequest("POST", "/tasks", b"", headers, unread))

    async def unread() -> bytes:
        raise AssertionError("the body was read")

    with pytest.raises(RefusedError, match="unknown_key"):
        asyncio.run(asked())
    assert "set SUPABASE_JWT_SECRET" in caplog.text
    assert token.split(".")[0] not in caplog.text
