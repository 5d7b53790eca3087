"""Kubernetes: who may speak to the pods, and to whom they may speak."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters.kubernetes_objects import labels, manifest

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import Service

POSTGRES, REDIS, HTTPS, DNS = 5432, 6379, 443, 53


def policies(target: Target) -> list[dict[str, Any]]:
    """Give policies that let requests in to web alone, and out to the servers, mail and HTTPS."""
    everything = {"podSelector": {"matchLabels": labels(target)}}
    closed = manifest(
        target,
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "default",
        spec=everything | {"policyTypes": ["Ingress", "Egress"], "egress": _egress(target)},
    )
    return [closed, *(_open(target, each) for each in target.platform.services if each.port)]


def _egress(target: Target) -> list[dict[str, Any]]:
    ports = sorted({POSTGRES, REDIS, HTTPS, _mail_port(target)})
    names = [{"protocol": protocol, "port": DNS} for protocol in ("UDP", "TCP")]
    return [{"ports": names}, {"ports": [{"protocol": "TCP", "port": port} for port in ports]}]


def _mail_port(target: Target) -> int:
    port = next((each.default for each in target.platform.env if each.name == "EMAIL_PORT"), None)
    return int(port) if port and port.isdigit() else 587


def _open(target: Target, service: Service) -> dict[str, Any]:
    spec = {
        "podSelector": {"matchLabels": labels(target, service.name)},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"protocol": "TCP", "port": "http"}]}],
    }
    return manifest(
        target, "networking.k8s.io/v1", "NetworkPolicy", service.name, component=service.name, spec=spec
    )
