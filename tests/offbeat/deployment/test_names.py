"""Names that platforms would refuse, that are cut, and that belong to somebody else already."""

import json
import re
from collections import Counter

import pytest
import yaml

from offbeat.deployment import spec
from offbeat.deployment.exporters import TARGETS, export_platform, facts_of
from offbeat.deployment.exporters.export import TakenNameError
from offbeat.deployment.exporters.names import apart, fitted
from tests.offbeat.deployment import libyaml
from tests.offbeat.deployment.printed_texts import TagLoader

# What some exporter has a file, a unit or an object of its own for; and the longest that there may be.
HOSTILE = [
    "config",
    "network",
    "namespace",
    "cronjobs",
    "cronjob",
    "kustomization",
    "secrets",
    "app",
    "setup",
    "job",
]
HOSTILE += ["default", "console", "target", "http", "workermailbulk0123456789"]
CRONJOBS = [
    "web-2",
    "app-web",
    "job-release",
    "config-service",
    "release-2",
    "night",
    "night-2",
    "a" * 32,
    "a" * 31 + "b",
]
LONG = "abcdefghij-klmnopqrst-uvwxyz1x"
RULES = {
    "cloudrun": r"[a-z]([a-z0-9-]{0,47}[a-z0-9])?",
    "kubernetes": r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
    "digitalocean": r"[a-z][a-z0-9-]{0,30}[a-z0-9]",
    "ecs": r"[0-9a-zA-Z-_.]{1,64}",
    "azure": r"(?!.*--)[a-z][a-z0-9-]{0,30}[a-z0-9]",
    "northflank": r"(?!.*--)[a-zA-Z][a-zA-Z0-9 -]{1,50}[a-zA-Z0-9]",
}
"""What the platforms write down about names."""


def hostile(name="shop", services=HOSTILE, cronjobs=CRONJOBS):
    """Give a platform of many names; each cronjob in a zone that makes it two lines where a platform counts in UTC."""
    web = {"name": "web", "command": "gunicorn config.wsgi", "port": 8000, "health": "/healthz"}
    workers = [
        {"name": each, "command": f"python manage.py worker --queues q{number}", "queues": [f"q{number}"]}
        for number, each in enumerate(services)
    ]
    wakes = [
        {
            "name": each,
            "schedule": "30 2 * * *",
            "timezone": "Europe/Berlin",
            "command": f"python manage.py c{number}",
        }
        for number, each in enumerate(cronjobs)
    ]
    source = {
        "name": name,
        "repository": "acme/app",
        "image": "registry.example/acme/app:1",
        "services": [web, *workers],
        "resources": {
            "postgres": {"version": "16", "injects": "DATABASE_URL"},
            "redis": {"version": "8", "injects": "REDIS_URL"},
        },
        "release": "python manage.py release",
        "env": {"SECRET_KEY": {"generated": True}, "A": {"default": "1"}},
        "cronjobs": wakes,
    }
    return spec.parse(yaml.safe_dump(source))


def objects(files):
    """Give (kind, name) of whatever the files define: manifests, and entries of lists that have names."""
    for file in files:
        if file.path.endswith(".json"):
            yield from nodes(json.loads(file.text))
            document = json.loads(file.text)
            resources = document.get("resources", []) if isinstance(document, dict) else []
            yield from ((each["type"], each["name"]) for each in resources if "type" in each)
        if not file.path.endswith((".yaml", ".yml")):
            continue
        for document in yaml.load_all(file.text, TagLoader):
            if "kind" in document and "metadata" in document:
                yield f"{document['apiVersion']} {document['kind']}", document["metadata"]["name"]
            for each in document.get("Resources", {}).values():
                named = each["Properties"]
                yield from ((each["Type"], named[key]) for key in ("Name", "Family") if key in named)
            for key, entries in document.items():
                if isinstance(entries, list):
                    yield from (
                        (key, each["name"]) for each in entries if isinstance(each, dict) and "name" in each
                    )


def nodes(document):
    """Give (kind, name) of a template's nodes, in whatever depth."""
    if isinstance(document, dict):
        if "kind" in document and "name" in (document.get("spec") or {}):
            yield document["kind"], document["spec"]["name"]
        document = list(document.values())
    if isinstance(document, list):
        for each in document:
            yield from nodes(each)


@pytest.mark.parametrize("name", ["shop", LONG])
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_takes_the_place_of_another(target, name):
    """No two files have one path, no two objects one kind and name, and each service and cronjob has its command somewhere."""
    platform = hostile(name)

    files = export_platform(target, platform).files

    paths = Counter(file.path for file in files)
    assert [path for path, count in paths.items() if count > 1] == []
    twice = [each for each, count in Counter(objects(files)).items() if count > 1 and each[0] != "images"]
    assert twice == []
    text = "".join(file.text for file in files)
    kept = [each.name for each in platform.services] if target != "crontab" else []
    if facts_of(target).zone != "file" and "manage.py tick" not in text and target != "pandastack":
        kept += [each.argv[-1] for each in platform.cronjobs]
    assert [each for each in kept if not re.search(rf"\b{each}\b", text)] == []


