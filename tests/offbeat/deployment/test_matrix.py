"""Every target and every unusual platform.yaml: exported, valid to the platform, exact, and every slot of two years woken."""

import pytest

from offbeat.deployment.exporters import TARGETS, export_platform, facts_of
from tests.offbeat.deployment.golden.variants import CASES
from tests.offbeat.deployment.validators import VALIDATORS


def printed(target):
    return {
        case: {file.path: file.text for file in export_platform(target, platform).files}
        for case, platform in CASES.items()
    }


@pytest.mark.parametrize("target", TARGETS)
def test_an_export_is_valid_to_its_platform(target, tmp_path):
    """What the table calls the proof of a platform finds nothing wrong with any of the ten."""
    proof, validate = VALIDATORS[target]

    validate(printed(target), tmp_path)

    assert facts_of(target).proved_by == proof
