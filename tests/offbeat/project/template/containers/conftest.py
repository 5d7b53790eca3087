"""The image, built once for all tests that run it."""

from __future__ import annotations

import pytest

from tests.offbeat.project.template.containers import podman


@pytest.fixture(scope="session")
def image() -> str:
    """Build the production image from the checkout; skips where none can be built."""
    if reason := podman.missing(podman.PYTHON):
        pytest.skip(reason)
    podman.build()
    return podman.IMAGE
