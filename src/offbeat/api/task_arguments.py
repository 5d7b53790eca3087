"""What a task takes, by its type hints: checked when a job comes, and described as JSON Schema.

A hint says what the JSON is to look like. The task gets what was sent: of a `datetime` its text, as of any job.
"""

from __future__ import annotations

import inspect
import json
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from offbeat.jobs import code

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

STRICT = ConfigDict(strict=True)
MANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def find_problems(task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return what is wrong with the arguments of a call, each with its place in the request; nothing where all fits."""
    if misfit := code.misfit(task, args, kwargs):
        return [{"pointer": "#/kwargs" if kwargs or not args else "#/args", "detail": misfit}]
    adapters = adapters_of(task)
    return [problem for name, where, value in _named(task, args, kwargs)
            for problem in _problems(adapters[name], where, value)]  # fmt: skip


def _named(task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Give each value with its parameter and its place."""
    parameters = parameters_of(task)
    positional = [each for each in parameters if each.kind not in {MANY[1], inspect.Parameter.KEYWORD_ONLY}]
    for index, value in enumerate(args):
        if positional:
            yield positional[min(index, len(positional) - 1)].name, f"#/args/{index}", value
    names = {each.name for each in parameters if each.kind not in {*MANY, inspect.Parameter.POSITIONAL_ONLY}}
    others = next((each.name for each in parameters if each.kind is MANY[1]), None)
    for name, value in kwargs.items():
        if found := name if name in names else others:
            yield found, f"#/kwargs/{_escaped(name)}", value


def _problems(adapter: TypeAdapter[Any], where: str, value: Any) -> Iterator[dict[str, str]]:
    try:
        adapter.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_context=False, include_input=False)[:20]:
            path = "".join(f"/{_escaped(str(part))}" for part in each["loc"])
            yield {"pointer": f"{where}{path}", "detail": each["msg"]}


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


@lru_cache(maxsize=1024)
def parameters_of(task: Any) -> tuple[inspect.Parameter, ...]:
    signature = code.signature_of(task)
    return tuple(signature.parameters.values()) if signature else ()


@lru_cache(maxsize=1024)
def adapters_of(task: Any) -> dict[str, TypeAdapter[Any]]:
    """Return what checks each parameter."""
    function = inspect.unwrap(getattr(task, "_orig_run", task.run))
    names = getattr(function, "__globals__", {})
    return {each.name: _adapter(each, names) for each in parameters_of(task)}


def _adapter(parameter: inspect.Parameter, names: Mapping[str, Any]) -> TypeAdapter[Any]:
    """Return what checks a parameter: anything, where its hint is missing or no shape of JSON."""
    if parameter.annotation is parameter.empty:
        return TypeAdapter(Any)
    try:
        # One by one: what is imported for type checkers only hides no other.
        hint = get_type_hints(
            SimpleNamespace(__annotations__={"it": parameter.annotation}), dict(names), include_extras=True
        )["it"]
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
        adapter.json_schema()
    except (PydanticUserError, NameError, TypeError, AttributeError, SyntaxError):
        return TypeAdapter(Any)
    return adapter


def schema_of(task: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of the keyword arguments of a task; what it refers to is added to `definitions`."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }
    for each in parameters_of(task):
        found = adapters_of(task)[each.name].json_schema(
            ref_template=f"#/components/schemas/{task.name}.{{model}}"
        )
        definitions |= {f"{task.name}.{name}": model for name, model in found.pop("$defs", {}).items()}
        if each.kind is MANY[1]:
            schema["additionalProperties"] = found
        elif each.kind not in {MANY[0], inspect.Parameter.POSITIONAL_ONLY}:
            schema["properties"][each.name] = found
            schema["required"] += [each.name] if each.default is each.empty else []
    return schema
