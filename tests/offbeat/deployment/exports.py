"""Exports of the rich platform.yaml, as their files and their documents."""

import json
import tomllib

from offbeat.deployment import spec
from offbeat.deployment.exporters import Options, export_platform
from tests.offbeat.deployment import libyaml
from tests.offbeat.deployment.golden.variants import FOLDER

RICH = spec.read(FOLDER / "platform.yaml")


def export(target, platform=RICH, **options):
    return export_platform(target, platform, Options(**options))


def files(target, platform=RICH, **options):
    return {file.path: file.text for file in export(target, platform, **options).files}


def document(target, path, platform=RICH, **options):
    text = files(target, platform, **options)[path]
    return (
        json.loads(text)
        if path.endswith(".json")
        else tomllib.loads(text)
        if path.endswith(".toml")
        else libyaml.one(text)
    )


def containers_of(manifest):
    """Give every container of a Kubernetes manifest."""
    if isinstance(manifest, dict):
        yield from manifest.get("containers", [])
        for value in manifest.values():
            yield from containers_of(value)
