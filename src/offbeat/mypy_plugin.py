"""For mypy: Django's `@task` makes tasks of the ledger, with their options, where the project's backend is ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mypy.nodes import ARG_NAMED_OPT, TypeInfo
from mypy.plugin import Plugin
from mypy.types import CallableType, FunctionLike, Instance, Type, get_proper_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy.nodes import MypyFile
    from mypy.plugin import FunctionContext, FunctionSigContext

MODULES = ("django.tasks.base", "django_tasks.base")
DECORATORS = {f"{module}.task" for module in MODULES}
TASKS = {f"{module}.Task" for module in MODULES}
OURS = "offbeat.jobs.tasks_backend.task"


class TasksPlugin(Plugin):
    """Gives the decorator the options of `LedgerTask.using`, and has it return a `LedgerTask`."""

    def get_additional_deps(self, file: MypyFile) -> list[tuple[int, str, int]]:
        return [(10, OURS, -1)] if file.fullname in MODULES else []

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        """For `@task` without parentheses, whose signature mypy asks nobody for."""
        return self._replace if fullname in DECORATORS else None

    def get_function_signature_hook(
        self, fullname: str
    ) -> Callable[[FunctionSigContext], FunctionLike] | None:
        return self._widen if fullname in DECORATORS else None

    def _replace(self, context: FunctionContext) -> Type:
        ledger_task = self._ledger_task()
        return _ours(context.default_return_type, ledger_task) if ledger_task else context.default_return_type

    def _widen(self, context: FunctionSigContext) -> FunctionLike:
        ledger_task = self._ledger_task()
        return _widened(context.default_signature, ledger_task) if ledger_task else context.default_signature

    def _ledger_task(self) -> TypeInfo | None:
        found = self.lookup_fully_qualified(f"{OURS}.LedgerTask")
        return found.node if found and isinstance(found.node, TypeInfo) else None


def _widened(signature: CallableType, ledger_task: TypeInfo) -> CallableType:
    using = ledger_task.get_method("using")
    given = get_proper_type(using.type) if using else None
    assert isinstance(given, CallableType)  # noqa: S101  it is ours
    options = given.with_unpacked_kwargs()
    known = {*signature.arg_names, "self"}
    more = {
        name: type_
        for name, type_ in zip(options.arg_names, options.arg_types, strict=True)
        if name not in known
    }
    return signature.copy_modified(
        arg_types=[*signature.arg_types, *more.values()],
        arg_names=[*signature.arg_names, *more],
        arg_kinds=[*signature.arg_kinds, *[ARG_NAMED_OPT] * len(more)],
        ret_type=_ours(signature.ret_type, ledger_task),
    )


def _ours(given: Type, ledger_task: TypeInfo) -> Type:
    """Return the type that a decorator returns, with our class in the place of Django's."""
    proper = get_proper_type(given)
    if isinstance(proper, CallableType):  # of `@task(...)`
        return proper.copy_modified(ret_type=_ours(proper.ret_type, ledger_task))
    if isinstance(proper, Instance) and proper.type.fullname in TASKS:
        return Instance(ledger_task, proper.args)
    return given


def plugin(version: str) -> type[Plugin]:
    return TasksPlugin
