"""Azure Container Apps: an ARM template for the release, one for what runs, and the script that deploys both in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters import azure_apps
from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.environment import HOSTS, needed, to_fill_in
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.plans import Plan
from offbeat.deployment.exporters.texts import comment, json_text

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target

# Memory is twice the CPUs; the profile "Consumption" ends at four.
PLANS = tuple(Plan(f"{quarters / 4:g} vCPU", quarters / 4, 512 * quarters) for quarters in range(1, 17))

FACTS = Facts(
    title="Azure Container Apps",
    console=Console(
        where=("In a terminal on your own machine, with `az`; `GROUP` is the resource group of `deploy.sh`."),
        run='az containerapp exec --resource-group "$GROUP" --name <name>-web --command "{command}"',
        fire=(
            '`az containerapp job start --resource-group "$GROUP" --name <name>-prune-jobs`. Its output is in the '
            "log workspace."
        ),
        state='`az containerapp replica list --resource-group "$GROUP" --name <name>-worker`',
        worker=(
            '`az containerapp revision list --resource-group "$GROUP" --name <name>-worker`, then `az containerapp '
            "revision restart`"
        ),
        logs='`az containerapp logs show --resource-group "$GROUP" --name <name>-web --follow`',
        variables=(
            '`az containerapp show --resource-group "$GROUP" --name <name>-web --query '
            "properties.template.containers`"
        ),
        crons='`az containerapp job execution list --resource-group "$GROUP" --name <name>-prune-jobs`',
    ),
    files=(
        "deploy/azure/release.json",
        "deploy/azure/apps.json",
        "deploy/azure/parameters.example.json",
        "deploy/azure/deploy.sh",
    ),
    cron="a job each, of trigger type Schedule",
    overlap="runs may overlap",
    grace=600,
    grace_unset="30 s",
    starts_from_zero=True,
    longest_name=31,
    double_hyphens=False,
    release="a job of trigger type Manual, started and awaited by deploy.sh before the apps change",
    hosts="by itself (web's name and the environment's domain), or the parameter ALLOWED_HOSTS",
    resources="yours: Azure Database for PostgreSQL and Azure Managed Redis, say; their addresses are parameters",
    rabbitmq="yours",
    makes_rabbitmq=True,
    servers="own",
    plans=PLANS,
    leaves_out_optional=True,
    proved_by="the types of npm's @azure/arm-appcontainers; expressions by our own reader; deploy.sh with a replacement for `az`",
    notes=(
        "deploy.sh is the deploy: apps.json alone starts services without the release",
        "a worker is asked over HTTP whether it is well (HEALTH_PORT): Azure runs no command as a probe",
        "in a parameter that you set, write `$$$$` for `$$`, and `$$(` for `$(`: the cluster reads `$$` as one dollar",
        "a secret that changes alone starts nothing again: deploy another image, or restart the revisions",
        "jobs and apps of a former platform.yaml stay: delete them with `az containerapp delete` and `az containerapp job delete`",
    ),
    assumed=frozenset({"floor", "overlap", "grace"}),
    unverified=(
        "the shortest interval of a job (1 min)",
        "that runs of a job may overlap",
        "the longest time from SIGTERM to SIGKILL (600 s)",
        "that an app without ingress is probed",
        "that `$$` is read as one dollar in every value, as it is in secrets",
    ),
    sources=(
        "learn.microsoft.com/azure/container-apps/jobs",
        "learn.microsoft.com/azure/container-apps/health-probes",
        "learn.microsoft.com/azure/templates/microsoft.app/containerapps",
        "learn.microsoft.com/cli/azure/containerapp/job/execution",
        "github.com/microsoft/azure-container-apps/issues/1540 (`$$`)",
    ),
)

FOLDER = "deploy/azure"
SCHEMAS = "https://schema.management.azure.com/schemas"


def files(target: Target) -> tuple[File, ...]:
    documents = {
        "release": _template(target, azure_apps.release(target)),
        "apps": _template(target, azure_apps.apps(target)),
        "parameters.example": _example(target),
    }
    return (
        *(File(f"{FOLDER}/{name}.json", json_text(each)) for name, each in documents.items()),
        File(f"{FOLDER}/deploy.sh", _script(target)),
    )


def _template(target: Target, resources: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "$schema": f"{SCHEMAS}/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "metadata": {"description": target.header},
        "parameters": _parameters(target),
        "resources": resources,
    }


def _parameters(target: Target) -> dict[str, Any]:
    """Give what both templates ask for; the person's values are in one file for both."""
    parameters: dict[str, Any] = {
        "containerImage": {"type": "string", "defaultValue": target.image},
        "registries": {"type": "array", "defaultValue": []},
        "registryPassword": {"type": "secureString", "defaultValue": "none"},
    }
    parameters |= {name: {"type": "secureString"} for name in target.platform.resources.injected}
    for each in needed(target.platform):
        parameters[each.name] = {"type": "secureString" if each.is_secret else "string"}
        if each.name == HOSTS:
            parameters[each.name]["defaultValue"] = ""
    return parameters


def _example(target: Target) -> dict[str, Any]:
    values = dict.fromkeys(target.platform.resources.injected, "an address")
    values |= {each.name: to_fill_in(each) for each in needed(target.platform) if each.name != HOSTS}
    return {
        "$schema": f"{SCHEMAS}/2019-04-01/deploymentParameters.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {name: {"value": value} for name, value in values.items()},
    }


SCRIPT = """\
# GROUP=... PARAMETERS=... deploy/azure/deploy.sh
# GROUP is a resource group that exists, PARAMETERS the filled-in copy of parameters.example.json, outside the repository.
# IMAGE=... deploys another image than platform.yaml names.
set -euo pipefail
: "${GROUP:?should name a resource group}" "${PARAMETERS:?should name a file}"
parameters=$(realpath "$PARAMETERS")
cd "$(dirname "${BASH_SOURCE[0]}")"
image=${IMAGE:-%(image)s}

deploy() {
    az deployment group create --resource-group "$GROUP" --name "%(name)s-$1" --template-file "$1.json" \\
        --parameters "@$parameters" --parameters "containerImage=$image" --output none
}

deploy release
"""
RELEASE = """\

# The release: its job has ended well before anything else sees the new image.
execution=$(az containerapp job start --resource-group "$GROUP" --name %(job)s --query name --output tsv)
state() {
    az containerapp job execution show --resource-group "$GROUP" --name %(job)s --job-execution-name "$execution" \\
        --query properties.status --output tsv
}
# The job's own limit is %(limit)s s.
for _ in $(seq %(tries)s); do
    status=$(state)
    case $status in Succeeded | Failed | Stopped | Degraded) break ;; esac
    sleep 5
done
if [[ $status != Succeeded ]]; then
    echo "The release $execution: $status; nothing else was changed. Its words are in the log workspace %(workspace)s." >&2
    exit 1
fi
"""


def _script(target: Target) -> str:
    limit = azure_apps.RELEASE_LIMIT
    known = {"image": target.image, "name": target.platform.name, "job": target.called("release")}
    known |= {"limit": str(limit), "tries": str(limit // 5 + 60), "workspace": azure_apps.workspace(target)}
    head = f"#!/usr/bin/env bash\n{comment(target.header)}{SCRIPT % known}"
    return f"{head}{RELEASE % known if target.platform.release else ''}\ndeploy apps\n"
