"""Tasks in RabbitMQ: durable, confirmed, bounded."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import aio_pika
from aio_pika.abc import AbstractExchange
from aio_pika.exceptions import AMQPError

from task_queue import QueueUnavailableError

QUEUE: Final = "tasks"
PATIENCE: Final = 5.0
"""Seconds that RabbitMQ may take to confirm a task."""


class RabbitQueue:
    """Publishes tasks, and waits until RabbitMQ confirms that it has them."""

    def __init__(self, exchange: AbstractExchange) -> None:
        self._exchange = exchange

    async def publish(self, task: Mapping[str, object]) -> None:
        """See `TaskQueue`."""
        message = aio_pika.Message(
            json.dumps(task).encode(),
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        try:
            async with asyncio.timeout(PATIENCE):  # while the connection is being made anew, publishing waits
                await self._exchange.publish(message, QUEUE)
        except (AMQPError, OSError, RuntimeError):
            # Without its cause, which may hold the task.
            raise QueueUnavailableError from None


@asynccontextmanager
async def open_rabbitmq(url: str, largest: int) -> AsyncIterator[RabbitQueue]:
    """Keep a connection that is made anew whenever it breaks, to a queue of at most `largest` tasks."""
    async with await aio_pika.connect_robust(url, timeout=PATIENCE) as connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        # A full queue refuses. Left to itself, RabbitMQ would drop the oldest task.
        limits = {"x-max-length": largest, "x-overflow": "reject-publish"}
        await channel.declare_queue(QUEUE, durable=True, arguments=limits)
        yield RabbitQueue(channel.default_exchange)
