"""AWS ECS: what the templates hold, and in which order deploy.sh deploys them."""

import json
import os
import re
import shlex
import subprocess
from functools import cache

import pytest
import yaml

from offbeat.deployment import spec
from offbeat.deployment.exporters import export_platform
from tests.offbeat.deployment import libyaml
from tests.offbeat.deployment.golden.variants import CASES, FOLDER
from tests.offbeat.deployment.validators import validate_ecs

RICH = spec.read(FOLDER / "platform.yaml")


@cache
def files(platform):
    return {file.path.rpartition("/")[2]: file.text for file in export_platform("ecs", platform).files}


@cache
def templates(platform):
    printed = files(platform)
    return libyaml.one(printed["base.yaml"]), libyaml.one(printed["services.yaml"])


def of_kind(template, kind):
    return {
        name: each["Properties"]
        for name, each in template["Resources"].items()
        if each["Type"].endswith(kind)
    }


def processes(platform):
    """Give (argv, environment) of each process by its name."""
    base, services = templates(platform)
    found = {}
    for task in [*of_kind(base, "TaskDefinition").values(), *of_kind(services, "TaskDefinition").values()]:
        (container,) = task["ContainerDefinitions"]
        env = {each["Name"]: each["Value"] for each in container["Environment"]}
        found[container["Name"]] = (container["Command"], env)
    cron = found.pop("cron", None)
    for each in of_kind(services, "Schedule").values():
        (override,) = json.loads(each["Target"]["Input"])["containerOverrides"]
        found[each["Name"].removeprefix(f"{platform.name}-")] = (override["command"], cron[1])
    return found


@pytest.mark.parametrize("case", CASES)
def test_commands_and_values_arrive_as_they_are(case):
    """Every process has its own argv and every default of the file, letter by letter."""
    platform = CASES[case]
    found = processes(platform)
    commands = {each.name: each.command for each in (*platform.services, *platform.cronjobs)}
    commands["release"] = platform.release

    for name, command in commands.items():
        argv, env = found[name]
        defaults = {each.name: each.default for each in platform.env_of(name) if each.default is not None}
        assert argv == shlex.split(command)
        assert {key: env[key] for key in defaults} == defaults


@pytest.mark.parametrize("case", CASES)
def test_cloudformation_takes_the_templates_as_they_come(case):
    """No bucket is needed below 51,200 bytes, and letters that CloudFormation would lose are escapes."""
    for name, text in files(CASES[case]).items():
        assert len(text.encode()) <= 51_200
        assert text.isascii() or name == "deploy.sh"


def test_a_template_that_needs_a_bucket_asks_for_it_before_anything_else():
    """Forty cronjobs are more than 51,200 bytes: without a word, the release would have run before the AWS CLI says so."""
    source = libyaml.one((FOLDER / "platform.yaml").read_text())
    command = "python manage.py tick --name"
    source["cronjobs"] = [
        {"name": f"job-{each}", "schedule": "@daily", "command": f"{command} {each}"} for each in range(40)
    ]
    script = files(spec.parse(yaml.safe_dump(source)))["deploy.sh"]

    assert 0 < script.index('"${BUCKET:?') < script.index('deploy "$stack" base.yaml')
    assert "BUCKET:?" not in files(RICH)["deploy.sh"]


def test_names_that_differ_in_a_hyphen_stay_apart():
    """CloudFormation's own names have letters and digits alone: a-b1 and a-b-1 are two schedules all the same."""
    source = libyaml.one((FOLDER / "platform.yaml").read_text())
    names = ["a-b1", "a-b-1", "ab-1", "a1-b", "task"]
    source["cronjobs"] = [
        {"name": each, "schedule": "@daily", "command": f"python manage.py {each}"} for each in names
    ]
    source["env"] |= {each: {"generated": True} for each in ("A_B", "AB", "A__B", "AXB")}

    base, services = templates(spec.parse(yaml.safe_dump(source)))

    assert {each["Name"] for each in of_kind(services, "Schedule").values()} == {
        f"bakery-{each}" for each in names
    }
    assert len(of_kind(base, "Secret")) == 5
    assert all(re.fullmatch("[A-Za-z0-9]+", each) for each in [*base["Resources"], *services["Resources"]])


def test_a_range_of_instances_scales():
    """Bounds are those of the file; a deploy does not set back what scales."""
    _, services = templates(RICH)
    bounds = of_kind(services, "ScalableTarget")

    assert {(each["MinCapacity"], each["MaxCapacity"]) for each in bounds.values()} == {(2, 6), (1, 8)}
    assert {name: each.get("DesiredCount") for name, each in of_kind(services, "ECS::Service").items()} == {
        "WebService": None,
        "WorkerService": None,
        "MailerService": 1,
    }


def test_the_load_balancer_asks_the_path_that_needs_no_database():
    """ECS ends tasks that fail it: with `ready`, all of web while the database is down."""
    base, _ = templates(RICH)
    (group,) = of_kind(base, "TargetGroup").values()

    assert (group["HealthCheckPath"], group["Port"]) == ("/healthz", 8080)
    assert group["TargetGroupAttributes"] == [{"Key": "deregistration_delay.timeout_seconds", "Value": "45"}]


def test_what_services_take_the_base_gives():
    """Whatever the second template asks for is an output of the first, so that deploy.sh can hand it over."""
    for platform in CASES.values():
        base, services = templates(platform)
        assert set(services["Parameters"]) - {"Image"} <= set(base["Outputs"])


