"""What settings may need that is not installed."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec

import pytest


@pytest.fixture
def django_storages(monkeypatch):
    """Have it look installed, as MEDIA_BUCKET wants it."""
    monkeypatch.setitem(sys.modules, "storages", module_from_spec(ModuleSpec("storages", None)))
