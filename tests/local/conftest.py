"""A checkout in which `./run up` disturbs nobody."""

from __future__ import annotations

import pytest

from tests.local.checkout import Checkout


@pytest.fixture
def checkout(tmp_path):
    tmp_path.chmod(0o711)
    checkout = Checkout(tmp_path)
    yield checkout
    checkout.end()
