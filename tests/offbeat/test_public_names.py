"""What a project may import from the core, and what it costs to import the packages that it is in."""

import subprocess
import sys
from importlib import import_module

import pytest

from tests.offbeat.support.running import CHECKOUT

PUBLIC = {
    "offbeat.cronjobs": ["EnqueueCommand"],
    "offbeat.jobs": ["Batch", "FencedError", "Job", "KeyBusyError", "open_batch", "signals", "testing"],
}


@pytest.mark.parametrize("package", PUBLIC)
def test_public_names_are_few_and_there(package):
    """Each public name can be imported from its package, and the package lists those that are no modules."""
    for name in PUBLIC[package]:
        exec(f"from {package} import {name}", {})  # noqa: S102  as a project writes it

    assert import_module(package).__all__ == [
        name for name in PUBLIC[package] if name[0].isupper() or "_" in name
    ]


@pytest.mark.parametrize("package", PUBLIC)
def test_a_name_that_is_not_public(package):
    """A misspelt import is told as of any other package."""
    with pytest.raises(ImportError, match="cannot import name 'EnqueueComand'"):
        exec(f"from {package} import EnqueueComand", {})  # noqa: S102


def test_the_packages_load_no_models():
    """Settings, and Django itself, import the packages before models can be: nothing comes with them."""
    program = f"import sys, {', '.join(PUBLIC)}; print(sorted({{'django', 'celery', 'redis'}} & sys.modules.keys()))"

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(CHECKOUT / "src")}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.strip() == "[]"
