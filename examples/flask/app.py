"""An upload that answers at once; the client polls the job that counts its words. It enqueues by the HTTP API."""

from __future__ import annotations

import os
from typing import Any

import httpx
from flask import Flask, request

TASK = "reports.tasks.count_words"

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 100_000  # bytes: a job's arguments are a row in PostgreSQL
offbeat = httpx.Client(
    base_url=os.environ["OFFBEAT_URL"], headers={"Authorization": f"Bearer {os.environ['OFFBEAT_TOKEN']}"}
)


@app.post("/uploads")
def upload() -> Any:
    try:
        text = request.files["file"].read().decode()
    except UnicodeDecodeError:
        return {"detail": "The file should be a text in UTF-8."}, 422
    # As bytes: httpx sends no text beyond ASCII.
    headers = {name: each.encode("latin-1") for name, each in request.headers if name == "Idempotency-Key"}
    answer = offbeat.post("/api/jobs", json={"task": TASK, "args": [text]}, headers=headers)
    if answer.is_error:
        return refuse(answer)
    status_url = f"/uploads/{answer.json()['id']}"
    return {"status_url": status_url}, 202, {"Location": status_url}


@app.get("/uploads/<uuid:upload_id>")
def status(upload_id: str) -> Any:
    answer = offbeat.get(f"/api/jobs/{upload_id}")
    if answer.is_error:
        return refuse(answer)
    job = answer.json()
    return {name: job[name] for name in ("id", "state", "progress", "result", "error")}


@app.errorhandler(httpx.TransportError)
def answer_unreachable(_: httpx.TransportError) -> Any:
    """Offbeat is down or restarts: the client may send the same request again."""
    return {"detail": "jobs cannot be enqueued now"}, 503, {"Retry-After": "5"}


def refuse(answer: httpx.Response) -> Any:
    """What the API refuses, we refuse, too. Any other error, such as a wrong token, is between it and us."""
    is_problem = answer.headers.get("Content-Type", "").startswith("application/problem+json")
    if not is_problem or answer.status_code in {401, 403}:
        return {"detail": f"The API of the jobs answered {answer.status_code}."}, 502
    problem = answer.json()
    reasons = [each["detail"] for each in problem.get("errors", [])]
    return {"detail": ": ".join([problem["detail"], *reasons])}, answer.status_code
