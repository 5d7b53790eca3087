"""Kubernetes: who may speak to the pods, and to whom they may speak."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters.environment import ADDRESS
from offbeat.deployment.exporters.kubernetes_objects import labels, manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import EnvVar, Service

DNS, HTTPS = 53, 443
# Those of the servers themselves, of poolers, of sentinels, and of managed ones: DigitalOcean's, Azure's with TLS.
POSTGRES, REDIS = (5432, 6432, 25060, 25061), (6379, 6380, 25061, 26379)
RABBITMQ = (5671, 5672)
SUBMISSION = (25, 465, 587)
TRACES = (4317, 4318)
ADDRESSES = ("_URL", "_HOST", "_DSN", "_ENDPOINT", "_ADDRESS", "_SERVER")
"""How variables end that say where a server is."""
PORT_OF_ADDRESS = re.compile(r"\w[\w+.-]*://(?:[^/?#\s]*@)?[^/?#@\s]+:(\d{1,5})(?:[/?#]\S*)?")


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


def note(target: Target) -> str:
    """Say which ports pods may reach, and whose ports nobody could know here."""
    lines = [
        f"Pods reach DNS and these TCP ports elsewhere, and no other: {', '.join(map(str, _ports(target)))}."
    ]
    if names := list(_unknown(target)):
        lines.append(f"Not known here: the ports in {', '.join(names)}.")
    return "\n".join([*lines, "For another port add a NetworkPolicy of your own: policies add up."])


def _egress(target: Target) -> list[dict[str, Any]]:
    names = [{"protocol": protocol, "port": DNS} for protocol in ("UDP", "TCP")]
    return [{"ports": names}, {"ports": [{"protocol": "TCP", "port": port} for port in _ports(target)]}]


def _ports(target: Target) -> list[int]:
    env = target.platform.env
    found = {*POSTGRES, *REDIS, HTTPS, *(port for each in env for port in _said(each))}
    if not any(each.name == "EMAIL_PORT" and each.default for each in env):
        found.update(SUBMISSION)
    if "BROKER_URL" in {*target.platform.resources.injected, *(each.name for each in env)}:
        found.update(RABBITMQ)
    if any(each.name.startswith("OTEL_EXPORTER") for each in env):
        found.update(TRACES)
    return sorted(found)


def _said(variable: EnvVar) -> Iterator[int]:
    """Give the port that a default names: a number of a variable whose name ends in PORT, or that of an address."""
    value = variable.default or ""
    if not variable.name.endswith("_PORT"):
        address = PORT_OF_ADDRESS.fullmatch(value)
        value = address[1] if address else ""
    if value.isascii() and value.isdigit() and 0 < int(value) <= 65535:
        yield int(value)


def _unknown(target: Target) -> Iterator[str]:
    """Give the variables with an address that somebody sets later."""
    yield from target.platform.resources.injected
    for each in target.platform.env:
        if each.default is None and each.name.endswith(ADDRESSES) and each.name != ADDRESS:
            yield each.name


def _open(target: Target, service: Service) -> dict[str, Any]:
    spec = {
        "podSelector": {"matchLabels": labels(target, service.name)},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"protocol": "TCP", "port": "http"}]}],
    }
    return manifest(
        target, "networking.k8s.io/v1", "NetworkPolicy", service.name, component=service.name, spec=spec
    )
