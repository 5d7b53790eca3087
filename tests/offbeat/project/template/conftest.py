"""Tests of the template as it is before anybody forks it: its README, platform.yaml, compose.yaml and Dockerfile."""

from pathlib import Path

import pytest

from offbeat.dev.servers import IS_FORK

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Skip them in a fork, whose files are its own."""
    for item in items:
        if IS_FORK and HERE in item.path.parents:
            item.add_marker(
                pytest.mark.skip(reason="a fork's README, platform.yaml and Dockerfile are its own")
            )
