"""How a job gets the arguments of an entry: as Beat's message would bring them, and as Beat's task would bind them."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

from celery.beat import BeatLazyFunc
from kombu.utils.json import dumps, loads

from offbeat.cronjobs.beat.refusals import NotExpressibleError, described, one_line
from offbeat.cronjobs.call_checks import misfit
from offbeat.jobs import code
from offbeat.jobs.arguments import ArgumentError, encode_arguments

if TYPE_CHECKING:
    from offbeat.cronjobs.beat.entries import BeatEntry

    Arguments = dict[str, Any] | tuple[list[Any], dict[str, Any]]

OWN_COMMAND = "write its command by hand, with an arguments() that gives it"


def arguments_of(entry: BeatEntry, task: Any) -> Arguments:
    """Return what arguments() of the command returns: by name where that is the same call. Raises NotExpressibleError."""
    args, kwargs = delivered(entry)
    if problem := misfit(task, (args, kwargs)):
        raise NotExpressibleError(f"its arguments do not fit a job of its task: {one_line(problem)}")
    by_name = _by_name(task, args, kwargs)
    return (args, kwargs) if by_name is None else by_name


def delivered(entry: BeatEntry) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments as Celery's JSON brings them to a task: a tuple as a list, a path as text."""
    for where, value in (*enumerate(entry.args, 1), *entry.kwargs.items()):
        if isinstance(value, BeatLazyFunc):
            raise NotExpressibleError(f'its argument "{where}" is computed at each run: {OWN_COMMAND}')
    try:
        args, kwargs = loads(dumps([list(entry.args), entry.kwargs]))
        encode_arguments(entry.task, args, kwargs)
    except ArgumentError as error:
        raise NotExpressibleError(_unwritable(error)) from None
    except Exception as error:  # noqa: BLE001  whatever a value of a project raises
        raise NotExpressibleError(_unwritable(_reason(entry, error))) from None
    return args, kwargs


def _reason(entry: BeatEntry, error: Exception) -> Exception:
    """Return what names the argument that JSON does not have, else what Celery's JSON has said."""
    try:
        encode_arguments(entry.task, entry.args, entry.kwargs)
        json.dumps([entry.args, entry.kwargs])
    except ArgumentError as clearer:
        return clearer
    except Exception as other:  # noqa: BLE001  as above
        return other
    return error


def _unwritable(error: Exception) -> str:
    return f"a job's arguments are JSON: {described(error).removeprefix('ArgumentError: ')} Let the task take that"


def _by_name(task: Any, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """Return the arguments by name; None where the task takes one by position alone."""
    signature = code.signature_of(task) if args else None
    if signature is None:
        return None if args else kwargs
    named: dict[str, Any] = {}
    for name, value in signature.bind(*args, **kwargs).arguments.items():
        kind = signature.parameters[name].kind
        if kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY):
            return None
        named.update(value if kind is inspect.Parameter.VAR_KEYWORD else {name: value})
    return None if "self" in named else named  # a name that Celery's own functions have
