"""Durable jobs. Public are the names below and the modules `signals` and `testing`; all else may change with any version."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from offbeat.jobs.attempts import FencedError
    from offbeat.jobs.batches import open_batch
    from offbeat.jobs.models import Batch, Job
    from offbeat.jobs.producer import KeyBusyError

__all__ = ["Batch", "FencedError", "Job", "KeyBusyError", "open_batch"]
HOMES = {
    "Batch": "offbeat.jobs.models",
    "FencedError": "offbeat.jobs.attempts",
    "Job": "offbeat.jobs.models",
    "KeyBusyError": "offbeat.jobs.producer",
    "open_batch": "offbeat.jobs.batches",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: the package is imported before Django's models can be."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)
