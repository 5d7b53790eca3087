"""Orders, each with a job in the same transaction: both are there, or none. It enqueues by SQL, with offbeat-client."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from offbeat_client import EnqueueError, Job, aenqueue, afind_job
from psycopg.errors import UniqueViolation
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TASK = "reports.tasks.count_words"
INTERVAL = 1.0  # seconds: a task writes its progress at most so often


class Order(BaseModel):
    number: int = Field(ge=1, le=2**31 - 1)  # PostgreSQL's integer
    text: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep a few connections: a client that follows a job has one only while it asks."""
    async with AsyncConnectionPool(os.environ["SHOP_DATABASE_URL"], max_size=5, open=False) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/orders", status_code=202)
async def order(request: Request, response: Response, order: Order) -> dict[str, Any]:
    """Write an order and its job, and answer at once."""
    try:
        async with request.app.state.pool.connection() as connection:  # one transaction
            job_id = await aenqueue(connection, TASK, args=[order.text])
            await connection.execute(
                "INSERT INTO shop.orders (number, text, job) VALUES (%s, %s, %s)",
                (order.number, order.text, job_id),
            )
    except EnqueueError as error:
        raise HTTPException(422, str(error)) from None
    except UniqueViolation:  # with the order its job is rolled back
        raise HTTPException(409, f"There is an order {order.number} already.") from None
    status_url = response.headers["Location"] = f"/orders/{order.number}"
    return {"number": order.number, "status_url": status_url, "events_url": f"{status_url}/events"}


@app.get("/orders/{number}")
async def status(request: Request, number: int) -> dict[str, Any]:
    return shown(await find(request, number))


@app.get("/orders/{number}/events")
async def follow(request: Request, number: int) -> StreamingResponse:
    """Send an event each time the order's job has changed, until it has finished."""
    await find(request, number)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events(request, number), media_type="text/event-stream", headers=headers)


async def events(request: Request, number: int) -> AsyncIterator[str]:
    before = None
    while True:
        job = await find(request, number)
        if job != before:
            yield f"event: state\ndata: {json.dumps(shown(job))}\n\n"
        if job.is_finished:
            return
        before = job
        await asyncio.sleep(INTERVAL)


async def find(request: Request, number: int) -> Job:
    async with request.app.state.pool.connection() as connection:
        cursor = await connection.execute("SELECT job FROM shop.orders WHERE number = %s", (number,))
        row = await cursor.fetchone()
        job = await afind_job(connection, row[0]) if row else None
    if job is None:
        raise HTTPException(404, f"There is no order {number}, or its job has been deleted.")
    return job


def shown(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in ("state", "progress", "result", "error")}
