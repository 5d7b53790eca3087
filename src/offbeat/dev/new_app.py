"""A new app of the project: its files, its tests where pytest finds them, and its line in INSTALLED_APPS."""

from __future__ import annotations

import ast
import re
import sys
from importlib.util import find_spec
from keyword import iskeyword
from typing import TYPE_CHECKING

from django.apps import apps

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "src/{name}/__init__.py": "",
    "src/{name}/apps.py": """\
from django.apps import AppConfig


class {title}Config(AppConfig):
    name = "{name}"
""",
    "src/{name}/models.py": '"""What the database holds. After a change: ./run manage makemigrations {name}"""\n',
    "src/{name}/tasks.py": '"""Tasks: functions with @shared_task, which run as jobs by .enqueue()."""\n',
    "src/{name}/migrations/__init__.py": "",
    "tests/{name}/__init__.py": "",
    "tests/{name}/test_{name}.py": '''\
from django.apps import apps


def test_the_app_is_installed():
    """The first test of {name}: replace it."""
    assert apps.is_installed("{name}")
''',
}
INSTALLED_APPS = re.compile(r"^INSTALLED_APPS(?::[^=\n]+)? = \[(\n?)", re.MULTILINE)


class AppNameError(Exception):
    """No app can have this name: the message says why, and what would be right."""


def check_name(name: str, root: Path) -> None:
    """Raise AppNameError for a name that Python, Django or the project cannot take."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or iskeyword(name):
        raise AppNameError(
            f'"{name}" is no name of an app: it should be a-z, 0-9 and _, begin with a letter, and be no word of Python.'
            f"{meant(name)}"
        )
    if name.startswith("offbeat"):
        raise AppNameError(f'"{name}": names that begin with "offbeat" are the core\'s. Take another one.')
    for config in apps.get_app_configs():
        if config.label == name:
            raise AppNameError(f'"{name}" is the label of the installed app {config.name}. Take another one.')
    if name in sys.stdlib_module_names or find_spec(name) is not None:
        raise AppNameError(
            f'"{name}" is a Python module already, which the app would hide. Take another one.'
        )
    for place in ("src", "tests"):
        if (root / place / name).exists():
            raise AppNameError(f"{place}/{name} exists already. Take another name, or remove it.")


def meant(name: str) -> str:
    """Return a hint with the nearest name that could be one, "" where there is none."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    nearest = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_0123456789")
    nearest = f"{nearest}_app" if iskeyword(nearest) else nearest
    return f" Hint: ./run manage startapp {nearest}" if nearest else ""


def make_app(name: str, root: Path) -> list[str]:
    """Write the files of an app, and return their paths."""
    title = "".join(word.title() for word in name.split("_"))
    paths = []
    for path, text in FILES.items():
        file = root / path.format(name=name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(name=name, title=title), encoding="utf-8")
        paths.append(str(file.relative_to(root)))
    return paths


def install_app(name: str, settings: Path) -> bool:
    """Put an app first in INSTALLED_APPS of a settings file; False where that is not the usual list, and nothing is changed."""
    text = settings.read_text(encoding="utf-8")
    found = INSTALLED_APPS.search(text)
    if found is None:
        return False
    line = f'    "{name}",\n' if found[1] else f'"{name}", '
    changed = text[: found.end()] + line + text[found.end() :]
    try:
        ast.parse(changed)
    except SyntaxError:
        return False
    settings.write_text(changed, encoding="utf-8")
    return True
