"""What a PostgREST is told; the names are those of its configuration, and so are the defaults."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Version = Literal[12, 14]


def _now() -> float:
    return datetime.now(UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Config:
    """Configuration of one server.

    `db_uri` is a libpq URL of the login role; `jwt_keys` a JWK set or None for no jwt-secret at all; `now` the time by
    which tokens are judged, in seconds since 1970.
    """

    db_uri: str
    jwt_keys: Mapping[str, Any] | None
    version: Version = 14
    db_schemas: tuple[str, ...] = ("public",)
    db_anon_role: str | None = "anon"
    db_max_rows: int | None = None
    db_pool: int = 10
    db_pool_acquisition_timeout: float = 10.0
    db_pre_request: str | None = None
    db_tx_end_override: bool = False
    jwt_aud: str | None = None
    jwt_role_claim_key: tuple[str, ...] = ("role",)
    server_trace_header: str | None = None
    now: Callable[[], float] = field(default=_now)