@pytest.mark.parametrize("target", sorted(set(RULES) & set(TARGETS)))
def test_every_name_is_one_that_the_platform_takes(target):
    """The longest project with the longest services and cronjobs."""
    files = export_platform(target, hostile(LONG)).files

    names = {name for kind, name in objects(files) if kind not in ("images", "resources", "envs")}
    assert names
    assert [name for name in sorted(names) if not re.fullmatch(RULES[target], name)] == []


def test_cloud_run_names_fit_in_49_characters_and_its_commands_use_them():
    """A name of 63 would be refused by the first deploy; the cut one is said."""
    printed = export_platform("cloudrun", hostile(LONG))
    setup = next(file.text for file in printed.files if file.path.endswith("setup.sh"))
    defined = {name for kind, name in objects(printed.files) if kind.endswith(" Job")}

    started = set(re.findall(r"/jobs/([^:]+):run", setup)) | set(re.findall(r"jobs execute (\S+)", setup))
    scheduled = re.findall(r"^schedule (\S+)", setup, re.MULTILINE)

    assert started == defined
    assert len(set(scheduled)) == len(scheduled)
    assert max(map(len, defined)) == 49
    assert any(
        re.match(r"cronjobs/a+: is called abc\S+: Google Cloud Run takes 49", line)
        for line in printed.warnings
    )


def test_kubernetes_keeps_its_own_files():
    """A service called config or cronjob takes neither the ConfigMap's file nor the pods of the cronjobs."""
    files = {file.path: file.text for file in export_platform("kubernetes", hostile()).files}
    kinds = {document["kind"] for text in files.values() for document in libyaml.every(text)}
    listed = libyaml.one(files["deploy/kubernetes/kustomization.yaml"])["resources"]
    cronjob = next(libyaml.every(files["deploy/kubernetes/cronjobs.yaml"]))
    labels = cronjob["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]

    assert {"ConfigMap", "ServiceAccount", "Namespace", "CronJob", "NetworkPolicy", "Deployment"} <= kinds
    assert "deploy/kubernetes/config-service.yaml" in files
    assert [each for each in listed if f"deploy/kubernetes/{each}" not in files] == []
    assert len(listed) == len(set(listed))
    assert labels["app.kubernetes.io/component"] not in HOSTILE


def test_a_name_does_not_change_when_another_comes():
    """What is deployed under a name stays there: a new cronjob would else take the place of an old one's schedule."""

    def lines(*cronjobs):
        return export_names(hostile(services=["worker"], cronjobs=cronjobs))

    alone = lines("night", "a" * 32)
    beside = lines("a" * 31 + "c", "night", "a" * 32, "day")

    assert alone[:2] == ["shop-night", "shop-night-2"]
    assert set(alone) <= set(beside)
    assert len(set(beside)) == len(beside) == 8


def export_names(platform):
    document = libyaml.one(export_platform("render", platform).files[0].text)
    return [each["name"] for each in document["services"] if each["type"] == "cron"]


def test_cut_names_differ():
    """Two that begin alike, and one that has two hyphens."""
    first, second = (fitted("a" * 40 + end, 32) for end in "bc")

    assert first != second
    assert len(first) == len(second) == 32
    assert fitted("a" * 25 + "-" * 3 + "b" * 20, 32)[:26] == "a" * 25 + "-"
    assert "--" not in fitted("shop--web", 32, doubles=False)
    assert fitted("shop--web", 32, doubles=False) != fitted("shop-web", 32, doubles=False)
    assert fitted("shop-web", 8) == "shop-web"
    assert (apart("config", {"config"}), apart("web", {"config"})) == ("config-service", "web")


@pytest.mark.parametrize(
    ("target", "name"), [("kubernetes", "kube-system"), ("systemd", "multi-user"), ("upsun", "redis")]
)
def test_a_project_is_not_called_like_a_thing_of_the_platform(target, name):
    """Systemd would lose its own multi-user.target, Kubernetes get our labels on its namespace."""
    with pytest.raises(
        TakenNameError, match=rf'^platform\.yaml: name: should be another one .*, got "{name}"$'
    ):
        export_platform(target, hostile(name))


@pytest.mark.parametrize("name", ["release", "tick", "cron", "postgres", "redis", "web"])
def test_a_cronjob_is_not_called_like_a_service_or_a_part_of_every_export(name):
    """Their units, files and processes have these names."""
    with pytest.raises(spec.PlatformError, match=f"cronjobs/{name}/name: should be a unique name"):
        hostile(services=["worker"], cronjobs=[name])
