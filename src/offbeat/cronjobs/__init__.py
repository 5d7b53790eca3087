"""Cronjobs and their slots. Public is the name below; all else may change with any version."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from offbeat.cronjobs.commands import EnqueueCommand

__all__ = ["EnqueueCommand"]


def __getattr__(name: str) -> Any:
    """Import the public name when it is first asked for: the package is imported before Django's models can be."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("offbeat.cronjobs.commands"), name)
