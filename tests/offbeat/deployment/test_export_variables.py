"""The variables that exports give to processes: what the settings require, how many run, and no secret that was made."""

import os
import re
import shlex
import subprocess

import pytest
import yaml

from offbeat.deployment import spec
from offbeat.deployment.exporters import TARGETS, facts_of
from tests.offbeat.deployment import libyaml
from tests.offbeat.deployment.exports import RICH, containers_of, document, files
from tests.offbeat.deployment.golden.variants import FOLDER


def render_processes():
    services = document("render", "render.yaml")["services"]
    return {
        each["name"]: {entry["key"] for entry in each["envVars"]}
        for each in services
        if each["type"] != "keyvalue"
    }


def railway_processes():
    text = files("railway")[".railway/railway.ts"]
    blocks = re.findall(r'service\("([^"]+)", \{(.*?)^  \}\);', text, re.DOTALL | re.MULTILINE)
    return {name: set(re.findall(r'^\s+"([A-Z_]+)":', block, re.MULTILINE)) for name, block in blocks}


def digitalocean_processes():
    app = document("digitalocean", ".do/app.yaml")
    shared = {each["key"] for each in app["envs"]}
    parts = [*app["services"], *app["workers"], *app["jobs"]]
    return {each["name"]: shared | {entry["key"] for entry in each.get("envs", [])} for each in parts}


def compose_processes():
    services = document("compose", "deploy/compose/compose.yaml")["services"]
    return {
        name: set(each["environment"]) for name, each in services.items() if name not in ("postgres", "redis")
    }


def cloudrun_processes():
    found = {}
    for path, text in files("cloudrun").items():
        if path.endswith(".yaml"):
            found[path] = set(re.findall(r"- name: ([A-Z_]+)$", text, re.MULTILINE))
    return found


def kubernetes_processes():
    secret = set(document("kubernetes", "deploy/kubernetes/secrets.example.yaml")["stringData"])
    found = {}
    for path, text in files("kubernetes").items():
        for manifest in libyaml.every(text):
            for container in containers_of(manifest):
                sources = [next(iter(each.values()))["name"] for each in container["envFrom"]]
                assert sources == ["bakery-config", "bakery-secrets"]
                found[f"{path}/{container['name']}"] = secret
    return found


PROCESSES = {
    "render": (render_processes, 3 + 7),
    "railway": (railway_processes, 3 + 7),
    "digitalocean": (digitalocean_processes, 3 + 7 + 1),
    "compose": (compose_processes, 3 + 2),
    "cloudrun": (cloudrun_processes, 3 + 6 + 1),
    "kubernetes": (kubernetes_processes, 3 + 7 + 1),
}


@pytest.mark.parametrize("target", PROCESSES)
def test_every_process_gets_what_the_settings_require(target):
    """A worker or a cronjob never lacks what web has."""
    processes, count = PROCESSES[target]
    found = processes()
    needed = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "STRIPE_KEY"}

    missing = {name: needed - variables for name, variables in found.items() if needed - variables}

    assert missing == {}
    assert len(found) == count


@pytest.mark.parametrize("target", TARGETS)
def test_no_export_holds_a_generated_secret(target):
    """An export can be committed: a secret in it is a reference, a command that makes one, or empty."""
    for path, text in files(target).items():
        for line in text.splitlines():
            if match := re.search(r"""\bSECRET_KEY["']?\s*[=:]\s*(.*)$""", line):
                value = match[1].strip(" ,\"'")
                harmless = (
                    r"|\{|unused .*|\$.*|ctx\.shared\.SECRET_KEY|generated: .*|generated, once, by python3 .*"
                )
                assert re.fullmatch(harmless, value), f"{path}: {line}"


@pytest.mark.parametrize("target", TARGETS)
def test_the_worker_knows_the_grace_that_it_gets(target):
    """WORKER_GRACE is what the platform grants, not what platform.yaml wishes."""
    granted = {str(facts_of(target).grace_of(each.grace)) for each in RICH.services if each.queues}

    found = set()
    for text in files(target).values():
        found |= set(re.findall(r"""WORKER_GRACE\b[^0-9]{1,80}?([0-9]+)""", text.replace("\n", " ")))

    assert found <= granted
    assert found or target == "crontab"


