"""YAML read strictly: a key that stands twice is an error, and every error is one line."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

# PyYAML built without libyaml reads the same, only slower.
SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class StrictLoader(SafeLoader):
    """A safe loader that refuses a key that appears twice in one mapping, where YAML would keep the last."""


def _strict_mapping(loader: StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.MarkedYAMLError(
                problem=f'"{key}" appears twice in one mapping', problem_mark=key_node.start_mark
            )
        seen.add(key)
    return dict(loader.construct_mapping(node, deep=True))


StrictLoader.add_constructor("tag:yaml.org,2002:map", _strict_mapping)


def load(source: str) -> Any:
    """Read one YAML document; raises ValueError with line, column and what is wrong there."""
    try:
        with paused_collection():
            return yaml.load(source, Loader=StrictLoader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        raise ValueError(_one_line(error)) from None
    except (yaml.YAMLError, TypeError) as error:
        raise ValueError(" ".join(str(error).split())) from None


@contextmanager
def paused_collection() -> Iterator[None]:
    """Collect no garbage meanwhile: all is alive until the end, and looking for it costs a third where a file is large."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _one_line(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    problem = str(error.problem or error.context)
    starts_bare = "cannot start any token" in problem or "alias" in problem or "alphabetic" in problem
    cure = ': put a value that starts with "*", "@" or "%" in quotes' if starts_bare else ""
    return f"{where}{problem}{cure}"
