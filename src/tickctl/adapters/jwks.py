"""The published keys of a project: fetched from their URL, and copied to disk between commands."""

import hashlib
import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from tickctl.adapters.http import TIMEOUT, guarded_get
from tickctl.core.tokens import MAX_JWKS_BYTES
from tickctl.errors import UnreachableError

_OK: Final = 200
# The document as a JSON string: each byte of it can take six characters, and something is written around it.
_LARGEST_COPY: Final = 6 * MAX_JWKS_BYTES + 4096


def fetch_jwks(url: str, *, timeout: float = TIMEOUT) -> bytes:
    """Get the JWK set document at a URL (https, or http on loopback); at most 256 KiB, no redirects.

    Raises:
        ConfigurationError: this URL is never asked.
        UnreachableError: no answer, or one that is not status 200.
    """
    response = guarded_get(url, timeout=timeout, limit=MAX_JWKS_BYTES)
    if response.status != _OK:
        raise UnreachableError(
            f"the key server answered with status {response.status}", hint="check SUPABASE_URL or SUPABASE_JWKS_URL"
        )
    return response.body


class DiskCopy:
    """A `KeyCopy` in a file for one URL, which nobody but its owner may read or write.

    A copy that somebody else could have written is ignored, since its keys would be trusted. Losing it costs one
    request, so no failure to read or write it is an error.

    Args:
        folder: where copies are kept; made when the first is written.
        url: whose keys these are.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self._url = url
        self._path = folder / f"jwks-{hashlib.sha256(url.encode()).hexdigest()[:32]}.json"

    def load(self) -> tuple[bytes, float] | None:
        """Return the document and when it was fetched (epoch seconds), if there is a copy that can be trusted."""
        try:
            text = self._read()
            members = json.loads(text) if text is not None else None
        except (OSError, ValueError, RecursionError):
            return None
        match members:
            case {"url": self._url, "fetched_at": float(fetched_at), "document": str(document)}:
                return document.encode("utf-8", "surrogatepass"), fetched_at
            case _:
                return None

    def save(self, document: bytes, fetched_at: float) -> None:
        """Replace the copy in one step; it is private from its first byte."""
        with suppress(OSError, UnicodeDecodeError):
            text = json.dumps({"url": self._url, "fetched_at": float(fetched_at), "document": document.decode("utf-8")})
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._replace(text.encode("ascii"))

    def _read(self) -> bytes | None:
        # O_NONBLOCK: opening a pipe that somebody put there must not wait for its writer.
        descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            # Asked of the open file, not of its name, which could mean another file a moment later.
            status = os.fstat(descriptor)
            foreign = status.st_uid != os.geteuid() or status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
            if not stat.S_ISREG(status.st_mode) or foreign or status.st_size > _LARGEST_COPY:
                return None
            return file.read(_LARGEST_COPY)

    def _replace(self, content: bytes) -> None:
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
                file.write(content)
            temporary.replace(self._path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
