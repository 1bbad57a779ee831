"""The published keys of a project: fetched from their URL, and copied to disk between commands."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Final

from tickctl.adapters.http import TIMEOUT, guarded_get
from tickctl.core.tokens import MAX_JWKS_BYTES
from tickctl.errors import UnreachableError
from tickctl.files import read_regular, replace

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
            copy = read_regular(self._path, _LARGEST_COPY, follow=False)
            members = json.loads(copy.content) if copy.is_private else None
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
            replace(self._path, text.encode("ascii"))
