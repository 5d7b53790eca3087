"""Kubernetes: plain manifests with a kustomization, for the restricted pod security standard."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters import kubernetes_network, kubernetes_scalers
from offbeat.deployment.exporters.environment import asked, fixed_values, to_fill_in
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.kubernetes_console import CONSOLE
from offbeat.deployment.exporters.kubernetes_objects import labels, manifest
from offbeat.deployment.exporters.kubernetes_pods import CRONJOBS, run_once, service_pod
from offbeat.deployment.exporters.names import apart
from offbeat.deployment.exporters.texts import yaml_text

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.exporters.wakeups import WakeUp
    from offbeat.deployment.spec import Service

FACTS = Facts(
    title="Kubernetes",
    console=CONSOLE,
    proved_by="kubernetes-validate, strict",
    files=("deploy/kubernetes/*.yaml",),
    cron='a CronJob each: "about once": two jobs might be made, or none',
    zone="each",
    repeated="twice",
    overlap="forbidden here (`concurrencyPolicy`); allowed by default",
    drift="seconds; a start more than 200 s late is skipped",
    grace_unset="30 s",
    release="a Job, applied and awaited before the rest",
    hosts="ALLOWED_HOSTS",
    taken_names=frozenset({"default", "kube-system", "kube-public", "kube-node-lease"}),
    resources="yours: an operator's or a managed one; their addresses go into the Secret",
    rabbitmq="yours: its operator's, say",
    makes_rabbitmq=True,
    servers="own",
    notes=(
        (
            "network: pods reach only the ports that network.yaml lists: the usual ones, and those in defaults of env. "
            "A server at another port needs a NetworkPolicy of your own beside it"
        ),
        "release: `kubectl apply -k` does not run it: apply release.yaml, wait for it, then the rest",
        "the cluster needs 1.27 or newer, for the time zones of CronJobs",
    ),
    sources=(
        "kubernetes.io/docs/concepts/workloads/controllers/cron-jobs",
        "kubernetes/kubernetes issue 121594 and robfig/cron's spec.go: what a change of the clock repeats runs twice",
        "kubernetes.io/docs/concepts/security/pod-security-standards",
    ),
)

FOLDER = "deploy/kubernetes"
OWN_FILES = {"namespace", "config", "cronjobs", "network", "release", "kustomization"}
"""What a service's file may not be called: it would take the place of one of ours."""


def files(target: Target) -> tuple[File, ...]:
    parts: dict[str, list[dict[str, Any]]] = {
        "namespace": [_namespace(target)],
        "config": [_config(target), _account(target)],
    }
    for service in target.platform.services:
        parts[apart(service.name, OWN_FILES)] = [_deployment(target, service), *_around(target, service)]
    if target.wake_ups:
        parts["cronjobs"] = [_cron_job(target, each) for each in target.wake_ups]
    parts["network"] = kubernetes_network.policies(target)
    applied = [f"{name}.yaml" for name in parts]
    if target.platform.release:
        parts["release"] = [_release(target)]
    parts["secrets.example"] = [_secrets(target)]
    headers = {"network": f"{target.header}\n\n{kubernetes_network.note(target)}"}
    written = [
        File(f"{FOLDER}/{name}.yaml", yaml_text(*each, header=headers.get(name, target.header)))
        for name, each in parts.items()
    ]
    return (
        File(
            f"{FOLDER}/kustomization.yaml", yaml_text(_kustomization(target, applied), header=target.header)
        ),
        *written,
    )


def _kustomization(target: Target, resources: list[str]) -> dict[str, Any]:
    image, _, tag = target.image.partition("@")[0].rpartition(":")
    images = [{"name": image, "newTag": tag}] if image and "/" not in tag else []
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": target.platform.name,
    }
    return document | {"resources": resources} | ({"images": images} if images else {})


def _namespace(target: Target) -> dict[str, Any]:
    enforced = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    metadata = {"name": target.platform.name, "labels": labels(target) | enforced}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _config(target: Target) -> dict[str, Any]:
    return manifest(target, "v1", "ConfigMap", "config", data=fixed_values(target, None))


def _account(target: Target) -> dict[str, Any]:
    # Nothing here speaks to the cluster, so nothing gets a token for it.
    return manifest(target, "v1", "ServiceAccount", "app", automountServiceAccountToken=False)


def _secrets(target: Target) -> dict[str, Any]:
    values = dict.fromkeys(target.platform.resources.injected, "an address")
    values |= {each.name: to_fill_in(each) for each in asked(target.platform) if not each.services}
    return manifest(target, "v1", "Secret", "secrets", type="Opaque", stringData=values)


def _deployment(target: Target, service: Service) -> dict[str, Any]:
    low = max(service.instances.min, 1)
    # A web pod is replaced only after the new one is ready; a worker hands its jobs back either way.
    rolling = {"maxUnavailable": 0, "maxSurge": 1}
    spec: dict[str, Any] = {} if kubernetes_scalers.scales(service) else {"replicas": low}
    spec |= {
        "revisionHistoryLimit": 3,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
        "selector": {"matchLabels": labels(target, service.name)},
        "template": {
            "metadata": {"labels": labels(target, service.name), "annotations": _checksum(target)},
            "spec": service_pod(target, service),
        },
    }
    return manifest(target, "apps/v1", "Deployment", service.name, component=service.name, spec=spec)


def _checksum(target: Target) -> dict[str, str]:
    """Give an annotation that changes with the ConfigMap: pods do not start again for that by themselves."""
    values = json.dumps(fixed_values(target, None), sort_keys=True)
    return {"checksum/config": hashlib.sha256(values.encode()).hexdigest()[:16]}


def _around(target: Target, service: Service) -> list[dict[str, Any]]:
    selector = {"matchLabels": labels(target, service.name)}
    # maxUnavailable: a minAvailable of 1 would forbid to drain the node of a single pod, for ever.
    budget = manifest(
        target,
        "policy/v1",
        "PodDisruptionBudget",
        service.name,
        component=service.name,
        spec={"maxUnavailable": 1, "selector": selector},
    )
    around = [budget, *kubernetes_scalers.scalers(target, service)]
    if service.port:
        ports = [{"name": "http", "port": 80, "targetPort": "http"}]
        spec = {"selector": labels(target, service.name), "ports": ports}
        around.append(manifest(target, "v1", "Service", service.name, component=service.name, spec=spec))
    return around


def _release(target: Target) -> dict[str, Any]:
    return manifest(
        target,
        "batch/v1",
        "Job",
        "release",
        component="release",
        spec=run_once(target, "release", target.platform.release or "", seconds=900)
        | {"ttlSecondsAfterFinished": 86400},
    )


def _cron_job(target: Target, wake_up: WakeUp) -> dict[str, Any]:
    spec = {
        "schedule": wake_up.line,
        "timeZone": "Etc/UTC" if wake_up.zone == "UTC" else wake_up.zone,
        "concurrencyPolicy": "Forbid",
        # Without a deadline, more than 100 missed starts stop a CronJob for good.
        "startingDeadlineSeconds": 200,
        "successfulJobsHistoryLimit": 1,
        "failedJobsHistoryLimit": 3,
        "jobTemplate": {"spec": run_once(target, wake_up.name, wake_up.command, seconds=120)},
    }
    # 52 is the longest name of a CronJob; ours are at most 32 and stand in a namespace of their own.
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {
            "name": wake_up.name,
            "namespace": target.platform.name,
            "labels": labels(target, CRONJOBS),
        },
        "spec": spec,
    }
