"""Keeps AWS's client library from logging what it sends and receives."""

import logging
from typing import Final

_LOGGERS: Final = ("boto3", "botocore", "urllib3")


def hold_back() -> None:
    """Hold the library's loggers at INFO, whoever has set them otherwise: at DEBUG they write requests and answers."""
    known = [name for name in logging.root.manager.loggerDict if name.startswith(tuple(f"{top}." for top in _LOGGERS))]
    for name in _LOGGERS:
        _hold(logging.getLogger(name), unset=True)
    for name in known:
        _hold(logging.getLogger(name), unset=False)


def _hold(logger: logging.Logger, *, unset: bool) -> None:
    """Raise the level to INFO; one that isn't set goes by its parent's unless it is to be set."""
    if logger.level == logging.NOTSET and not unset:
        return
    logger.setLevel(max(logger.level, logging.INFO))
