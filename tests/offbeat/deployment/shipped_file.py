"""The platform.yaml that is shipped, with a change."""

import yaml

from offbeat.deployment import spec


def platform(change=None):
    """Read the shipped platform.yaml, after a change to its document."""
    document = yaml.safe_load(spec.PLATFORM_FILE.read_text())
    if change:
        change(document)
    return spec.parse(yaml.safe_dump(document))
