"""Kubernetes: how the number of pods follows the load: by CPU, or by KEDA from the depth of the queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from offbeat.deployment.budget import concurrency
from offbeat.deployment.exporters.kubernetes_objects import manifest

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import Platform, Service

JOBS_A_SLOT = 10
"""Jobs that may wait for each process, thread or greenlet of a pod before another pod is started."""
LONGEST_WAIT = 60
"""Seconds that the oldest job of a queue may wait: at twice that, there are twice as many pods."""
PROMETHEUS = "http://prometheus-server.monitoring.svc:9090"


def scales(service: Service) -> bool:
    return service.instances.max > max(service.instances.min, 1)


def scalers(target: Target, service: Service) -> list[dict[str, Any]]:
    """Give what scales a service, when its instances are a range."""
    if not scales(service):
        return []
    if service.queues and target.options.keda:
        return [_keda(target, service)]
    return [_cpu(target, service)]


def _cpu(target: Target, service: Service) -> dict[str, Any]:
    aim = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
    }
    spec: dict[str, Any] = {
        "scaleTargetRef": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": target.called(service.name),
        },
        "minReplicas": max(service.instances.min, 1),
        "maxReplicas": service.instances.max,
        "metrics": [aim],
    }
    if service.queues:
        # A worker that is taken away hands its jobs back: not every minute.
        spec["behavior"] = {"scaleDown": {"stabilizationWindowSeconds": 600}}
    return manifest(
        target, "autoscaling/v2", "HorizontalPodAutoscaler", service.name, component=service.name, spec=spec
    )


def _keda(target: Target, service: Service) -> dict[str, Any]:
    spec = {
        "scaleTargetRef": {"name": target.called(service.name)},
        # Never 0: the reconciler, which mends what was lost, lives in the workers.
        "minReplicaCount": max(service.instances.min, 1),
        "maxReplicaCount": service.instances.max,
        "cooldownPeriod": 600,
        "triggers": [each for queue in service.queues for each in _triggers(target, service, queue)],
    }
    return manifest(
        target, "keda.sh/v1alpha1", "ScaledObject", service.name, component=service.name, spec=spec
    )


def _list_of(platform: Platform, queue: str) -> str:
    """Give the name of a queue's list in Redis, as kombu's transport names it."""
    said = {each.name: each.default for each in platform.env}.get("REDIS_PREFIX")
    return f"{said or platform.name}:{queue}"


def _triggers(target: Target, service: Service, queue: str) -> list[dict[str, Any]]:
    depth = str(JOBS_A_SLOT * concurrency(target.sized(service), target.platform)[1])
    if target.options.keda == "redis":
        # KEDA takes host:port, not a redis:// address: REDIS_ADDRESS goes into the Secret beside it.
        metadata = {
            "addressFromEnv": "REDIS_ADDRESS",
            "listName": _list_of(target.platform, queue),
            "listLength": depth,
        }
        return [{"type": "redis", "metadata": metadata}]
    # The larger answer counts: many short jobs are seen by their number, a few long ones by how long the first one waits.
    waits = _prometheus(f'max(offbeat_queue_oldest_age_seconds{{queue="{queue}"}})', str(LONGEST_WAIT))
    return [
        _prometheus(f'max(offbeat_queue_depth{{queue="{queue}"}})', depth),
        waits | {"metricType": "Value"},  # of all pods together, and not for each
    ]


def _prometheus(query: str, threshold: str) -> dict[str, Any]:
    metadata = {"serverAddress": PROMETHEUS, "query": query, "threshold": threshold}
    return {"type": "prometheus", "metadata": metadata}
