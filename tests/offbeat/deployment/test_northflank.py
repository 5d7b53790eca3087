"""Northflank's template against what its documentation says of names, nodes, values and schedules."""

import json
import re
from base64 import b64decode
from dataclasses import replace

import pytest

from offbeat.deployment import spec
from offbeat.deployment.exporters import export_platform
from tests.offbeat.deployment.golden.variants import CASES, FOLDER, SHIPPED
from tests.offbeat.deployment.northflank_types import nodes_of

PLATFORMS = CASES | {"shipped": SHIPPED, "rich": spec.read(FOLDER / "platform.yaml")}
NAME = re.compile(r"[a-zA-Z]((-|\s)?[a-zA-Z0-9]+((-|\s)[a-zA-Z0-9]+)*)?")
"""As its API reference has it for jobs and services, of 3 to 52 characters."""


def template(platform):
    (file,) = export_platform("northflank", platform).files
    return json.loads(file.text)


def nodes(platform):
    return list(nodes_of(template(platform)["spec"]))


def specs(platform, kind):
    return [each["spec"] for each in nodes(platform) if each["kind"] == kind]


@pytest.mark.parametrize("case", PLATFORMS)
def test_names_are_taken_and_no_two_are_alike(case):
    """Of 3 to 52 characters, without two hyphens in a row."""
    names = [each["spec"]["name"] for each in nodes(PLATFORMS[case]) if "name" in each["spec"]]

    assert [name for name in names if not (NAME.fullmatch(name) and 3 <= len(name) <= 52)] == []
    assert len(names[1:]) == len(set(names[1:]))


def test_short_and_doubled_names():
    """What platform.yaml allows and Northflank refuses gets another name, and none that something else has."""
    first, second = (
        replace(SHIPPED.cronjobs[0], name=name, command=f"python manage.py tick --{n}")
        for n, name in enumerate(("ab", "night--shift"))
    )
    service = replace(SHIPPED.services[1], name="image")
    platform = replace(
        SHIPPED, name="a--b", services=(SHIPPED.services[0], service), cronjobs=(first, second)
    )

    names = [each["spec"]["name"] for each in nodes(platform) if "name" in each["spec"]]

    assert [name for name in names if not (NAME.fullmatch(name) and 3 <= len(name) <= 52)] == []
    assert len(names[1:]) == len(set(names[1:]))


def test_the_release_ends_before_a_service_changes():
    """The order of the workflow: running servers, an image, a release that succeeded, then services and cronjobs of that image."""
    kinds = [each["kind"] for each in nodes(SHIPPED)]
    waits = {each["kind"]: each["condition"] for each in nodes(SHIPPED) if "condition" in each}

    assert list(dict.fromkeys(kinds)) == [
        "Project",
        "Addon",
        "Condition",
        "SecretGroup",
        "BuildService",
        "Build",
        "ManualJob",
        "JobRun",
        "DeploymentService",
        "CronJob",
    ]
    assert waits == {"Build": "success", "JobRun": "success"}
    for kind in ("ManualJob", "DeploymentService", "CronJob"):
        for each in specs(SHIPPED, kind):
            assert each["deployment"]["internal"]["buildId"] == "${refs.build.id}"


@pytest.mark.parametrize("case", PLATFORMS)
def test_every_reference_is_to_something(case):
    """A reference names a node before it or an argument of the template: a dry run refuses what it cannot resolve."""
    document, seen = template(PLATFORMS[case]), set()
    for node in nodes(PLATFORMS[case]):
        text = json.dumps(node)
        assert set(re.findall(r"\$\{refs\.(\w+)\.id\}", text)) <= seen
        assert set(re.findall(r"\$\{args\.(\w+)\}", text)) <= set(document["arguments"])
        assert set(re.findall(r"\$\{(?!refs\.|args\.)([\w.]+)", text)) <= {"fn.randomSecret", "fn.fromBase64"}
        seen |= {node["ref"]} if "ref" in node else set()


@pytest.mark.parametrize("case", PLATFORMS)
def test_values_arrive_exactly(case):
    """Every default is what a process gets, once Northflank has resolved its functions."""
    platform = PLATFORMS[case]
    (group,) = specs(platform, "SecretGroup")
    shared = group["secrets"]["variables"]
    own = {each["name"]: each["runtimeEnvironment"] for each in specs(platform, "DeploymentService")}

    for variable in (each for each in platform.env if each.default is not None):
        for service in variable.services or own:
            found = shared | own[service]
            assert _resolved(found[variable.name]) == variable.default
    aliases = [
        alias for each in group["addonDependencies"] for key in each["keys"] for alias in key["aliases"]
    ]
    assert aliases == list(platform.resources.injected)


def _resolved(value):
    match = re.fullmatch(r"\$\{fn\.fromBase64\('([^']*)'\)\}", value)
    return b64decode(match[1]).decode() if match else value


@pytest.mark.parametrize("case", PLATFORMS)
def test_a_schedule_has_no_step_but_after_a_star(case):
    """A step in a list or after a range becomes the numbers that it means."""
    lines = [each["schedule"] for each in specs(PLATFORMS[case], "CronJob")]

    assert [line for line in lines if re.search(r"[^*]/", line)] == []


def test_sizes_fit():
    """Memory and CPUs choose the plan; a worker is never at zero."""
    services = {each["name"]: each for each in specs(CASES["v8-large-memory"], "DeploymentService")}

    assert services["worker"]["billing"]["deploymentPlan"] == "nf-compute-100-4"
    assert services["web"]["billing"]["deploymentPlan"] == "nf-compute-50"
    assert all(each["deployment"]["instances"] >= 1 for each in services.values())