def test_generated_secrets_on_upsun_differ_and_stay(tmp_path):
    """They are made of one secret of the project; whoever is shown one must not learn another."""
    source = libyaml.one((FOLDER / "platform.yaml").read_text())
    source["env"] |= {"CRON_SECRET": {"generated": True}}
    script = files("upsun", spec.parse(yaml.safe_dump(source)))[".environment"]
    (tmp_path / "environment").write_text(script + 'printf "%s\\n%s" "$SECRET_KEY" "$CRON_SECRET"\n')

    def made(**variables):
        command = ["sh", "-e", str(tmp_path / "environment")]
        variables |= {"PATH": os.environ["PATH"], "PLATFORM_PROJECT_ENTROPY": "entropy"}
        return subprocess.run(
            command, env=variables, capture_output=True, text=True, check=True
        ).stdout.split()

    first, second = made(), made()

    assert first == second
    assert len(set(first)) == 2
    assert all(re.fullmatch("[0-9a-f]{64}", each) for each in first)
    assert made(CRON_SECRET="chosen") == [first[0], "chosen"]


def test_values_survive_every_format():
    """Quotes, dollars, per cents and backslashes arrive as they were written."""
    greeting = next(each.default for each in RICH.env if each.name == "GREETING")

    assert document("fly", "fly.toml")["env"]["GREETING"] == greeting
    assert document("heroku", "app.json")["env"]["GREETING"]["value"] == greeting
    compose = document("compose", "deploy/compose/compose.yaml")["services"]["web"]["environment"]["GREETING"]
    assert compose.replace("$$", "$") == greeting
    dokku = next(line for line in files("dokku")["deploy/dokku/setup.sh"].splitlines() if "GREETING" in line)
    assert shlex.split(dokku.rstrip("\\"))[-1] == f"GREETING={greeting}"


def test_hosts_that_a_platform_knows_are_not_asked_for():
    """The worker and the cronjobs on Render take web's own name and address from web."""
    services = {each["name"]: each for each in document("render", "render.yaml")["services"]}
    worker = {each["key"]: each for each in services["bakery-worker"]["envVars"]}

    assert "ALLOWED_HOSTS" not in {each["key"] for each in services["bakery-web"]["envVars"]}
    assert worker["ALLOWED_HOSTS"]["fromService"]["envVarKey"] == "RENDER_EXTERNAL_HOSTNAME"
    assert worker["BASE_URL"]["fromService"]["envVarKey"] == "RENDER_EXTERNAL_URL"


NUMBERS = re.compile(r"(WEB|WORKER)_CONCURRENCY\W+(?:scope\W+RUN_TIME\W+)?(?:[Vv]alue\W+)?(\d+)")


def numbers(target, cpu, memory, **env):
    """Give how many processes an export says that the rich file's services run, with so much CPU and memory."""
    source = libyaml.one((FOLDER / "platform.yaml").read_text())
    for service in source["services"]:
        service.update(cpu=cpu, memory=memory)
    source["env"] |= {name: {"default": value} for name, value in env.items()}
    return set(NUMBERS.findall("".join(files(target, spec.parse(yaml.safe_dump(source))).values())))


@pytest.mark.parametrize("target", sorted(set(TARGETS) - {"crontab"}))
def test_processes_follow_cpu_and_memory(target):
    """How many run is the container's to choose, or printed by the same arithmetic where it may not see what it has."""
    small, large = numbers(target, 0.5, 512), numbers(target, 2, 2048)

    if facts_of(target).shows_size:
        assert (small, large) == (set(), set())
    else:
        assert small == {("WEB", "2"), ("WORKER", "2")}
        assert large == {("WEB", "4"), ("WORKER", "4")}


@pytest.mark.parametrize("target", sorted(set(TARGETS) - {"crontab"}))
def test_a_number_of_the_file_has_the_say(target):
    """Who sets WORKER_CONCURRENCY gets it on every platform."""
    assert {
        count for kind, count in numbers(target, 0.5, 512, WORKER_CONCURRENCY="7") if kind == "WORKER"
    } == {"7"}
