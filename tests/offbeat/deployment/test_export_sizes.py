"""Every service gets a size that its platform has and that holds it, or a warning that names it and the effect."""

import re
from dataclasses import replace

import pytest

from offbeat.deployment.exporters import TARGETS, export_platform
from offbeat.deployment.exporters.plans import Plan, plan_for, plans_of
from offbeat.deployment.spec import Instances
from tests.offbeat.deployment.golden.variants import CASES, SHIPPED
from tests.offbeat.deployment.sizes import READERS, sizes

WORKER = SHIPPED.service("worker")
WEB = SHIPPED.service("web")


def with_services(*services):
    return replace(SHIPPED, services=services)


def workers(count, **keys):
    return [replace(WORKER, name=f"worker{number}", **keys) for number in range(count)]


SPECS = {
    "shipped": SHIPPED,
    **CASES,
    "most CPUs": with_services(WEB, replace(WORKER, cpu=64)),
    "least memory": with_services(replace(WEB, memory=64, cpu=0.1), replace(WORKER, memory=64)),
    "most memory": with_services(WEB, replace(WORKER, memory=262144)),
    "large web, small worker": with_services(replace(WEB, memory=12000, cpu=3), WORKER),
    "a web at zero": with_services(replace(WEB, instances=Instances(min=0, max=3)), WORKER),
    "a service at zero": with_services(
        WEB, WORKER, replace(WORKER, name="extra", queues=(), instances=Instances(min=0))
    ),
    "many instances": with_services(WEB, replace(WORKER, instances=Instances(min=60, max=60))),
    "a thousand instances": with_services(WEB, replace(WORKER, instances=Instances(min=2, max=1000))),
    "a thousand at least": with_services(WEB, replace(WORKER, instances=Instances(min=1000, max=1000))),
    "ranges of workers": with_services(WEB, replace(WORKER, instances=Instances(min=2, max=4), memory=4096)),
    "twelve workers": with_services(WEB, *workers(12, memory=700)),
    "no web": with_services(WORKER),
}
PLANS = (Plan("small", 1, 512), Plan("wide", 4, 1024), Plan("tall", 2, 4096))


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("target", READERS)
def test_a_service_fits_its_size(target, spec):
    """CPUs, memory and instances are as in platform.yaml or more, else a warning says what is missing."""
    platform = SPECS[spec]
    export = export_platform(target, platform)

    given = dict(sizes(target, platform, export.files))

    for service in platform.services:
        size, warned = (
            given[service.name],
            [each for each in export.warnings if f"services/{service.name}: " in each],
        )
        assert size.memory >= service.memory or any(f"MiB, not {service.memory}" in each for each in warned)
        assert size.cpu >= service.cpu or any(f", not {service.cpu:g}: " in each for each in warned)
        low, high = service.instances.min, service.instances.max
        wanted = high if size.scaled else low
        said = [f"times, not {low}: ", f"instances, not {high}: "]
        assert size.count >= wanted or any(each in line for each in said for line in warned)
        assert size.scaled or high <= max(low, 1) or any("stays at min" in each for each in warned)


@pytest.mark.parametrize("target", TARGETS)
def test_a_service_at_zero_runs_or_the_warning_says_so(target):
    """No platform starts a worker when there is work: one that may be at zero runs, and costs."""
    export = export_platform(target, SPECS["a service at zero"])

    warned = any(each.startswith("services/extra: runs once, not 0 times") for each in export.warnings)

    assert warned == (target != "crontab")


@pytest.mark.parametrize("target", READERS)
def test_a_size_that_fits_is_no_warning(target):
    """The file as it is shipped fits everywhere."""
    warnings = export_platform(target, SHIPPED).warnings

    assert [each for each in warnings if "MiB, not" in each or "largest size" in each] == []


@pytest.mark.parametrize(("target", "count"), [("render", 16), ("cloudrun", 16), ("heroku", 32), ("fly", 32)])
def test_processes_are_counted_by_the_size(target, count):
    """A worker that wants more CPUs than there are starts as many children as suit those that it gets: two each."""
    huge = with_services(WEB, replace(WORKER, cpu=64, memory=262144))

    text = "".join(file.text for file in export_platform(target, huge).files)

    assert re.search(r"WORKER_CONCURRENCY\W+(?:value\W+)?(\d+)", text)[1] == str(count)


def test_the_first_plan_that_fits_is_taken():
    """Plans are in the order of their prices."""
    assert plan_for(replace(WORKER, cpu=1, memory=512), PLANS).name == "small"
    assert plan_for(replace(WORKER, cpu=2, memory=600), PLANS).name == "wide"
    assert plan_for(replace(WORKER, cpu=1, memory=2000), PLANS).name == "tall"


def test_memory_counts_before_cpus():
    """What lacks memory is killed, what lacks CPUs is slow."""
    assert plan_for(replace(WORKER, cpu=8, memory=2000), PLANS).name == "tall"
    assert plan_for(replace(WORKER, cpu=8, memory=512), PLANS).name == "wide"


def test_memory_that_is_ours_to_choose_keeps_to_its_steps():
    """It is rounded up, within the bounds."""
    plans = (Plan("one", 1, 2048, least=512, step=256),)

    assert [plan_for(replace(WORKER, memory=each), plans).memory for each in (64, 513, 2048, 9000)] == [
        512,
        768,
        2048,
        2048,
    ]


def test_services_share_a_group():
    """A plan that does not mix with others is for an app whose services all fit it."""
    plans = (Plan("basic", 1, 512, most_instances=1, group="basic"), *PLANS)
    two = replace(WORKER, instances=Instances(min=2, max=2))

    alone = plans_of(with_services(WEB, WORKER), plans, scales=False)
    mixed = plans_of(with_services(WEB, two), plans, scales=False)

    assert {each.name for each in alone.values()} == {"basic"}
    assert {each.name for each in mixed.values()} == {"small"}
