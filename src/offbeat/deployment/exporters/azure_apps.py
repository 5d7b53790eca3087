"""Azure Container Apps: the environment, apps and jobs, as resources of an ARM template."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters.environment import HOSTS, fixed_values, needed
from offbeat.deployment.exporters.plans import Plan
from offbeat.deployment.exporters.texts import unreferenced

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.exporters.wakeups import WakeUp
    from offbeat.deployment.spec import EnvVar, Platform, Service

Object = dict[str, Any]

VERSION = "2025-07-01"
CRON_PLAN = Plan("0.25 vCPU", 0.25, 512)
"""Of the release and of wake-ups, which take about a second and 100 MiB."""
CRON_LIMIT, RELEASE_LIMIT = 300, 1800  # seconds
HEALTH_PORT = 8001
"""Where a worker says whether it is well."""
REQUESTS = 40
"""Requests at once for each instance of web before another is started."""
IMAGE = "[parameters('containerImage')]"
LOCATION = "[resourceGroup().location]"


def release(target: Target) -> list[Object]:
    """Give what must be there before the first app: logs, the environment, the release's job."""
    resources = [_workspace(target), _environment(target)]
    if target.platform.release:
        job = _job(target, "release", shlex.split(target.platform.release), RELEASE_LIMIT)
        job["properties"]["configuration"] |= {"triggerType": "Manual", "manualTriggerConfig": _once()}
        resources.append(job | {"dependsOn": [_environment_id(target)]})
    return resources


def apps(target: Target) -> list[Object]:
    services = [_app(target, each) for each in target.platform.services]
    return [*services, *(_cron_job(target, each) for each in target.wake_ups)]


def workspace(target: Target) -> str:
    return target.called("logs")


def _workspace(target: Target) -> Object:
    properties = {"sku": {"name": "PerGB2018"}, "retentionInDays": 30}
    kind = "Microsoft.OperationalInsights/workspaces"
    return _resource(kind, "2023-09-01", workspace(target), properties)


def _environment(target: Target) -> Object:
    logs = f"resourceId('Microsoft.OperationalInsights/workspaces', '{workspace(target)}')"
    analytics = {
        "customerId": f"[reference({logs}, '2023-09-01').customerId]",
        "sharedKey": f"[listKeys({logs}, '2023-09-01').primarySharedKey]",
    }
    properties = {
        "appLogsConfiguration": {"destination": "log-analytics", "logAnalyticsConfiguration": analytics},
        # Without a profile, two CPUs are the most that an app gets.
        "workloadProfiles": [{"name": "Consumption", "workloadProfileType": "Consumption"}],
    }
    name = target.fit(target.platform.name)
    environment = _resource("Microsoft.App/managedEnvironments", VERSION, name, properties)
    return environment | {"dependsOn": [f"[{logs}]"]}


def _environment_id(target: Target) -> str:
    return f"[{_environment_reference(target)}]"


def _environment_reference(target: Target) -> str:
    return f"resourceId('Microsoft.App/managedEnvironments', '{target.fit(target.platform.name)}')"


def _resource(kind: str, version: str, name: str, properties: Object) -> Object:
    known = {"type": kind, "apiVersion": version, "name": name, "location": LOCATION}
    return known | {"properties": properties}


def _app(target: Target, service: Service) -> Object:
    configuration: Object = {"activeRevisionsMode": "Single", **_private(target)}
    if service.port:
        ingress = {"external": True, "targetPort": service.port, "transport": "auto", "allowInsecure": False}
        configuration["ingress"] = ingress
    container = _container(target, service.name, service.argv, target.plan_of(service), service)
    template = {
        "terminationGracePeriodSeconds": target.grace(service),
        "containers": [container | _probes(service)],
        "scale": _scale(service),
    }
    return _of_environment(target, "containerApps", service.name, configuration, template)


def _of_environment(target: Target, kind: str, name: str, configuration: Object, template: Object) -> Object:
    properties = {
        "environmentId": _environment_id(target),
        "workloadProfileName": "Consumption",
        "configuration": configuration,
        "template": template,
    }
    return _resource(f"Microsoft.App/{kind}", VERSION, target.called(name), properties)


def _cron_job(target: Target, wake_up: WakeUp) -> Object:
    job = _job(target, wake_up.name, shlex.split(wake_up.command), CRON_LIMIT)
    schedule = {"cronExpression": wake_up.line, **_once()}
    job["properties"]["configuration"] |= {"triggerType": "Schedule", "scheduleTriggerConfig": schedule}
    return job


