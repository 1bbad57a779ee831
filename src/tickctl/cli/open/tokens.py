"""Where a token comes from: an argument, a file, standard input or the environment."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from tickctl.cli.console.run import Run
from tickctl.errors import InvalidInputError

LARGEST_TOKEN_FILE = 64 * 1024
"""Bytes. The longest token that can be valid has 16 KiB."""


def parse_time(text: str) -> float:
    """Read RFC 3339 or seconds since 1970.

    Raises:
        InvalidInputError: neither; or a time without its offset from UTC, which could mean any hour.
    """
    if text.isascii() and text.isdigit() and len(text) <= len("253402300799"):
        return float(text)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise InvalidInputError(
            "--at is not a time with its offset from UTC", hint="write it like 2026-11-23T08:00:00Z or 1795420800"
        )
    return parsed.timestamp()


@contextmanager
def open_tokens(run: Run, token: str | None, file: Path | None, *, batch: bool) -> Iterator[Iterator[str]]:
    """Open the one place that was named and yield its token, or its lines as tokens of a batch.

    Raises:
        InvalidInputError: none was named, or two were, or it can't be read.
    """
    if token and file:
        raise InvalidInputError("both a token and --file were given", hint="give one of them")
    if file:
        try:
            stream = file.open("rb")
        except OSError as error:
            raise InvalidInputError(f"can't read {file}: {error.strerror}", hint="check the path") from None
        with stream:
            yield _lines(stream, batch=batch)
    elif token == "-":  # noqa: S105 - the sign for standard input
        yield _lines(sys.stdin.buffer, batch=batch)
    elif batch:
        raise InvalidInputError("--batch reads tokens from a file or standard input", hint="use --file or '-'")
    elif token:
        yield iter([token])
    elif run.settings.token:
        yield iter([run.settings.token.reveal()])
    else:
        raise InvalidInputError("no token was given", hint="pipe it in with '-', or use --file or TICKCTL_TOKEN")


def _lines(stream: BinaryIO, *, batch: bool) -> Iterator[str]:
    """Yield the whole input as one token, or each line; only the line ends that tools add are taken off."""
    if not batch:
        yield _text(stream.read(LARGEST_TOKEN_FILE)).rstrip("\r\n")
        return
    while line := stream.readline(LARGEST_TOKEN_FILE):
        if text := _text(line).rstrip("\r\n"):
            yield text


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")  # what is no token is the verifier's to refuse
