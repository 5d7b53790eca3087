"""The core's settings, read anew in this process from the variables of a test."""

from __future__ import annotations

import os
import secrets
import sys
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from unittest import mock

import offbeat

NAMES = ["env", *(path.stem for path in Path(offbeat.__path__[0]).glob("*settings.py"))]
NEEDED = {
    "PATH": os.environ["PATH"],
    "SECRET_KEY": secrets.token_urlsafe(50),
    "ALLOWED_HOSTS": "www.example.com",
    "DATABASE_URL": "postgres://app:pass@db.internal:5432/app",
    "REDIS_URL": "redis://:pass@cache.internal:6379/0",
}


class KeptCode(SourceFileLoader):
    """Reads the code of a module once, and runs it as often as the module is imported: tables of tests do so thousands of times."""

    code = None

    def get_code(self, fullname):
        self.code = self.code or super().get_code(fullname)
        return self.code


class Finder:
    """Finds the modules of the settings."""

    def __init__(self):
        self.specs = {}
        for name in NAMES:
            full, file = f"offbeat.{name}", f"{offbeat.__path__[0]}/{name}.py"
            self.specs[full] = spec_from_file_location(full, file, loader=KeptCode(full, file))

    def find_spec(self, name, _path=None, _target=None):
        return self.specs.get(name)


FINDER = Finder()


def load(**variables):
    """Return the settings and the problems that these variables give, beside those that must be there."""
    modules = {f"offbeat.{name}": sys.modules.pop(f"offbeat.{name}", None) for name in NAMES}
    sys.meta_path.insert(0, FINDER)
    try:
        with mock.patch.dict(os.environ, NEEDED | variables, clear=True):
            settings = import_module("offbeat.settings")
            return settings, problems(settings.env)
    finally:
        sys.meta_path.remove(FINDER)
        for name, module in modules.items():
            sys.modules.pop(name, None)
            if module:
                sys.modules[name] = module
                setattr(offbeat, name.partition(".")[2], module)


def problems(env):
    """Return what `env.complain()` raises, line by line."""
    try:
        env.complain()
    except Exception as error:  # noqa: BLE001  whatever it is, the test sees it
        return str(error).splitlines()
    return []
