"""The golden files: what every platform gets from one rich platform.yaml, reviewed by eye."""

import pytest

from tests.offbeat.deployment.golden.variants import FOLDER, VARIANTS, export


@pytest.mark.parametrize("name", VARIANTS)
def test_an_export_is_as_it_was_reviewed(name):
    """A change in what a platform gets is seen before it is committed."""
    printed = {file.path: file.text for file in export(name).files}

    kept = {
        str(path.relative_to(FOLDER / name)): path.read_text()
        for path in (FOLDER / name).rglob("*")
        if path.is_file()
    }

    assert printed == kept, "look at it, then: PYTHONPATH=src python -m tests.offbeat.deployment.golden"
