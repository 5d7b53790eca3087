"""Google Cloud Run: a service, a worker pool, jobs; and the commands that make Cloud Scheduler start the jobs."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.environment import asked, fixed_values
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.plans import Plan
from offbeat.deployment.exporters.texts import comment, yaml_text
from offbeat.variables.weak_secrets import RECIPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import Service

# Below one CPU, Cloud Run allows one request at a time; below 512 MiB, only its older environment is there.
PLANS = tuple(
    Plan(f"{cpus} vCPU", cpus, most, least=least)
    for cpus, least, most in (
        (1, 512, 4096),
        (2, 512, 8192),
        (4, 2048, 16384),
        (6, 4096, 24576),
        (8, 4096, 32768),
    )
)

FACTS = Facts(
    title="Google Cloud Run",
    console=Console(
        where=(
            "In a terminal on your own machine, with `gcloud`; `PROJECT` and `REGION` are those of `setup.sh`. "
            "Cloud Run opens no shell in a container. The job `<name>-release` runs any command with the same "
            "image and the same variables:"
        ),
        run="gcloud run jobs execute <name>-release --wait{password} --args={commas}",
        opens=('export CLOUDSDK_CORE_PROJECT="$PROJECT" CLOUDSDK_RUN_REGION="$REGION"',),
        password=" --update-env-vars=DJANGO_SUPERUSER_PASSWORD='...'",  # noqa: S106 - a blank
        answers=(
            "What a command prints is in the log: `gcloud logging read "
            "'resource.labels.job_name=\"<name>-release\"' --limit 20 --format 'value(textPayload)'`."
        ),
        fire='`gcloud scheduler jobs run <name>-prune-jobs --location "$REGION"`.',
        state="`gcloud run worker-pools describe <name>-worker`",
        worker=(
            "`gcloud run worker-pools replace deploy/cloudrun/worker.yaml`: it has a fixed number of instances, at "
            "least one"
        ),
        logs="`gcloud run services logs read <name>-web`",
        variables="`gcloud run services describe <name>-web`, and Secret Manager",
        crons='`gcloud scheduler jobs list --location "$REGION"`, `gcloud run jobs executions list`',
    ),
    proved_by="SchemaStore's cloud-run-v1.json, worker pools by that of services; setup.sh by bash",
    files=("deploy/cloudrun/*.yaml", "deploy/cloudrun/setup.sh"),
    cron="a job each, started by Cloud Scheduler, at least once",
    zone="each",
    overlap="runs may overlap",
    drift="not stated; rarely twice, by its own documentation",
    grace=10,
    longest_name=49,
    expands=r"\$\$",
    grace_unset="10 s, always",
    release="a job, run by hand or by the pipeline before the deploy",
    hosts="ALLOWED_HOSTS: no variable holds the service's address",
    resources="Cloud SQL and Memorystore, by a connector or direct VPC; their addresses are secrets",
    rabbitmq="yours",
    makes_rabbitmq=True,
    servers="own",
    plans=PLANS,
    scales_workers=False,
    starts_from_zero=True,
    leaves_out_optional=True,
    notes=(
        "release: nothing runs it by itself: the pipeline executes the job and waits before it replaces the services",
    ),
    assumed=frozenset({"floor"}),
    unverified=(
        "that a worker pool gets 10 s of grace as a service does",
        "the shortest interval of Cloud Scheduler (1 min, from a secondary source)",
    ),
    sources=(
        "cloud.google.com/run/docs/reference/yaml/v1",
        "cloud.google.com/scheduler/docs",
        "docs.cloud.google.com/run/docs/configuring/jobs/cpu",
    ),
)

FOLDER = "deploy/cloudrun"


def files(target: Target) -> tuple[File, ...]:
    documents = {each.name: _service(target, each) for each in target.platform.services}
    documents |= {f"job-{name}": _job(target, name, command) for name, command in _jobs(target)}
    written = [
        File(f"{FOLDER}/{name}.yaml", yaml_text(each, header=target.header))
        for name, each in documents.items()
    ]
    return (*written, File(f"{FOLDER}/setup.sh", _setup(target)))


def _jobs(target: Target) -> Iterator[tuple[str, str]]:
    if target.platform.release:
        yield "release", target.platform.release
    commands = {each.cronjob: each.command for each in target.wake_ups}
    yield from commands.items()


def _service(target: Target, service: Service) -> dict[str, Any]:
    low, high = service.instances.min, service.instances.max
    kind = "Service" if service.port else "WorkerPool"
    document: dict[str, Any] = {
        "apiVersion": "serving.knative.dev/v1" if service.port else "run.googleapis.com/v1",
        "kind": kind,
        "metadata": {"name": target.called(service.name)},
    }
    if service.port:
        scale = {"autoscaling.knative.dev/minScale": str(low), "autoscaling.knative.dev/maxScale": str(high)}
        annotations = {"metadata": {"annotations": scale}}
    else:
        document["metadata"]["annotations"] = {"run.googleapis.com/manualInstanceCount": str(max(low, 1))}
        annotations = {}
    document["spec"] = {"template": annotations | {"spec": {"containers": [_container(target, service)]}}}
    return document


def _container(target: Target, service: Service) -> dict[str, Any]:
    plan = target.plan_of(service)
    limits = {"cpu": f"{plan.cpu:g}", "memory": f"{plan.memory}Mi"}
    container: dict[str, Any] = {
        "image": target.image,
        "command": service.argv[:1],
        "args": _args(target, service, service.argv),
        "env": _env(target, service),
        "resources": {"limits": limits},
    }
    if service.port:
        container["ports"] = [{"containerPort": service.port}]
        if service.health:
            probe = {"httpGet": {"path": service.health, "port": service.port}}
            container["startupProbe"] = probe | {"periodSeconds": 5, "failureThreshold": 12}
            container["livenessProbe"] = probe | {"periodSeconds": 10, "timeoutSeconds": 5}
    return container


def _job(target: Target, name: str, command: str) -> dict[str, Any]:
    argv = shlex.split(command)
    limit = 900 if name == "release" else 120
    container = {
        "image": target.image,
        "command": argv[:1],
        "args": _args(target, None, argv),
        "env": _env(target, None),
    }
    # A wake-up that failed is made good by the next; a release that failed must be seen.
    task = {"containers": [container], "maxRetries": 0, "timeoutSeconds": limit}
    return {
        "apiVersion": "run.googleapis.com/v1",
        "kind": "Job",
        "metadata": {"name": target.called(name)},
        "spec": {"template": {"spec": {"taskCount": 1, "template": {"spec": task}}}},
    }


def _env(target: Target, service: Service | None) -> list[dict[str, Any]]:
    values = fixed_values(target, service)
    values.pop("PORT", None)  # Cloud Run sets it, and refuses a container that does
    plain = [{"name": name, "value": _unreferenced(value, values)} for name, value in values.items()]
    secret = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": name, "key": "latest"}}}
        for name in _secrets(target)
    ]
    return [*plain, *secret]


def _args(target: Target, service: Service | None, argv: list[str]) -> list[str]:
    return [_unreferenced(word, fixed_values(target, service)) for word in argv[1:]]


def _unreferenced(text: str, known: Iterable[str]) -> str:
    """Escape references to variables that are there: of others, $(NAME) is left as it is."""
    return re.sub(rf"\$(?=\((?:{'|'.join(known)})\))", "$$", text)


def _secrets(target: Target) -> list[str]:
    """Give what Secret Manager has to hold; optional variables are added by whoever wants them."""
    required = [each.name for each in asked(target.platform) if each.required or each.generated]
    return [*target.platform.resources.injected, *required]


# `create` refuses a schedule that is there, and `update` one that is not.
SCHEDULE = """\
schedule() {
    local name=$1 verb=create
    shift
    local place=(--project "$PROJECT" --location "$REGION")
    if gcloud scheduler jobs describe "$name" "${place[@]}" >/dev/null 2>&1; then verb=update; fi
    gcloud scheduler jobs "$verb" http "$name" "$@" "${place[@]}" \\
        --http-method POST --oauth-service-account-email "$SCHEDULER_ACCOUNT"
}
"""


def _setup(target: Target) -> str:
    head = ["#!/usr/bin/env bash", comment(target.header).rstrip()]
    head += [
        "# May be run again, after every export.",
        "# Needs PROJECT, REGION and SCHEDULER_ACCOUNT (a service account that may run the jobs).",
        "set -euo pipefail",
        'export CLOUDSDK_RUN_REGION="$REGION"',
        "",
    ]
    head += [SCHEDULE] if target.wake_ups else []
    return "\n".join([*head, *_commands(target)]) + "\n"


def _commands(target: Target) -> Iterator[str]:
    generated = {each.name for each in target.platform.env if each.generated}
    for secret in _secrets(target):
        known = f'gcloud secrets describe {secret} --project "$PROJECT" >/dev/null'
        if secret in generated:
            yield f"{known} 2>&1 || {RECIPE} | tr -d '\\n' |"
            yield f'    gcloud secrets create {secret} --project "$PROJECT" --data-file=-'
        else:
            yield f"{known}  # make it first: gcloud secrets create"
    for job, _ in _jobs(target):
        yield f'gcloud run jobs replace {FOLDER}/job-{job}.yaml --project "$PROJECT" --region "$REGION"'
    if target.platform.release:
        yield f'gcloud run jobs execute {target.called("release")} --wait --project "$PROJECT" --region "$REGION"'
    for service in target.platform.services:
        # `worker-pools replace` has no --region, and reads CLOUDSDK_RUN_REGION.
        kind, place = ("services", ' --region "$REGION"') if service.port else ("worker-pools", "")
        yield f'gcloud run {kind} replace {FOLDER}/{service.name}.yaml --project "$PROJECT"{place}'
    for each in target.wake_ups:
        uri = f"https://run.googleapis.com/v2/projects/$PROJECT/locations/$REGION/jobs/{target.called(each.cronjob)}:run"
        yield f"schedule {target.called(each.name)} --schedule '{each.line}' --time-zone '{each.zone}' --uri \"{uri}\""
