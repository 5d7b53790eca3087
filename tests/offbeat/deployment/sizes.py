"""Reads the sizes of services back out of exports, and knows what each platform publishes about them, in its own numbers."""

import json
import re
import tomllib
from dataclasses import dataclass

from tests.offbeat.deployment import libyaml


@dataclass(frozen=True)
class Size:
    """What a service was given: the most CPUs and MiB of an instance, how many may run, and whether that may change by itself."""

    cpu: float
    memory: int
    count: int = 1
    scaled: bool = False


# render.com/pricing, and the table of plans in render-oss/skills
RENDER = {
    "starter": (0.5, 512),
    "standard": (1, 2048),
    "pro": (2, 4096),
    "pro plus": (4, 8192),
    "pro max": (4, 16384),
    "pro ultra": (8, 32768),
}
# devcenter.heroku.com/articles/dyno-types: memory; CPUs are not stated
HEROKU = {
    "basic": 512,
    "standard-1x": 512,
    "standard-2x": 1024,
    "performance-m": 2560,
    "performance-l": 14336,
    "performance-l-ram": 30720,
    "performance-xl": 63488,
    "performance-2xl": 129024,
}
# doc.scalingo.com/platform/internals/container-sizes: containers use all CPUs of the host
SCALINGO = {"S": 256, "M": 512, "L": 1024, "XL": 2048, "2XL": 4096, "3XL": 8192}
# github.com/digitalocean/openapi, apps/responses/examples.yml: `single_instance_only`, `scalable`
DIGITALOCEAN_SINGLE = {"apps-s-1vcpu-0.5gb", "apps-s-1vcpu-1gb-fixed"}
DIGITALOCEAN = DIGITALOCEAN_SINGLE | {
    "apps-s-1vcpu-1gb",
    "apps-s-1vcpu-2gb",
    "apps-s-2vcpu-4gb",
    *(f"apps-d-{each}gb" for each in ("1vcpu-0.5", "1vcpu-1", "1vcpu-2", "1vcpu-4", "2vcpu-4", "2vcpu-8")),
    *(f"apps-d-{each}gb" for each in ("4vcpu-8", "4vcpu-16", "8vcpu-32")),
}
# docs.upsun.com/manage-resources/adjust-resources.html
UPSUN = {
    "BALANCED": {"0.1": 352, "0.25": 640, "0.5": 1088, "1": 1920, "2": 2800, "4": 4800, "6": 6080, "8": 7296},
    "HIGH_MEMORY": {
        "0.1": 448,
        "0.25": 832,
        "0.5": 1408,
        "1": 2432,
        "2": 4032,
        "4": 6720,
        "6": 9024,
        "8": 11200,
    },
    "HIGHER_MEMORY": {
        "0.1": 864,
        "0.25": 1472,
        "0.5": 2368,
        "1": 3840,
        "2": 6336,
        "4": 10496,
        "6": 14080,
        "8": 17408,
    },
}
# docs.cloud.google.com/run/docs/configuring/jobs/cpu, and 512 MiB at least in the second generation
CLOUDRUN = {1: (512, 4096), 2: (512, 8192), 4: (2048, 16384), 6: (4096, 24576), 8: (4096, 32768)}
UNSTATED = 10**6


def sizes(target, platform, files):
    """Give the size of each service by its name; an AssertionError where the platform would refuse what is printed."""
    return READERS[target](platform, {file.path: file.text for file in files})


def _render(platform, files):
    for each in libyaml.one(files["render.yaml"])["services"]:
        if each["type"] in ("web", "worker"):
            scaling = each.get("scaling")
            count = scaling["maxInstances"] if scaling else each["numInstances"]
            assert count <= 100, "render.com/docs/scaling"
            cpu, memory = RENDER[each["plan"]]
            yield each["name"].removeprefix(f"{platform.name}-"), Size(cpu, memory, count, bool(scaling))
        elif each["type"] == "cron":
            assert each["plan"] in ("starter", "standard", "pro", "pro plus")


def _heroku(platform, files):
    formation = json.loads(files["app.json"])["formation"]
    plans = {each["size"] for each in formation.values()}
    assert "basic" not in plans or plans == {"basic"}, "basic does not mix with other sizes"
    scale = re.search(r"^heroku ps:scale (.*)$", files["deploy/heroku/scheduler.md"], re.MULTILINE)[1]
    assert scale.split() == [f"{name}={each['quantity']}:{each['size']}" for name, each in formation.items()]
    for name, each in formation.items():
        assert each["size"] != "basic" or each["quantity"] <= 1, "basic does not scale"
        yield name, Size(UNSTATED, HEROKU[each["size"]], each["quantity"])


