"""JSON schemas: those that platforms publish, and closed lists of keys where a platform publishes prose only."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
Schema = dict[str, Any]
TEXT, NUMBER, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
NAME = {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,30}[a-z0-9]$"}


def published(name: str) -> Schema:
    schema: Schema = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return schema


def closed(required: str = "", /, **properties: Any) -> Schema:
    """Give the schema of an object that has these keys and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required.split(),
        "properties": properties,
    }


def listed(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def mapped(schema: Schema) -> Schema:
    return {"type": "object", "additionalProperties": schema}


def one_of(*values: Any) -> Schema:
    return {"enum": list(values)}


# render.com/docs/blueprint-spec
_RENDER_VARIABLE = {
    "oneOf": [
        closed("key value", key=TEXT, value=TEXT),
        closed("key generateValue", key=TEXT, generateValue=one_of(True)),
        closed("key sync", key=TEXT, sync=one_of(False)),
        closed("key fromDatabase", key=TEXT, fromDatabase=closed("name property", name=TEXT, property=TEXT)),
        closed(
            "key fromService",
            key=TEXT,
            fromService=closed("type name", type=TEXT, name=TEXT, property=TEXT, envVarKey=TEXT),
        ),
    ]
}
_RENDER_PLAN = one_of("starter", "standard", "pro", "pro plus", "pro max", "pro ultra")
_RENDER_DOCKER = {
    "name": TEXT,
    "runtime": one_of("docker"),
    "plan": _RENDER_PLAN,
    "branch": TEXT,
    "dockerfilePath": TEXT,
    "dockerContext": TEXT,
    "dockerCommand": TEXT,
    "envVars": listed(_RENDER_VARIABLE),
}
_RENDER_RUNNING = _RENDER_DOCKER | {
    "numInstances": {"type": "integer", "minimum": 1},
    "maxShutdownDelaySeconds": {"type": "integer", "minimum": 1, "maximum": 300},
    "scaling": closed(
        "minInstances maxInstances",
        minInstances={"type": "integer", "minimum": 1},
        maxInstances={"type": "integer", "minimum": 1},
        targetCPUPercent={"type": "integer", "minimum": 1, "maximum": 90},
    ),
    "preDeployCommand": TEXT,
}
RENDER = closed(
    "services",
    services=listed(
        {
            "oneOf": [
                closed("type name runtime", type=one_of("web"), healthCheckPath=TEXT, **_RENDER_RUNNING),
                closed("type name runtime", type=one_of("worker"), **_RENDER_RUNNING),
                closed("type name runtime schedule", type=one_of("cron"), schedule=TEXT, **_RENDER_DOCKER),
                closed(
                    "type name ipAllowList",
                    type=one_of("keyvalue"),
                    name=TEXT,
                    plan=_RENDER_PLAN,
                    maxmemoryPolicy=one_of("noeviction"),
                    ipAllowList=listed(TEXT),
                ),
            ]
        }
    ),
    databases=listed(
        closed("name", name=TEXT, plan=TEXT, postgresMajorVersion=TEXT, ipAllowList=listed(TEXT))
    ),
)

# digitalocean/openapi: apps/models/app_spec.yml and what it refers to; `kind: SCHEDULED`, `schedule` and `timeout` of a
# job are in digitalocean/godo only.
_DO_VARIABLE = closed(
    "key",
    key={"type": "string", "pattern": "^[_A-Za-z][_A-Za-z0-9]*$"},
    scope=one_of("RUN_TIME", "BUILD_TIME", "RUN_AND_BUILD_TIME"),
    type=one_of("GENERAL", "SECRET"),
    value=TEXT,
)
_DO_SHARED = {
    "name": NAME,
    "github": closed("repo", repo=TEXT, branch=TEXT, deploy_on_push=FLAG),
    "dockerfile_path": TEXT,
    "run_command": TEXT,
    "envs": listed(_DO_VARIABLE),
    "instance_count": {"type": "integer", "minimum": 1},
    "instance_size_slug": {"type": "string", "pattern": r"^apps-[sd]-\d+vcpu-[\d.]+gb(-fixed)?$"},
    "termination": closed(grace_period_seconds={"type": "integer", "minimum": 1, "maximum": 600}),
}
_DO_SCALED = {
    "autoscaling": closed(
        "min_instance_count max_instance_count",
        min_instance_count={"type": "integer", "minimum": 1},
        max_instance_count={"type": "integer", "minimum": 1},
        metrics=closed(cpu=closed("percent", percent={"type": "integer", "minimum": 1, "maximum": 100})),
    )
}
DIGITALOCEAN = closed(
    "name",
    name=NAME,
    region=TEXT,
    envs=listed(_DO_VARIABLE),
    databases=listed(
        closed(
            "name engine",
            name=NAME,
            engine=one_of("PG", "REDIS", "VALKEY"),
            version=TEXT,
            production=FLAG,
            cluster_name=TEXT,
        )
    ),
    services=listed(
        closed(
            "name",
            http_port={"type": "integer", "minimum": 1, "maximum": 65535},
            health_check=closed(
                http_path=TEXT, initial_delay_seconds=NUMBER, period_seconds=NUMBER, timeout_seconds=NUMBER
            ),
            **_DO_SHARED,
            **_DO_SCALED,
        )
    ),
    workers=listed(closed("name", **_DO_SHARED, **_DO_SCALED)),
    jobs=listed(
        closed(
            "name kind",
            kind=one_of("PRE_DEPLOY", "SCHEDULED"),
            schedule=closed("cron", cron=TEXT, time_zone=TEXT),
            timeout={"type": "string", "pattern": r"^\d+s$"},
            **_DO_SHARED,
        )
    ),
)

# dokku.com/docs/appendices/file-formats/app-json
DOKKU = closed(
    name=TEXT,
    description=TEXT,
    formation=mapped(closed(quantity={"type": "integer", "minimum": 0}, max_parallel=NUMBER)),
    healthchecks=mapped(
        listed(
            closed(
                "type",
                type=one_of("startup", "readiness", "liveness"),
                name=TEXT,
                path=TEXT,
                attempts=NUMBER,
                wait=NUMBER,
                timeout=NUMBER,
            )
        )
    ),
    cron=listed(
        closed(
            "command schedule",
            command=TEXT,
            schedule=TEXT,
            concurrency_policy=one_of("allow", "forbid", "replace"),
        )
    ),
    scripts=mapped(TEXT),
)

# doc.scalingo.com: "app manifest" for scalingo.json, "scheduled tasks" for cron.json
SCALINGO = closed(
    name=TEXT,
    description=TEXT,
    repository=TEXT,
    env=mapped(
        closed(description=TEXT, value=TEXT, required=FLAG, generator=one_of("secret", "url", "template"))
    ),
    addons=listed(closed("plan", plan=TEXT, options=mapped(TEXT))),
    formation=mapped(
        closed(
            "amount", amount={"type": "integer", "minimum": 0}, size=one_of("S", "M", "L", "XL", "2XL", "3XL")
        )
    ),
    scripts=mapped(TEXT),
)
SCALINGO_CRON = closed("jobs", jobs=listed(closed("command", command=TEXT, size=TEXT)) | {"maxItems": 5})

# devcenter.heroku.com/articles/build-docker-images-heroku-yml
_HEROKU_PROCESS = {"anyOf": [TEXT, closed("image", command=listed(TEXT), image=TEXT)]}
HEROKU_YML = closed(
    "build",
    setup=closed(addons=listed(closed("plan", plan=TEXT, **{"as": TEXT})), config=mapped(TEXT)),
    build=closed("docker", docker=mapped(TEXT), config=mapped(TEXT)),
    release=closed("image command", image=TEXT, command=listed(TEXT)),
    run=mapped(_HEROKU_PROCESS),
)

# Kamal's reference of its own keys (lib/kamal/configuration/docs of 2.12), as far as we print them
_KAMAL_ENV = closed(clear=mapped(TEXT), secret=listed(TEXT))
_KAMAL_HOSTS = {"type": "array", "items": TEXT, "minItems": 1}
_KAMAL_ROLE = closed(
    "hosts",
    hosts=_KAMAL_HOSTS,
    cmd=TEXT,
    stop_timeout=NUMBER,
    options=mapped({"type": ["string", "boolean"]}),
    env=_KAMAL_ENV,
    proxy=FLAG,
)
KAMAL = closed(
    "service image servers registry builder",
    service={"type": "string", "pattern": "^[a-zA-Z0-9_-]+$"},
    image=TEXT,
    minimum_version=TEXT,
    primary_role=TEXT,
    servers=mapped(_KAMAL_ROLE),
    proxy=closed(
        "host app_port",
        host=TEXT,
        ssl=FLAG,
        app_port=NUMBER,
        healthcheck=closed(path=TEXT, interval=NUMBER, timeout=NUMBER),
    ),
    registry=closed("username password", server=TEXT, username=_KAMAL_HOSTS, password=_KAMAL_HOSTS),
    builder=closed("arch", arch=one_of("amd64", "arm64")),
    env=_KAMAL_ENV,
    deploy_timeout=NUMBER,
    drain_timeout=NUMBER,
    accessories=mapped(
        closed(
            "image host",
            image=TEXT,
            host=TEXT,
            cmd=TEXT,
            env=_KAMAL_ENV,
            volumes=listed(TEXT),
            options=mapped(TEXT),
        )
    ),
)
