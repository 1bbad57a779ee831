"""What tests of coroutines share."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


def run(scene: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a scene on a loop of its own; what hangs fails."""

    async def bounded() -> Any:
        async with asyncio.timeout(30):
            return await scene()

    return asyncio.run(bounded())


async def until(holds: Callable[[], bool]) -> None:
    """Let others go on until something holds."""
    while not holds():  # noqa: ASYNC110 - what is waited for tells nobody
        await asyncio.sleep(0.001)