def _scalingo(platform, files):
    for name, each in json.loads(files["scalingo.json"])["formation"].items():
        assert each["amount"] <= 10, "ten containers of a process type, unless support says otherwise"
        yield name, Size(UNSTATED, SCALINGO[each["size"]], each["amount"])


def _digitalocean(platform, files):
    app = libyaml.one(files[".do/app.yaml"])
    assert {each["instance_size_slug"] for each in app.get("jobs", [])} <= DIGITALOCEAN
    for each in [*app.get("services", []), *app.get("workers", [])]:
        slug, scaling = each["instance_size_slug"], each.get("autoscaling")
        count = scaling["max_instance_count"] if scaling else each["instance_count"]
        assert slug in DIGITALOCEAN
        assert count <= 250, "app_autoscaling_spec.yml"
        assert slug not in DIGITALOCEAN_SINGLE or count == 1, f"{slug} is for a single instance"
        assert not scaling or slug.startswith("apps-d-"), f"{slug} does not scale by itself"
        cpus, gigabytes = re.match(r"apps-[sd]-(\d)vcpu-([\d.]+)gb", slug).groups()
        yield each["name"], Size(int(cpus), int(float(gigabytes) * 1024), count, bool(scaling))


def _fly(platform, files):
    text = files["fly.toml"]
    # a process that the line leaves out runs once, with its standby
    counts = dict(re.findall(r"(\w+)=(\d+)", "".join(re.findall(r"fly scale count (.*)", text))))
    for machine in tomllib.loads(text)["vm"]:
        (name,) = machine["processes"]
        kind, cpus, memory = machine["cpu_kind"], machine["cpus"], int(machine["memory"].removesuffix("mb"))
        # flyctl refuses other numbers, and memory outside of these bounds for each CPU
        numbers, low, high = {
            "shared": ((1, 2, 4, 6, 8), 256, 2048),
            "performance": ((1, 2, 4, 8, 16), 2048, 8192),
        }[kind]
        assert cpus in numbers
        assert low * cpus <= memory <= high * cpus
        assert memory % low == 0
        yield name, Size(cpus, memory, int(counts.get(name, 1)))


def _railway(platform, files):
    blocks = re.findall(
        r'service\("([^"]+)", \{(.*?)^  \}\);', files[".railway/railway.ts"], re.DOTALL | re.MULTILINE
    )
    for name, block in blocks:
        if "cronSchedule" not in block:
            number = {
                key: float(re.search(rf'"{key}": ([\d.]+)', block)[1])
                for key in ("replicas", "cpu", "memoryBytes")
            }
            assert number["cpu"] <= 48
            assert number["memoryBytes"] <= 48e9
            assert number["replicas"] <= 50
            yield name, Size(number["cpu"], int(number["memoryBytes"]) // 2**20, int(number["replicas"]))


def _upsun(platform, files):
    text = files[".upsun/config.yaml"]
    profile = libyaml.one(text)["applications"][platform.name]["container_profile"]
    command = re.search(r"resources:set --size (\S+) --count (\S+)", text)
    amounts, counts = (dict(each.rsplit(":", 1) for each in part.split(",")) for part in command.groups())
    for name, cpus in amounts.items():
        service = name.partition("--")[2] or "web"
        yield service, Size(float(cpus), UPSUN[profile][cpus], int(counts.get(name, 1)))


def _cloudrun(platform, files):
    for service in platform.services:
        document = libyaml.one(files[f"deploy/cloudrun/{service.name}.yaml"])
        template = document["spec"]["template"]
        limits = template["spec"]["containers"][0]["resources"]["limits"]
        cpu, memory = int(limits["cpu"]), int(limits["memory"].removesuffix("Mi"))
        low, high = CLOUDRUN[cpu]
        assert low <= memory <= high
        annotations = (template if service.port else document)["metadata"]["annotations"]
        key = "autoscaling.knative.dev/maxScale" if service.port else "run.googleapis.com/manualInstanceCount"
        yield service.name, Size(cpu, memory, int(annotations[key]), bool(service.port))


READERS = {
    "render": _render,
    "heroku": _heroku,
    "scalingo": _scalingo,
    "digitalocean": _digitalocean,
    "fly": _fly,
    "railway": _railway,
    "upsun": _upsun,
    "cloudrun": _cloudrun,
}