def _job(target: Target, name: str, argv: list[str], limit: int) -> Object:
    # A wake-up that failed is made good by the next; a release that failed must be seen.
    configuration = {"replicaTimeout": limit, "replicaRetryLimit": 0, **_private(target)}
    template = {"containers": [_container(target, name, argv, CRON_PLAN, None)]}
    return _of_environment(target, "jobs", name, configuration, template)


def _once() -> Object:
    return {"parallelism": 1, "replicaCompletionCount": 1}


def _container(target: Target, name: str, argv: list[str], plan: Plan, service: Service | None) -> Object:
    return {
        "name": target.fit(name),
        "image": IMAGE,
        "command": [literal(each) for each in argv[:1]],
        "args": [literal(each) for each in argv[1:]],
        "env": _env(target, service),
        "resources": {"cpu": plan.cpu, "memory": f"{plan.memory / 1024:g}Gi"},
    }


def literal(text: str) -> str:
    """Give text that neither ARM takes for an expression, which begins and ends with a bracket, nor the cluster expands."""
    kept = unreferenced(text)
    return f"[{kept}" if kept.startswith("[") and kept.endswith("]") else kept


def _env(target: Target, service: Service | None) -> list[Object]:
    values = {name: literal(value) for name, value in fixed_values(target, service).items()}
    if service and service.queues:
        values["HEALTH_PORT"] = str(HEALTH_PORT)
    values |= {each.name: _asked(target, each) for each in needed(target.platform) if not each.is_secret}
    secret = [{"name": name, "secretRef": secret_name(name)} for name in _secrets(target.platform)]
    return [*({"name": name, "value": value} for name, value in values.items()), *secret]


def _asked(target: Target, variable: EnvVar) -> str:
    """Give a parameter; the site's name is known when the environment is there."""
    parameter = f"parameters('{variable.name}')"
    web = next((each for each in target.platform.services if each.port), None)
    if variable.name != HOSTS or not web:
        return f"[{parameter}]"
    domain = f"reference({_environment_reference(target)}, '{VERSION}').defaultDomain"
    return f"[if(empty({parameter}), concat('{target.called(web.name)}.', {domain}), {parameter})]"


def _secrets(platform: Platform) -> list[str]:
    return [*platform.resources.injected, *(each.name for each in needed(platform) if each.is_secret)]


def secret_name(variable: str) -> str:
    """Give a variable's name as Azure names secrets: lower case, hyphens, neither end a hyphen; A and A_ are two."""
    bare = variable.rstrip("_")
    return f"env{len(variable) - len(bare) or ''}-{bare.lower().replace('_', '-')}"


def _private(target: Target) -> Object:
    """Give the secrets, and the registries that the image may be pulled from with one of them."""
    secrets = [
        {"name": secret_name(name), "value": f"[parameters('{name}')]"} for name in _secrets(target.platform)
    ]
    secrets.append({"name": "registry-password", "value": "[parameters('registryPassword')]"})
    return {"secrets": secrets, "registries": "[parameters('registries')]"}


def _probes(service: Service) -> Object:
    if service.queues:
        # Sixty seconds are the longest delay; a worker that starts has a minute more.
        alive = {"path": "/healthz", "port": HEALTH_PORT}
        delay = {"initialDelaySeconds": 60, "periodSeconds": 15, "timeoutSeconds": 5, "failureThreshold": 4}
        return {"probes": [{"type": "Liveness", "httpGet": alive, **delay}]}
    if not service.port or not service.health:
        return {}
    alive = {"path": service.health, "port": service.port}
    ready = {"path": service.ready or service.health, "port": service.port}
    return {
        "probes": [
            {"type": "Startup", "httpGet": alive, "periodSeconds": 6, "failureThreshold": 10},
            {"type": "Liveness", "httpGet": alive, "periodSeconds": 10, "timeoutSeconds": 5},
            {"type": "Readiness", "httpGet": ready, "periodSeconds": 5, "timeoutSeconds": 5},
        ]
    }


def _scale(service: Service) -> Object:
    # Only a request starts what is at zero, and only web gets any.
    low = service.instances.min if service.port else max(service.instances.min, 1)
    scale: Object = {"minReplicas": low, "maxReplicas": max(service.instances.max, low)}
    if service.instances.max > low:
        scale["rules"] = [_http() if service.port else _cpu()]
    return scale


def _http() -> Object:
    return {"name": "http", "http": {"metadata": {"concurrentRequests": str(REQUESTS)}}}


def _cpu() -> Object:
    return {"name": "cpu", "custom": {"type": "cpu", "metadata": {"type": "Utilization", "value": "70"}}}
