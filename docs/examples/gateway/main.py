"""A gateway: signed-in users put tasks into a queue, as long as they have ticks left.

uvicorn main:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.middleware.cors import CORSMiddleware
from pydantic import BaseModel, ConfigDict, Field

from task_queue import QueueUnavailableError, TaskQueue, open_queue
from tickctl.gateway import EXPOSED_HEADERS
from tickctl.gateway.fastapi import Ticks, protect


class Task(BaseModel):
    """What an agent is to do, and how many ticks it may take for that."""

    model_config = ConfigDict(extra="forbid")

    prompt: str = Field(min_length=1, max_length=20_000)
    max_ticks: int


class Accepted(BaseModel):
    """The task is in the queue."""

    task_id: UUID


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, TaskQueue]]:
    """Keep one connection to the queue; handlers find it in the state of their requests."""
    async with open_queue(os.environ.get("RABBITMQ_URL")) as queue:
        yield {"queue": queue}


def queue_of(request: Request) -> TaskQueue:
    """Return the queue that `lifespan` has opened."""
    queue: TaskQueue = request.state.queue
    return queue


app = FastAPI(title="Gateway", lifespan=lifespan)
protect(app)  # settings: see services/.env and services/keys.env
app.add_middleware(
    CORSMiddleware,
    allow_origins=os.environ.get("ALLOWED_ORIGINS", "").split(),
    allow_methods=["POST"],
    allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
    expose_headers=EXPOSED_HEADERS,
)


@app.post("/tasks", status_code=202)
async def create_task(task: Task, ticks: Ticks, queue: Annotated[TaskQueue, Depends(queue_of)]) -> Accepted:
    """Put a task into the queue.

    Who comes this far has a good token and has been charged `max_ticks`. The answer is given once the queue has the
    task; an answer of 503 gives the ticks back.
    """
    accepted = Accepted(task_id=uuid4())
    # The token stays here. A worker that took fewer ticks has the id of the charge to settle.
    message = {
        "task_id": str(accepted.task_id),
        "user_id": ticks.user.id,
        "charge_id": ticks.charge.id,
        **task.model_dump(),
    }
    try:
        await queue.publish(message)
    except QueueUnavailableError:
        raise HTTPException(503, "the queue takes no tasks at the moment", {"Retry-After": "5"}) from None
    return accepted


@app.get("/health")
async def health() -> dict[str, str]:
    """Say that the process serves; not whether database and queue do, or all gateways would be restarted with them."""
    return {"status": "ok"}
