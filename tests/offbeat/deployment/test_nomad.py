"""Nomad's jobs, read by the names and the rules of Nomad's own source: its JSON drops in silence what it does not know."""

import json
import os
import shlex
import subprocess

import pytest

from offbeat.deployment import spec
from offbeat.deployment.exporters import export_platform
from tests.offbeat.deployment.golden.variants import CASES, FOLDER, SHIPPED
from tests.offbeat.deployment.nomad_jobs import JOB, argv, faults, unruly, variables
from tests.offbeat.deployment.nomad_jobs import tasks as tasks_of

SPECS = {"shipped": SHIPPED, "rich": spec.read(FOLDER / "platform.yaml"), **CASES}


@pytest.fixture(params=SPECS)
def platform(request):
    return SPECS[request.param]


def files(platform):
    return {file.path: file.text for file in export_platform("nomad", platform).files}


def jobs(platform):
    return [json.loads(text)["Job"] for path, text in files(platform).items() if path.endswith(".json")]


def tasks(platform):
    return [task for job in jobs(platform) for task in tasks_of(job)]


def test_nomad_knows_every_field(platform):
    """No field is one that Nomad's structs would drop, and no value is of another type."""
    assert [fault for job in jobs(platform) for fault in faults(job, JOB)] == []


def test_jobs_meet_nomads_rules(platform):
    """IDs are free of spaces and each a job's own, periodic jobs are batch jobs, and deadlines come in their order."""
    assert list(unruly(jobs(platform))) == []


def test_the_reader_finds_what_nomad_would_drop():
    """A field that no struct has, a number as text and a port without its label are found."""
    (job, *_) = jobs(SHIPPED)
    job["Priorities"] = 50
    job["TaskGroups"][0]["Count"] = "2"
    job["TaskGroups"][0]["Networks"][0]["DynamicPorts"][0]["Label"] = "https"

    assert list(faults(job, JOB)) == ["Job.TaskGroups[0].Count is '2'", "Job.Priorities is not known"]
    assert list(unruly([job])) == ["offbeat/web: no port is called http"]


def test_commands_arrive_as_they_are_written(platform):
    """Every service, cronjob and release runs the words of platform.yaml, and no other."""
    ran = {tuple(argv(task)) for task in tasks(platform)}

    wanted = {tuple(each.argv) for each in platform.services}
    wanted |= {tuple(shlex.split(each.command)) for each in platform.cronjobs}
    assert ran == wanted | {tuple(shlex.split(platform.release))}


def test_values_arrive_as_they_are_written(platform):
    """Every default of platform.yaml reaches every process that it is for, with dollars, quotes and braces in it."""
    for task in tasks(platform):
        process = task["Name"] if task["Name"] in {each.name for each in platform.services} else ""
        wanted = {each.name: each.default for each in platform.env_of(process) if each.default is not None}
        got = variables(task)
        assert {name: got[name] for name in wanted} == wanted


def test_a_dollar_brace_is_no_value_of_nomads():
    """`${PORT}` in a default stays `${PORT}`, although Nomad would put the port there."""
    platform = spec.parse(
        (FOLDER / "platform.yaml")
        .read_text()
        .replace("env:\n", 'env:\n  ODD: {default: "${PORT} {{ x }}"}\n', 1)
    )

    assert {variables(task)["ODD"] for task in tasks(platform)} == {"${PORT} {{ x }}"}


def test_a_deploy_leaves_the_old_ones_until_the_new_ones_are_well(platform):
    """Without a canary, Nomad stops the only worker before its successor's release, which may fail."""
    updates = [job["Update"] for job in jobs(platform) if job["Type"] == "service"]

    assert [(each["Canary"], each["AutoPromote"], each["AutoRevert"]) for each in updates] == [
        (1, True, True)
    ]


STUB = """#!/usr/bin/env bash
printf '%s\\n' "$*" >>"$LOG"
case "$*" in
    "job run -json "*) [[ -e $4 ]] || exit 2 ;;&
    "var get "*) [[ -e $STATE ]] ;;
    "var put "*) touch "$STATE" ;;
    *"$FAILS"*) exit 1 ;;
esac
"""


def deploy(platform, folder, **env):
    script, stub, log = folder / "deploy.sh", folder / "nomad", folder / "log"
    for path, text in files(platform).items():
        (folder / path.removeprefix("deploy/nomad/")).write_text(text)
    stub.write_text(STUB)
    stub.chmod(0o755)
    log.write_text("")
    given = {"PATH": f"{folder}:{os.environ['PATH']}", "LOG": str(log), "STATE": str(folder / "state")}
    done = subprocess.run(
        ["bash", script],
        cwd="/",
        env=given | {"FAILS": "nothing"} | env,
        capture_output=True,
        text=True,
        check=False,
    )
    return done, log.read_text().splitlines()


ADDRESSES = {"DATABASE_URL": "postgres://x", "REDIS_URL": "redis://x", "ALLOWED_HOSTS": "www.example.com"}


def test_the_script_may_run_again_and_keeps_the_secrets(tmp_path):
    """The first run makes the variables, the second leaves them; each hands over every job, services first."""
    first, begun = deploy(SHIPPED, tmp_path, **ADDRESSES)
    second, later = deploy(SHIPPED, tmp_path)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert next(line for line in begun if line not in later).startswith(
        "var put -check-index 0 -namespace offbeat"
    )
    assert not [line for line in later if "var put" in line]
    ran = [line.split()[-1] for line in later if line.startswith("job run -json")]
    assert ran[0] == "services.json"
    assert len(ran) == len(jobs(SHIPPED))


def test_the_script_names_a_variable_that_is_missing(tmp_path):
    """Without an address nothing is made, and the message says which one it is."""
    done, lines = deploy(SHIPPED, tmp_path)

    assert done.returncode != 0
    assert "DATABASE_URL: is the address of a server" in done.stderr
    assert not [line for line in lines if line.startswith(("var put", "job run"))]


def test_the_script_stops_at_a_step_that_fails(tmp_path):
    """When the services are refused, no cronjob is handed over."""
    done, lines = deploy(SHIPPED, tmp_path, FAILS="services.json", **ADDRESSES)

    assert done.returncode != 0
    assert "services.json" in lines[-1]
