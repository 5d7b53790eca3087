"""What the exporters owe to each platform's habits."""

import json
import os
import re
import shlex
import subprocess
import tomllib
from dataclasses import replace

import pytest
import yaml
from django.core.management import CommandError, call_command

from offbeat.deployment import spec
from offbeat.deployment.exporters import TARGETS, MissingKeyError, Options, export_platform, facts_of
from tests.offbeat.deployment import libyaml
from tests.offbeat.deployment.golden.variants import FOLDER, SHIPPED

RICH = spec.read(FOLDER / "platform.yaml")


def export(target, platform=RICH, **options):
    return export_platform(target, platform, Options(**options))


def files(target, platform=RICH, **options):
    return {file.path: file.text for file in export(target, platform, **options).files}


def document(target, path, platform=RICH, **options):
    text = files(target, platform, **options)[path]
    return (
        json.loads(text)
        if path.endswith(".json")
        else tomllib.loads(text)
        if path.endswith(".toml")
        else libyaml.one(text)
    )


def with_cronjobs(*cronjobs):
    source = libyaml.one((FOLDER / "platform.yaml").read_text()) | {"cronjobs": list(cronjobs)}
    return spec.parse(yaml.safe_dump(source))


def with_worker_and_web(**instances):
    source = libyaml.one((FOLDER / "platform.yaml").read_text())
    for service in source["services"]:
        service["instances"] = instances.get(service["name"], 1)
    return spec.parse(yaml.safe_dump(source))


# What every process gets


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
            for container in _containers(manifest):
                sources = [next(iter(each.values()))["name"] for each in container["envFrom"]]
                assert sources == ["bakery-config", "bakery-secrets"]
                found[f"{path}/{container['name']}"] = secret
    return found


def _containers(manifest):
    if isinstance(manifest, dict):
        yield from manifest.get("containers", [])
        for value in manifest.values():
            yield from _containers(value)


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


# Notes its calls; like the real one it updates only a job that is there, and creates none twice.
# Signals and stops


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


# Schedules


def test_nine_oclock_in_berlin_is_two_hours_in_utc():
    """A platform that counts in UTC is woken at both hours that the schedule can mean."""
    crons = {
        each["name"]: each["schedule"]
        for each in document("render", "render.yaml")["services"]
        if each["type"] == "cron"
    }

    assert crons["bakery-weekly-digest"] == "0 7,8 * * 1"


def test_a_platform_that_knows_time_zones_is_told_the_zone():
    """Where a zone can be said, the schedule is printed as it was written."""
    jobs = {each["name"]: each.get("schedule") for each in document("digitalocean", ".do/app.yaml")["jobs"]}

    assert jobs["weekly-digest"] == {"cron": "0 9 * * 1", "time_zone": "Europe/Berlin"}


def test_a_time_that_the_clock_skips_is_printed_in_utc():
    """Platforms skip half past two on the night when there is none; the ledger does not."""
    jobs = {each["name"]: each.get("schedule") for each in document("digitalocean", ".do/app.yaml")["jobs"]}

    assert jobs["night-shift"] == {"cron": "30 6,7 * * 0,5,6", "time_zone": "UTC"}
    assert jobs["night-shift-2"] == {"cron": "0 7 8-14 3 *", "time_zone": "UTC"}


def test_a_schedule_below_the_floor_is_woken_at_the_floor():
    """Every minute is every five on Railway, and the export says what becomes of the rest."""
    printed = export("railway")

    assert '"cronSchedule": "*/5 * * * *"' in printed.files[0].text
    assert any(line.startswith("cronjobs/every-minute: triggered every 5 min") for line in printed.warnings)


def test_more_entries_than_a_platform_takes_become_one_tick():
    """Scalingo takes five; the sixth would be refused by a deploy."""
    assert document("scalingo", "cron.json") == {"jobs": [{"command": "*/10 * * * * python manage.py tick"}]}
    assert (
        "cronjobs: 7 entries where Scalingo allows 5: one tick in their place" in export("scalingo").warnings
    )


