"""Azure Container Apps: what the templates hold, and in which order deploy.sh deploys them."""

import json
import os
import re
import shlex
import subprocess
from functools import cache

import pytest
import yaml

from offbeat.deployment import spec
from offbeat.deployment.exporters import azure_apps, export_platform
from tests.offbeat.deployment import arm, libyaml
from tests.offbeat.deployment.golden.variants import CASES, FOLDER

RICH = spec.read(FOLDER / "platform.yaml")


@cache
def files(platform):
    return {file.path.rpartition("/")[2]: file.text for file in export_platform("azure", platform).files}


def resources(platform, **parameters):
    printed = files(platform)
    return [
        each
        for name in ("release.json", "apps.json")
        for each in arm.resolve(json.loads(printed[name]), parameters)
    ]


def containers(platform, **parameters):
    """Give (argv, environment) of each process by its container's name, as the cluster starts it."""
    found = {}
    for each in resources(platform, **parameters):
        for container in each["properties"].get("template", {}).get("containers", []):
            secrets = {
                secret["name"]: secret["value"] for secret in each["properties"]["configuration"]["secrets"]
            }
            raw = {
                entry["name"]: secrets[entry["secretRef"]] if "secretRef" in entry else entry["value"]
                for entry in container["env"]
            }
            env = {name: arm.expanded(value, raw) for name, value in raw.items()}
            argv = [arm.expanded(word, raw) for word in [*container["command"], *container["args"]]]
            found[container["name"]] = (argv, env)
    return found


def with_env(**env):
    source = libyaml.one((FOLDER / "platform.yaml").read_text())
    source["env"] |= {name: {"default": value} for name, value in env.items()}
    return spec.parse(yaml.safe_dump(source, allow_unicode=True))


@pytest.mark.parametrize("case", CASES)
def test_commands_and_values_arrive_as_they_are(case):
    """Every process has its own argv and every default of the file, letter by letter."""
    platform = CASES[case]
    found = containers(platform)
    commands = {each.name: each.command for each in (*platform.services, *platform.cronjobs)}
    commands["release"] = platform.release

    for name, command in commands.items():
        argv, env = found.get(name) or next(found[key] for key in found if key.startswith(name[:20]))
        defaults = {each.name: each.default for each in platform.env_of(name) if each.default is not None}
        assert argv == shlex.split(command)
        assert {key: env[key] for key in defaults} == defaults


@pytest.mark.parametrize(
    "value",
    ["[brackets]", "[[twice]]", "[open", "[]", "[parameters('SECRET_KEY')]", "$$(A) $$$ $(DEBUG) $", "[$$]"],
)
def test_nothing_in_a_value_is_evaluated(value):
    """Neither ARM's brackets nor the cluster's dollars change a value."""
    assert containers(with_env(ODD=value))["web"][1]["ODD"] == value


def test_the_site_knows_its_name():
    """Without a name of the person's, every process takes the one that Azure gives to web."""
    hosts = {name: env["ALLOWED_HOSTS"] for name, (_, env) in containers(RICH).items()}

    assert set(hosts.values()) == {"bakery-web.sea.example"}
    assert containers(RICH, ALLOWED_HOSTS="www.example")["worker"][1]["ALLOWED_HOSTS"] == "www.example"


def test_names_are_as_azure_takes_them():
    """Lower case, at most 31 characters, no two hyphens in a row; no two resources of a kind share one."""
    for platform in CASES.values():
        names = [
            (each["type"], each["name"]) for each in resources(platform) if "Microsoft.App/" in each["type"]
        ]

        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"(?!.*--)[a-z][a-z0-9-]{0,29}[a-z0-9]", name) for _, name in names)


def test_variables_that_differ_in_an_underscore_are_two_secrets():
    """Azure's names of secrets end in no hyphen, which would make one of A and A_."""
    names = ["A", "A_", "A__", "A_1", "A__1"]

    assert len({azure_apps.secret_name(each) for each in names}) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", azure_apps.secret_name(each)) for each in names)


def test_memory_is_twice_the_cpus():
    for platform in CASES.values():
        for each in resources(platform):
            for container in each["properties"].get("template", {}).get("containers", []):
                size = container["resources"]
                assert float(size["memory"].removesuffix("Gi")) == 2 * size["cpu"] <= 8
                assert size["cpu"] * 4 % 1 == 0


