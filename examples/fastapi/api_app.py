"""An upload that answers at once; the client polls or follows the job that counts its words. It enqueues by the HTTP API."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID  # noqa: TC003  FastAPI reads the hints

import httpx
from fastapi import FastAPI, Header, HTTPException, Request, Response, UploadFile
from fastapi.responses import JSONResponse, StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TASK = "reports.tasks.count_words"
LARGEST = 100_000  # bytes: a job's arguments are a row in PostgreSQL. Larger files belong into a bucket, and their key into the job
SILENCE = 60.0  # seconds without a byte of a stream: the API sends a comment more often


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep one client for all requests, without a limit: each client that follows a job has a connection of its own."""
    headers = {"Authorization": f"Bearer {os.environ['OFFBEAT_TOKEN']}"}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=os.environ["OFFBEAT_URL"], headers=headers, limits=limits
    ) as offbeat:
        app.state.offbeat = offbeat
        yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(httpx.TransportError)
async def answer_unreachable(_: Request, error: httpx.TransportError) -> JSONResponse:
    """Offbeat is down or restarts: the client may send the same request again."""
    return JSONResponse({"detail": "jobs cannot be enqueued now"}, 503, headers={"Retry-After": "5"})


@app.post("/uploads", status_code=202)
async def upload(
    request: Request, response: Response, file: UploadFile, idempotency_key: str | None = Header(None)
) -> dict[str, str]:
    """Take a text file and answer at once. With the same Idempotency-Key a repeated upload gives the first one's job."""
    headers = {"Idempotency-Key": as_sent(idempotency_key)} if idempotency_key else {}
    call = {"task": TASK, "args": [await read_text(file)]}
    job = passed_on(await request.app.state.offbeat.post("/api/jobs", json=call, headers=headers))
    status_url = response.headers["Location"] = f"/uploads/{job['id']}"
    return {"id": job["id"], "status_url": status_url, "events_url": f"{status_url}/events"}


def as_sent(header: str) -> bytes:
    """Return a header's bytes again: httpx sends no text beyond ASCII."""
    return header.encode("latin-1")


async def read_text(file: UploadFile) -> str:
    content = await file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise HTTPException(413, f"The file should have {LARGEST} bytes at most.")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise HTTPException(422, "The file should be a text in UTF-8.") from None


@app.get("/uploads/{upload_id}")
async def status(request: Request, response: Response, upload_id: UUID) -> dict[str, Any]:
    """How far the upload is; `Retry-After` says when to ask again."""
    answer = await request.app.state.offbeat.get(f"/api/jobs/{upload_id}")
    job = passed_on(answer)
    if wait := answer.headers.get("Retry-After"):
        response.headers["Retry-After"] = wait
    return {name: job[name] for name in ("id", "state", "progress", "result", "error")}


@app.get("/uploads/{upload_id}/events")
async def follow(request: Request, upload_id: UUID, last_event_id: str = Header("")) -> StreamingResponse:
    """Pass the job's events on as they come, byte for byte."""
    stream = await request.app.state.offbeat.send(
        request.app.state.offbeat.build_request(
            "GET",
            f"/api/jobs/{upload_id}/events",
            headers={"Last-Event-ID": as_sent(last_event_id)} if last_event_id else {},
            timeout=httpx.Timeout(5, read=SILENCE),
        ),
        stream=True,
    )
    if stream.is_error:
        await stream.aread()
        passed_on(stream)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(pass_bytes(stream), media_type="text/event-stream", headers=headers)


async def pass_bytes(stream: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in stream.aiter_raw():
            yield chunk
    finally:  # also where the client has left
        await stream.aclose()


def passed_on(answer: httpx.Response) -> dict[str, Any]:
    """Return what the API says; what it refuses, we refuse, too. Any other error, such as a wrong token, is between it and us."""
    if answer.is_success:
        found: dict[str, Any] = answer.json()
        return found
    is_problem = answer.headers.get("Content-Type", "").startswith("application/problem+json")
    if not is_problem or answer.status_code in {401, 403}:
        raise HTTPException(502, f"The API of the jobs answered {answer.status_code}.")
    wait = {name: each for name, each in answer.headers.items() if name == "retry-after"}
    problem = answer.json()
    reasons = [each["detail"] for each in problem.get("errors", [])]
    raise HTTPException(answer.status_code, ": ".join([problem["detail"], *reasons]), headers=wait)