def test_a_tick_is_one_entry_for_all():
    """Seven cron services become one, each slot up to ten minutes late."""
    printed = export("render", tick=10)
    crons = [each for each in libyaml.one(printed.files[0].text)["services"] if each["type"] == "cron"]

    assert [(each["schedule"], each["dockerCommand"]) for each in crons] == [
        ("*/10 * * * *", "python manage.py tick")
    ]
    assert "cronjobs: with one tick, slots come up to 10 min late" in printed.warnings
    assert "--tick 10" in printed.files[0].text


@pytest.mark.parametrize("minutes", [7, 60, 90, 1439, 1440])
@pytest.mark.parametrize("target", ["heroku", "ecs", "render"])
def test_a_tick_of_any_length_is_a_line_that_cron_takes(target, minutes):
    """A day is no step of hours."""
    assert "*/24" not in str(export(target, tick=minutes))


@pytest.mark.parametrize("minutes", ["-5", "1441", "x", "1.5"])
def test_a_tick_that_no_day_holds_is_refused(minutes):
    with pytest.raises(CommandError, match="a whole number of minutes from 0 to 1440"):
        call_command("export_platform", "render", f"--tick={minutes}")


def test_a_second_line_gets_a_name_that_nobody_has():
    """A cronjob of two lines beside one that is called like the second is still two."""
    night = {"schedule": "30 2 * * *", "timezone": "Europe/Berlin", "command": "python manage.py a"}
    platform = with_cronjobs(
        {"name": "night"} | night, {"name": "night-2", "schedule": "@daily", "command": "python manage.py b"}
    )

    crons = [
        each["name"]
        for each in document("render", "render.yaml", platform)["services"]
        if each["type"] == "cron"
    ]

    assert crons == ["bakery-night", "bakery-night-3", "bakery-night-2"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_platform_without_cronjobs_gets_none(target):
    """A fork that deletes every cronjob deploys all the same."""
    printed = "".join(files(target, with_cronjobs()).values())

    assert "tick" not in printed
    assert "cron.py" not in printed
    assert not re.search(r"^\s*(crons?|CronJob|cronSchedule)\b", printed, re.MULTILINE)


# Values


def test_values_survive_every_format():
    """Quotes, dollars, per cents and backslashes arrive as they were written."""
    greeting = next(each.default for each in RICH.env if each.name == "GREETING")

    assert document("fly", "fly.toml")["env"]["GREETING"] == greeting
    assert document("heroku", "app.json")["env"]["GREETING"]["value"] == greeting
    compose = document("compose", "deploy/compose/compose.yaml")["services"]["web"]["environment"]["GREETING"]
    assert compose.replace("$$", "$") == greeting
    dokku = next(line for line in files("dokku")["deploy/dokku/setup.sh"].splitlines() if "GREETING" in line)
    assert shlex.split(dokku.rstrip("\\"))[-1] == f"GREETING={greeting}"


# What a platform cannot do, and what nobody knows


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
        for container in _containers(manifest)
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


def test_hosts_that_a_platform_knows_are_not_asked_for():
    """The worker and the cronjobs on Render take web's own name and address from web."""
    services = {each["name"]: each for each in document("render", "render.yaml")["services"]}
    worker = {each["key"]: each for each in services["bakery-worker"]["envVars"]}

    assert "ALLOWED_HOSTS" not in {each["key"] for each in services["bakery-web"]["envVars"]}
    assert worker["ALLOWED_HOSTS"]["fromService"]["envVarKey"] == "RENDER_EXTERNAL_HOSTNAME"
    assert worker["BASE_URL"]["fromService"]["envVarKey"] == "RENDER_EXTERNAL_URL"


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


@pytest.mark.parametrize("target", TARGETS)
def test_the_release_runs_without_web(target):
    """Where web's start is what runs it, another service does; a platform.yaml may have workers alone."""
    platform = replace(SHIPPED, release="python manage.py release --known-by-this")

    def is_run(services):
        files = export_platform(target, replace(platform, services=services)).files
        return any(re.search(r"known-by-this|\brelease\+\w", file.text) for file in files)

    assert is_run(platform.services[1:]) == is_run(platform.services)
