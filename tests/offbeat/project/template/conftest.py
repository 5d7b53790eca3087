"""Tests of the template as it is before anybody forks it: its README, platform.yaml, compose.yaml and Dockerfile."""

import pytest

from offbeat.dev.servers import IS_FORK


def pytest_collect_file():
    """Leave out the whole folder in a fork."""
    if IS_FORK:
        pytest.skip("a fork's README, platform.yaml, compose.yaml and Dockerfile are its own")