def test_only_web_may_sleep():
    """A worker that is at zero would never be started again."""
    scales = {
        each["properties"]["template"]["containers"][0]["name"]: each["properties"]["template"]["scale"]
        for each in resources(RICH)
        if each["type"].endswith("containerApps")
    }

    assert {name: (each["minReplicas"], each["maxReplicas"]) for name, each in scales.items()} == {
        "web": (2, 6),
        "worker": (1, 8),
        "mailer": (1, 1),
    }
    assert [rule["name"] for each in scales.values() for rule in each.get("rules", [])] == ["http", "cpu"]


def test_a_worker_answers_where_it_is_asked():
    """Azure runs no command as a probe: the worker says over HTTP whether it is well."""
    worker = next(each for each in resources(RICH) if each["name"] == "bakery-worker")
    (container,) = worker["properties"]["template"]["containers"]
    (probe,) = container["probes"]

    assert {"name": "HEALTH_PORT", "value": str(probe["httpGet"]["port"])} in container["env"]
    assert "ingress" not in worker["properties"]["configuration"]


def test_the_example_of_parameters_asks_for_what_the_templates_need():
    """Whoever fills it in has said all that both templates ask for."""
    printed = {name: json.loads(text) for name, text in files(RICH).items() if name.endswith(".json")}
    needed = {
        name
        for each in ("release.json", "apps.json")
        for name, parameter in printed[each]["parameters"].items()
        if "defaultValue" not in parameter
    }

    assert set(printed["parameters.example.json"]["parameters"]) == needed
    assert needed == {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "STRIPE_KEY"}


# Notes its words, with tabs between, and answers as the Azure CLI does: a run is running when it is first asked for.
AZ = r"""#!/bin/sh
printf '%s\t' "$@" >> "$CALLS"; echo >> "$CALLS"
case "$*" in
"containerapp job start"*) echo bakery-release-x1y2 ;;
"containerapp job execution show"*)
    if [ "$(grep -c execution "$CALLS")" -gt 2 ]; then echo "$STATUS"; else echo Running; fi ;;
esac
"""


def deploy(folder, **variables):
    """Run deploy.sh with a stand-in for the Azure CLI; give its result and the calls."""
    for name, program in {"az": AZ, "sleep": "#!/bin/sh\n"}.items():
        (folder / name).write_text(program)
        (folder / name).chmod(0o755)
    for name, text in files(RICH).items():
        (folder / name).write_text(text)
    calls = folder / "calls"
    calls.unlink(missing_ok=True)
    (folder / "mine.json").touch()
    variables |= {"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(calls)}
    variables |= {"GROUP": "shop", "PARAMETERS": str(folder / "mine.json")}
    done = subprocess.run(
        ["bash", str(folder / "deploy.sh")], env=variables, capture_output=True, text=True, check=False
    )
    return done, [line.split("\t")[:-1] for line in calls.read_text().splitlines()]


def deployed(calls):
    return [call[call.index("--template-file") + 1] for call in calls if call[0] == "deployment"]


def test_apps_change_after_the_release(tmp_path):
    """The release's job, its run to the end, the apps; every time in the same way."""
    for _ in range(2):
        done, calls = deploy(tmp_path, STATUS="Succeeded", IMAGE="acme/shop:2")

        assert (done.returncode, done.stderr) == (0, "")
        assert deployed(calls) == ["release.json", "apps.json"]
        assert [" ".join(call[:3]) for call in calls][1:-1] == [
            "containerapp job start",
            *["containerapp job execution"] * 3,
        ]
        assert all(
            "containerImage=acme/shop:2" in call and f"@{tmp_path}/mine.json" in call
            for call in calls
            if call[0] == "deployment"
        )


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_a_release_that_fails_leaves_the_apps_alone(status, tmp_path):
    """A run that failed, or was stopped, ends the deploy."""
    done, calls = deploy(tmp_path, STATUS=status)

    assert done.returncode == 1
    assert f"The release bakery-release-x1y2: {status}; nothing else was changed." in done.stderr
    assert deployed(calls) == ["release.json"]


def test_a_deploy_asks_for_what_it_needs(tmp_path):
    """Without a resource group nothing is called, and the script says what is missing."""
    script = tmp_path / "deploy.sh"
    script.write_text(files(RICH)["deploy.sh"])

    done = subprocess.run(["bash", str(script)], env={}, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert "GROUP: should name a resource group" in done.stderr
