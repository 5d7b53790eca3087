"""What all manifests share: names, namespace and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target


def labels(target: Target, component: str | None = None) -> dict[str, str]:
    """Give the recommended labels (kubernetes.io/docs/concepts/overview/working-with-objects/common-labels)."""
    common = {"app.kubernetes.io/name": target.platform.name}
    return common | ({"app.kubernetes.io/component": component} if component else {})


def manifest(
    target: Target, version: str, kind: str, name: str, *, component: str | None = None, **body: Any
) -> dict[str, Any]:
    metadata = {
        "name": target.called(name),
        "namespace": target.platform.name,
        "labels": labels(target, component),
    }
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **body}