def test_a_platform_of_workers_alone_needs_no_load_balancer_and_no_release(tmp_path):
    """Nothing is asked for that nothing uses: cfn-lint would say so."""
    worker = {"name": "worker", "command": "python manage.py worker --queues a", "queues": ["a"]}
    source = {"name": "shop", "image": "acme/shop:1", "services": [worker]}
    printed = files(spec.parse(yaml.safe_dump(source)))
    base = libyaml.one(printed["base.yaml"])

    assert set(base["Parameters"]) == {"Vpc", "Subnets", "PublicIp"}
    assert "run-task" not in printed["deploy.sh"]
    validate_ecs({"workers": {f"deploy/ecs/{name}": text for name, text in printed.items()}}, tmp_path)


def test_a_generated_secret_outlives_the_stack():
    base, _ = templates(RICH)
    secret = base["Resources"]["SecretSECRETxKEY"]

    assert secret["Properties"] == {
        "GenerateSecretString": {"PasswordLength": 64, "ExcludePunctuation": True}
    }
    assert (secret["DeletionPolicy"], secret["UpdateReplacePolicy"]) == ("Retain", "Retain")


# Notes its words, with tabs between, and answers as the AWS CLI does.
AWS = r"""#!/bin/sh
printf '%s\t' "$@" >> "$CALLS"; echo >> "$CALLS"
case "$*" in *"$FAILS"*) exit 255 ;; esac
case "$*" in
*describe-stacks*join*) printf 'Cluster=shop\tSubnets=subnet-1,subnet-2\n' ;;
*describe-stacks*) printf 'value-of-%s\n' "$(echo "$*" | cut -d "'" -f 2)" ;;
*run-task*) echo "${TASK:-arn:task}" ;;
*describe-tasks*) echo "$CODE" ;;
esac
"""


def deploy(folder, *arguments, **variables):
    """Run deploy.sh with a stand-in for the AWS CLI; give its result and the calls."""
    (folder / "aws").write_text(AWS)
    (folder / "aws").chmod(0o755)
    for name, text in files(RICH).items():
        (folder / name).write_text(text)
    calls = folder / "calls"
    calls.unlink(missing_ok=True)
    variables = {"FAILS": "nothing"} | variables
    variables |= {"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(calls)}
    done = subprocess.run(
        ["bash", str(folder / "deploy.sh"), *arguments],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return done, [line.split("\t")[:-1] for line in calls.read_text().splitlines()]


def steps(calls):
    return [
        f"{call[1]} {call[call.index('--template-file') + 1]}" if call[1] == "deploy" else call[1]
        for call in calls
        if call[1] != "describe-stacks"
    ]


def test_services_change_after_the_release(tmp_path):
    """The base, the release to its end, the services: the first time as later, and again with no change."""
    order = ["deploy base.yaml", "run-task", "wait", "describe-tasks", "deploy services.yaml"]

    for arguments in (["Vpc=vpc-1", "Subnets=subnet-1,subnet-2"], []):
        done, calls = deploy(tmp_path, *arguments, CODE="0", IMAGE="acme/shop:2")

        assert (done.returncode, done.stderr, steps(calls)) == (0, "", order)
        assert calls[0][-len(arguments) - 1 :] == ["Image=acme/shop:2", *arguments]
        assert calls[-1][-3:] == ["Image=acme/shop:2", "Cluster=shop", "Subnets=subnet-1,subnet-2"]
        run_task = next(call for call in calls if call[1] == "run-task")
        assert (
            "awsvpcConfiguration={subnets=[value-of-Subnets]"
            in run_task[run_task.index("--network-configuration") + 1]
        )


@pytest.mark.parametrize(("code", "left"), [("3", 3), ("None", 1)])
def test_a_release_that_fails_leaves_the_services_alone(code, left, tmp_path):
    """The script ends with the release's own code, or 1 where its container never ran."""
    done, calls = deploy(tmp_path, CODE=code)

    assert done.returncode == left
    assert f"The release ended with {code}; nothing else was changed." in done.stderr
    assert "deploy services.yaml" not in steps(calls)


def test_a_release_that_ecs_cannot_start_ends_the_deploy(tmp_path):
    done, calls = deploy(tmp_path, TASK="None", CODE="0")

    assert done.returncode == 1
    assert "ECS could not start the release" in done.stderr
    assert steps(calls) == ["deploy base.yaml", "run-task"]


@pytest.mark.parametrize(
    "step", ["base.yaml", "'Subnets'", "'SecurityGroup'", "'Release'", "run-task", "describe-tasks", "join"]
)
def test_a_step_that_fails_is_the_last(step, tmp_path):
    """No step goes on with what another could not say."""
    done, calls = deploy(tmp_path, CODE="0", FAILS=step)

    assert done.returncode == 255
    assert step in " ".join(calls[-1])


def test_the_scheduler_may_run_its_task_and_nothing_else():
    """One task definition, on one cluster, with one role, for schedules of this account."""
    _, services = templates(RICH)
    role = of_kind(services, "IAM::Role")["SchedulerRole"]
    run, give = role["Policies"][0]["PolicyDocument"]["Statement"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]

    assert (run["Action"], run["Resource"]) == ("ecs:RunTask", {"Ref": "CronTask"})
    assert run["Condition"] == {"ArnEquals": {"ecs:cluster": {"Ref": "ClusterArn"}}}
    assert (give["Action"], give["Resource"]) == ("iam:PassRole", {"Ref": "ExecutionRole"})
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
