"""A checkout in which `./run up` disturbs nobody."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.offbeat.dev.checkout import Checkout
from tests.offbeat.support import servers


def make_folder():
    """Make a folder that `nobody` can pass through: pytest closes its own to others at each start of a session."""
    folder = Path(tempfile.mkdtemp(dir=servers.folder))
    folder.chmod(0o711)
    return folder


@pytest.fixture(scope="module")
def open_folder():
    return make_folder()


@pytest.fixture
def checkout():
    checkout = Checkout(make_folder())
    yield checkout
    checkout.end()


@pytest.fixture(scope="module")
def shared_checkout():
    """A checkout for the tests of a module that leave it as it is."""
    checkout = Checkout(make_folder())
    yield checkout
    checkout.end()
