"""What Kubernetes runs: the pods of services and of jobs that run once, for the restricted pod security standard."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from offbeat.deployment import budget
from offbeat.deployment.exporters.environment import particular_values
from offbeat.deployment.exporters.kubernetes_objects import labels
from offbeat.deployment.exporters.texts import unreferenced

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import Service

USER = 10001
"""The user of the Dockerfile, as a number: only so can Kubernetes tell that it is not root."""
CRONJOBS = "cron-job"
"""The component that wake-ups are: with a hyphen, so that no service is, whose selectors would take them."""
SCRATCH = "/tmp"  # noqa: S108 - the one place that can be written
DRAIN = 5
"""Seconds in which a stopping web pod still answers: routers forget it a little after it is told to stop."""
POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def service_pod(target: Target, service: Service) -> dict[str, Any]:
    grace = target.grace(service) + (DRAIN if service.port else 0)
    return _pod(target, [_service_container(target, service)]) | {"terminationGracePeriodSeconds": grace}


def run_once(target: Target, name: str, command: str, *, seconds: int) -> dict[str, Any]:
    """Give a Job that runs once: a wake-up that failed is made good by the next, not by the same again."""
    container = _container(target, name, shlex.split(command), cpu=0.1, memory=256)
    component = "release" if name == "release" else CRONJOBS
    template = {
        "metadata": {"labels": labels(target, component)},
        "spec": {"restartPolicy": "Never", **_pod(target, [container])},
    }
    return {"backoffLimit": 0, "activeDeadlineSeconds": seconds, "template": template}


def _pod(target: Target, containers: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "serviceAccountName": f"{target.platform.name}-app",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        "containers": containers,
        "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": f"{budget.SCRATCH}Mi"}}],
    }


def _container(target: Target, name: str, argv: list[str], *, cpu: float, memory: int) -> dict[str, Any]:
    prefix = target.platform.name
    return {
        "name": name,
        "image": target.image,
        "args": [unreferenced(word) for word in argv],
        "envFrom": [
            {"configMapRef": {"name": f"{prefix}-config"}},
            {"secretRef": {"name": f"{prefix}-secrets"}},
        ],
        # No limit on CPU: throttled, a process is late for its own heartbeat.
        "resources": {
            "requests": {"cpu": f"{round(cpu * 1000)}m", "memory": f"{memory}Mi"},
            "limits": {"memory": f"{memory}Mi"},
        },
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [{"name": "tmp", "mountPath": SCRATCH}],
    }


def _service_container(target: Target, service: Service) -> dict[str, Any]:
    container = _container(target, service.name, service.argv, cpu=service.cpu, memory=service.memory)
    container["env"] = [
        {"name": name, "value": unreferenced(value)}
        for name, value in particular_values(target, service).items()
    ]
    if service.port:
        container["ports"] = [{"name": "http", "containerPort": service.port}]
        container["lifecycle"] = {"preStop": {"exec": {"command": ["sleep", str(DRAIN)]}}}
    container |= _probes(service)
    return {key: value for key, value in container.items() if value != []}


def _probes(service: Service) -> dict[str, Any]:
    if service.health is None:
        return {}
    if not service.port:
        alive = {
            "exec": {"command": [unreferenced(word) for word in shlex.split(service.health)]},
            "periodSeconds": 15,
            "timeoutSeconds": 5,
            "failureThreshold": 4,
        }
        return {"livenessProbe": alive | {"initialDelaySeconds": 30}}
    alive = {"httpGet": {"path": service.health, "port": "http"}, "periodSeconds": 10, "timeoutSeconds": 5}
    ready = {
        "httpGet": {"path": service.ready or service.health, "port": "http"},
        "periodSeconds": 5,
        "timeoutSeconds": 5,
    }
    started = {
        "httpGet": {"path": service.health, "port": "http"},
        "periodSeconds": 2,
        "failureThreshold": 30,
    }
    return {"startupProbe": started, "livenessProbe": alive, "readinessProbe": ready}
