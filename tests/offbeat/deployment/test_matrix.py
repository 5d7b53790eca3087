"""Every target and every unusual platform.yaml: exported, valid to the platform, exact, and every slot of two years woken."""

from dataclasses import replace
from pathlib import Path

import pytest

from offbeat.deployment import spec
from offbeat.deployment.exporters import TARGETS, export_platform, facts_of
from tests.offbeat.deployment.golden.variants import CASES, FOLDER, SHIPPED, with_rabbitmq
from tests.offbeat.deployment.validators import VALIDATORS
from tests.offbeat.deployment.values import ELSEWHERE, GIVEN, READERS, processes

UNEVEN = replace(
    SHIPPED,
    services=tuple(replace(each, cpu=1 / 3, memory=122880) for each in SHIPPED.services),
    env=tuple(replace(each, help=f"<%= 1 %> '{each.help}") for each in SHIPPED.env),
)
"""CPUs of no two decimals, the largest sizes, and helps that a template or a shell would read."""
SPECS = CASES | {
    "rich": spec.read(FOLDER / "platform.yaml"),
    "uneven": UNEVEN,
    "rabbitmq": with_rabbitmq(SHIPPED),
}


def printed(target):
    return {
        case: {file.path: file.text for file in export_platform(target, platform).files}
        for case, platform in SPECS.items()
    }


@pytest.mark.parametrize(
    "target", [pytest.param(each, marks=pytest.mark.long) if each == "ecs" else each for each in TARGETS]
)
def test_an_export_is_valid_to_its_platform(target, tmp_path):
    """What the table calls the proof of a platform finds nothing wrong with any of them."""
    proof, validate = VALIDATORS[target]

    validate(printed(target), tmp_path)

    assert facts_of(target).proved_by == proof


@pytest.mark.parametrize("target", TARGETS)
def test_a_validator_refuses_an_export_without_its_files(target, tmp_path):
    """A file that is called otherwise one day does not make the proof an empty one."""
    with pytest.raises((AssertionError, KeyError, FileNotFoundError)):
        VALIDATORS[target][1]({"empty": {"other.txt": "text"}}, tmp_path)


@pytest.mark.parametrize(
    ("target", "path", "key"),
    [("railway", ".railway/railway.ts", '"start"'), ("fly", "fly.toml", "kill_signal")],
)
def test_a_validator_refuses_a_key_that_nobody_knows(target, path, key, tmp_path):
    """These two are published in a form that takes any key."""
    text = printed(target)["rich"][path]

    with pytest.raises(AssertionError):
        VALIDATORS[target][1]({"odd": {path: text.replace(key, key.replace("s", "z"), 1)}}, tmp_path)


COUNTED = {"WEB_CONCURRENCY", "WORKER_CONCURRENCY"}
"""How many processes fit a plan is worked out for the plan."""


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("target", READERS)
def test_values_and_words_are_exact(target, case):
    """Each process has every default under its name as it was written, no text in place of a secret, and its own words."""
    platform = CASES[case]
    files = {file.path: file.text for file in export_platform(target, platform).files}
    changed = COUNTED | ({"REDIS_TLS_VERIFY"} if target == "heroku" else set())

    found = processes(target, files, platform.name)

    # By its words, as a name may be cut; on Dokku the file has none, and all processes share the variables.
    services = {tuple(_installed(target, platform, each.argv)): each.name for each in platform.services}
    for name, (words, env) in found.items():
        for each in platform.env_of(services.get(tuple(words), "") if words else ""):
            if each.default is not None and each.name not in changed:
                assert env[each.name] == each.default, (name, each.name)
            if each.generated or (each.required and each.name != "ALLOWED_HOSTS"):
                assert env.get(each.name, GIVEN) is GIVEN, (name, each.name)
    assert set(services) <= {tuple(words or ()) for words, _ in found.values()} or target == "dokku"


def _installed(target, platform, argv):
    """Give words as they are started: on a machine of its own the program is in the project's environment."""
    return [f"/srv/{platform.name}/.venv/bin/{argv[0]}", *argv[1:]] if target == "systemd" else argv


def test_every_target_has_a_reader_of_its_values():
    """A target that comes without one would pass unread."""
    assert set(TARGETS) <= set(READERS) | set(ELSEWHERE)
    assert not set(READERS) & set(ELSEWHERE)
    assert [each for each in ELSEWHERE.values() if not Path(__file__).with_name(f"{each}.py").exists()] == []
