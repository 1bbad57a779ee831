"""Where accepted tasks wait for workers: RabbitMQ, or this process's memory where there is none."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, Protocol

LARGEST_QUEUE: Final = 10_000
"""Tasks. A queue that takes everything only hides that the workers don't keep up."""


class QueueUnavailableError(Exception):
    """The queue is full, or can't be reached."""


class TaskQueue(Protocol):
    """Takes tasks."""

    async def publish(self, task: Mapping[str, object]) -> None:
        """Return once the task is safely in the queue.

        Raises:
            QueueUnavailableError: it is not.
        """
        ...


class MemoryQueue:
    """Keeps tasks until the process ends; for trying things out."""

    def __init__(self, largest: int = LARGEST_QUEUE) -> None:
        self.tasks: asyncio.Queue[Mapping[str, object]] = asyncio.Queue(largest)

    async def publish(self, task: Mapping[str, object]) -> None:
        """See `TaskQueue`."""
        try:
            self.tasks.put_nowait(task)
        except asyncio.QueueFull:
            raise QueueUnavailableError from None


@asynccontextmanager
async def open_queue(url: str | None) -> AsyncIterator[TaskQueue]:
    """Connect to RabbitMQ at `url`, or make a queue in memory if that is `None` or empty."""
    if not url:
        yield MemoryQueue()
        return
    from rabbitmq_queue import open_rabbitmq  # noqa: PLC0415 - aio-pika is needed only here

    async with open_rabbitmq(url, LARGEST_QUEUE) as queue:
        yield queue
