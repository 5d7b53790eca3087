"""What the exporters owe to each platform's habits: signals, stops, Redis, containers, and what it cannot do."""

import re
from dataclasses import replace

import pytest
import yaml

from offbeat.deployment import spec
from offbeat.deployment.exporters import TARGETS, MissingKeyError, export_platform, facts_of
from tests.offbeat.deployment import libyaml
from tests.offbeat.deployment.exports import containers_of, document, export, files
from tests.offbeat.deployment.golden.variants import FOLDER, SHIPPED


def with_worker_and_web(**instances):
    source = libyaml.one((FOLDER / "platform.yaml").read_text())
    for service in source["services"]:
        service["instances"] = instances.get(service["name"], 1)
    return spec.parse(yaml.safe_dump(source))


def test_sigterm_is_remapped_on_heroku_alone():
    """Only Heroku sends SIGTERM to every process of a container at once."""
    remapped = {target for target in TARGETS for text in files(target).values() if "REMAP_SIGTERM" in text}

    assert remapped == {"heroku"}
    assert document("heroku", "app.json")["env"]["REMAP_SIGTERM"] == {"value": "SIGQUIT"}


def test_fly_is_told_the_signal_and_the_time():
    """Fly would send SIGINT, and kill after five seconds."""
    config = document("fly", "fly.toml")

    assert (config["kill_signal"], config["kill_timeout"]) == ("SIGTERM", "120s")


def test_railway_is_told_to_drain():
    """Railway would kill at once."""
    assert re.findall(r'"drainingSeconds": (\d+)', files("railway")[".railway/railway.ts"]) == [
        "45",
        "120",
        "20",
    ]


def test_kubernetes_waits_for_the_routers_too():
    """A stopping web pod still answers for a moment, and has its whole grace after it."""
    deployment = next(libyaml.every(files("kubernetes")["deploy/kubernetes/web.yaml"]))
    pod = deployment["spec"]["template"]["spec"]

    assert pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "5"]
    assert pod["terminationGracePeriodSeconds"] == 50


def test_a_grace_that_cannot_be_had_is_a_warning_with_its_effect():
    """Who asks for two minutes on Heroku is told what thirty seconds mean."""
    warning = "services/worker: gets 30 s of grace, not 120: longer jobs return to the queue and run again"

    assert warning in export("heroku").warnings


def test_a_port_is_not_given_twice_on_one_machine():
    """Two web units or containers would want the same port: there is one, and a word about it."""
    wants = with_worker_and_web(web=2, worker=3)

    assert {path for path in files("systemd", wants) if "web" in path} == {
        "deploy/systemd/bakery-web.service"
    }
    assert "bakery-worker@3.service" in files("systemd", wants)["deploy/systemd/bakery.target"]
    for target in ("systemd", "compose"):
        assert (
            "services/web: runs once, not 2 times, for its port: raise WEB_CONCURRENCY"
            in export(target, wants).warnings
        )


def test_what_is_not_verified_is_said():
    """Nothing is guessed in silence."""
    for target in TARGETS:
        facts = facts_of(target)
        told = [line for line in export(target).warnings if line.startswith("not verified: ")]
        assert len(told) == len(facts.unverified)
        assert bool(facts.assumed) <= bool(facts.unverified)


def test_heroku_relaxes_redis_tls_and_says_so():
    """Its certificates are signed by itself; nowhere else is verification given up."""
    relaxed = {
        target
        for target in TARGETS
        for text in files(target, SHIPPED).values()
        if re.search(r"""REDIS_TLS_VERIFY\b["'\s:={]*(value)?["'\s:]*false""", text)
    }

    assert relaxed == {"heroku"}
    assert any("REDIS_TLS_VERIFY is false here" in line for line in export("heroku", SHIPPED).warnings)


def test_a_redis_never_evicts():
    """Where the export makes the Redis, it is a broker and not a cache."""
    assert document("render", "render.yaml")["services"][0]["maxmemoryPolicy"] == "noeviction"
    assert "--maxmemory-policy noeviction" in files("compose")["deploy/compose/compose.yaml"]
    assert document("upsun", ".upsun/config.yaml")["services"]["redis"]["type"].startswith(
        "redis-persistent:"
    )


def test_workers_never_scale_to_zero():
    """KEDA would like to; the reconciler lives in the workers."""
    manifests = libyaml.every(files("kubernetes", keda="redis")["deploy/kubernetes/worker.yaml"])
    scaler = next(each for each in manifests if each["kind"] == "ScaledObject")

    assert scaler["spec"]["minReplicaCount"] == 1
    assert scaler["spec"]["triggers"][0]["metadata"]["listName"] == "bakery:default"


def test_pods_meet_the_restricted_standard():
    """Every container of every manifest, cronjobs and release included, is locked down."""
    containers = [
        container
        for text in files("kubernetes").values()
        for manifest in libyaml.every(text)
        for container in containers_of(manifest)
    ]

    assert len(containers) == 11
    for container in containers:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_the_worker_is_probed_by_its_heartbeat():
    """Kubernetes asks the worker's own file, neither the broker nor Django."""
    deployment = next(libyaml.every(files("kubernetes")["deploy/kubernetes/worker.yaml"]))
    probe = deployment["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]

    assert probe["exec"]["command"] == ["python", "src/offbeat/jobs/probe.py"]


@pytest.mark.parametrize(
    ("key", "needing"),
    [
        ("image", {"azure", "cloudrun", "ecs", "kamal", "kubernetes", "nomad"}),
        ("repository", {"digitalocean", "northflank", "pandastack", "railway"}),
    ],
)
@pytest.mark.parametrize("target", TARGETS)
def test_a_key_is_asked_for_by_those_that_need_it(target, key, needing):
    """An export without the image or the repository that it names would pull somebody else's: it is refused, with a hint."""
    source = libyaml.one((FOLDER / "platform.yaml").read_text())
    del source[key]
    platform = spec.parse(yaml.safe_dump(source))

    if target in needing:
        with pytest.raises(MissingKeyError) as refused:
            files(target, platform)
        assert f"{key}: is missing, and {facts_of(target).title} needs it" in str(refused.value)
        assert f"Hint: {key}: " in str(refused.value)
    else:
        assert "None" not in "".join(files(target, platform).values())


@pytest.mark.parametrize("target", TARGETS)
def test_the_release_runs_without_web(target):
    """Where web's start is what runs it, another service does; a platform.yaml may have workers alone."""
    platform = replace(SHIPPED, release="python manage.py release --known-by-this")

    def is_run(services):
        files = export_platform(target, replace(platform, services=services)).files
        return any(re.search(r"known-by-this|\brelease\+\w", file.text) for file in files)

    assert is_run(platform.services[1:]) == is_run(platform.services)
