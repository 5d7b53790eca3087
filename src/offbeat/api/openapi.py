"""The API's description (OpenAPI 3.1): the document that is committed, and a site's own, which has its tasks."""

from __future__ import annotations

import json
from typing import Any

from offbeat.api import scopes
from offbeat.api.open_tasks import open_tasks
from offbeat.api.operations import api
from offbeat.api.task_arguments import schema_of
from offbeat.problem import CONTENT_TYPE, title_of

WANTED_JOB = "WantedJob"
STREAM = {"text/event-stream": {"schema": {"type": "string"}}}


def as_text(granted: list[str] | None = None) -> str:
    return json.dumps(describe(granted or []), indent=2) + "\n"


def describe(granted: list[str]) -> dict[str, Any]:
    """Return the document, with the tasks that these scopes may enqueue."""
    document = json.loads(json.dumps(api.get_openapi_schema(path_prefix="api/")))
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    response["description"] = title_of(int(status))
                    response["content"] = {CONTENT_TYPE: response["content"].pop("application/json")}
    events = document["paths"]["/api/jobs/{job_id}/events"]["get"]["responses"]
    events["200"] = {"description": "Events until the job has finished", "content": STREAM}
    _add_tasks(document, granted)
    return document


def _add_tasks(document: dict[str, Any], granted: list[str]) -> None:
    """Describe a request for each task, by its keyword arguments; the general one stays, for positional ones."""
    schemas = document["components"]["schemas"]
    general = schemas[WANTED_JOB]
    found = []
    for name, task in open_tasks().items():
        if not scopes.may_enqueue(granted, name):
            continue
        kwargs = schema_of(task, schemas)
        properties = {
            **general["properties"],
            "task": {"const": name},
            "args": {"type": "array", "maxItems": 0},
            "kwargs": kwargs,
        }
        required = ["task", "kwargs"] if kwargs["required"] else ["task"]
        summary = (task.__doc__ or "").strip().partition("\n")[0]
        schemas[name] = {
            **general,
            "title": name,
            "description": summary,
            "properties": properties,
            "required": required,
        }
        found.append({"$ref": f"#/components/schemas/{name}"})
    if found:
        content = document["paths"]["/api/jobs"]["post"]["requestBody"]["content"]["application/json"]
        content["schema"] = {"anyOf": [*found, {"$ref": f"#/components/schemas/{WANTED_JOB}"}]}
