"""A message in a pool of lanes, and how the worker's event loop learns of its end."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from billiard.einfo import ExceptionInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from offbeat.jobs.worker.lane_process import LaneProcess

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class LaneCall:
    """What is to be called, and what is called when it has begun and ended."""

    id: str
    target: Any
    arguments: tuple[Any, ...]
    on_accepted: Callable[..., Any]
    on_timeout: Callable[..., Any]
    on_success: Callable[..., Any]
    on_failure: Callable[..., Any]
    soft: float | None
    hard: float | None
    lane: int = 0
    process: LaneProcess | None = None
    begun_at: float = 0.0  # monotonic seconds
    limited_at: float = 0.0  # when its limits began, as far as is known
    is_interrupted: bool = False
    doomed_since: float | None = None  # its process is to be killed
    doom: Callable[[], None] | None = None  # what tells of its end

    @property
    def request(self) -> Any:
        """Celery's request, which hears of a success; another one may have the same id."""
        return getattr(self.on_success, "__self__", None)

    @property
    def started(self) -> float:
        """When its task began, as `lane_limits.task_starts` say."""
        assert self.process is not None  # noqa: S101  it has been given to one
        return self.process.starts[self.lane - self.process.numbers[0]]

    def terminate(self, signal: int) -> None:
        """Do nothing: Celery has asked the pool before (`LanePool.terminate_job`)."""


class LoopCalls:
    """Has the event loop call things: what they do with a connection to the broker is nothing for another thread."""

    hub: Any = None

    def post(self, act: Callable[..., Any], *values: Any) -> None:
        if act is None:
            return
        if self.hub is None:
            self._try(act, *values)
        else:
            self.hub.call_soon(self._try, act, *values)

    def fail(self, call: LaneCall, error: Exception) -> None:
        try:
            raise error
        except type(error):
            self.post(call.on_failure, ExceptionInfo())

    def _try(self, act: Callable[..., Any], *values: Any) -> None:
        try:
            act(*values)
        except Exception as error:
            if self.hub and isinstance(error, tuple(self.hub.propagate_errors or ())):
                raise
            logger.exception("an answer of the pool failed", extra={"action": "pool_failed"})
