# For mypy: tasks with the arguments of their functions. Celery has no types; all that is not written here stays Any.
from collections.abc import Callable
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeAlias, TypeVar, overload

from offbeat.jobs.task import DurableTask

_P = ParamSpec("_P")
_R = TypeVar("_R")

class _Plain(Protocol):
    def __call__(self, function: Callable[_P, _R], /) -> DurableTask[_P, _R]: ...

class _Bound(Protocol):
    def __call__(self, function: Callable[Concatenate[Any, _P], _R], /) -> DurableTask[_P, _R]: ...

@overload
def shared_task(function: Callable[_P, _R], /) -> DurableTask[_P, _R]: ...
@overload
def shared_task(*, bind: Literal[True], **options: Any) -> _Bound: ...
@overload
def shared_task(*, bind: Literal[False] = ..., **options: Any) -> _Plain: ...

class Celery:
    def __init__(self, *args: Any, **options: Any) -> None: ...
    @overload
    def task(self, function: Callable[_P, _R], /) -> DurableTask[_P, _R]: ...
    @overload
    def task(self, *, bind: Literal[True], **options: Any) -> _Bound: ...
    @overload
    def task(self, *, bind: Literal[False] = ..., **options: Any) -> _Plain: ...
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

AsyncResult: TypeAlias = Any
Signature: TypeAlias = Any
Task: TypeAlias = Any
chain: Any
chord: Any
chunks: Any
group: Any
xmap: Any
xstarmap: Any

app: Any
beat: Any
bootsteps: Any
bugreport: Any
canvas: Any
current_app: Any
current_task: Any
exceptions: Any
maybe_signature: Any
platforms: Any
result: Any
schedules: Any
signals: Any
signature: Any
states: Any
subtask: Any
utils: Any
uuid: Any
worker: Any

def __getattr__(name: str) -> Any: ...
