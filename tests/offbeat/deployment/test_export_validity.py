"""Exports against the schemas and tools of the platforms themselves, as far as those work without a network."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from offbeat.deployment import spec
from offbeat.deployment.exporters import export_platform
from tests.offbeat.deployment import libyaml
from tests.offbeat.deployment.golden.variants import FOLDER, SHIPPED
from tests.offbeat.support.running import CHECKOUT

NODE_MODULES = CHECKOUT / ".local" / "tools" / "node_modules"
"""Where support/install_tools puts the npm packages: npm install --prefix .local/tools railway @heroku/mcp-server."""
SPECS = {"shipped": SHIPPED, "rich": spec.read(FOLDER / "platform.yaml")}


def tool(name):
    """Give a program's path, or skip the test with the reason."""
    return shutil.which(name) or pytest.skip(f"{name} is not installed")


def npm_package(name):
    folder = NODE_MODULES / name
    return folder if folder.is_dir() else pytest.skip(f"npm package {name} is not in .local/tools")


@pytest.fixture(params=SPECS)
def platform(request):
    return SPECS[request.param]


def files(target, platform):
    return {file.path: file.text for file in export_platform(target, platform).files}


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize("version", ["1.31.0"])
def test_manifests_are_strictly_kubernetes(platform, version):
    """No manifest has a key that Kubernetes would drop in silence, in an older version; the matrix asks a newer one."""
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    printed = [
        each
        for path, text in files("kubernetes", platform).items()
        if "kustom" not in path
        for each in libyaml.every(text)
    ]

    for manifest in printed:
        kubernetes_validate.validate(manifest, version, strict=True)

    assert {"Deployment", "CronJob", "Job", "NetworkPolicy", "PodDisruptionBudget"} <= {
        each["kind"] for each in printed
    }


def test_a_kustomization_builds(platform, tmp_path):
    """`kubectl kustomize` finds every file that the kustomization names, and leaves no duplicate."""
    kubectl = tool("kubectl")
    for path, text in files("kubernetes", platform).items():
        (tmp_path / Path(path).name).write_text(text)

    done = run(kubectl, "kustomize", tmp_path)

    assert done.returncode == 0, done.stderr
    assert all(
        each["metadata"].get("namespace", platform.name) == platform.name
        for each in libyaml.every(done.stdout)
    )


def test_systemd_finds_little_exposed(platform, tmp_path):
    """The review of systemd rates every service as OK: its exposure is below 2 of 10."""
    analyze = tool("systemd-analyze")
    units = {
        Path(path).name: text
        for path, text in files("systemd", platform).items()
        if path.endswith(".service")
    }

    for name, text in units.items():
        (tmp_path / name).write_text(text)
        done = run(analyze, "security", "--offline=yes", "--threshold=20", tmp_path / name)
        assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_debians_cron_takes_every_line(platform):
    """`crontab` accepts the lines, and refuses the file when one of them is broken."""
    crontab = tool("crontab")
    if os.geteuid() != 0 or run(crontab, "-l", "-u", "nobody").returncode == 0:
        pytest.skip("needs root, and a user without a crontab")
    text = files("crontab", platform)["deploy/crontab"]
    # A crontab of a user has no column for the user, which /etc/cron.d has.
    lines = re.sub(rf"^((?:\S+ ){{5}}){platform.name} ", r"\1", text, flags=re.MULTILINE)

    try:
        taken = run(crontab, "-u", "nobody", "-", input=lines)
        broken = run(crontab, "-u", "nobody", "-", input=lines + "61 * * * * true\n")
    finally:
        run(crontab, "-u", "nobody", "-r")

    assert taken.returncode == 0, taken.stderr
    assert broken.returncode != 0


RAILWAY = """
import {{ createRailwayContext, indexGraph, project, validateGraph }} from "railway/iac";
import * as iac from "railway/iac";
import program from "./railway.mjs";
const definition = await program(createRailwayContext({{ environment: "production" }}), project);
const services = definition.resources.filter((each) => each.type === "service");
console.log(JSON.stringify(services));
"""


def test_railways_own_library_takes_the_program(platform, tmp_path):
    """The npm package railway/iac runs the program, and its services come out with crons, commands and references."""
    node, package = tool("node"), npm_package("railway")
    (tmp_path / "node_modules").symlink_to(package.parent)
    (tmp_path / "railway.mjs").write_text(files("railway", platform)[".railway/railway.ts"])
    (tmp_path / "main.mjs").write_text(RAILWAY.format())

    done = run(node, tmp_path / "main.mjs", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    services = {each["name"]: each for each in json.loads(done.stdout)}
    assert services["web"]["deploy"]["preDeployCommand"] == [platform.release]
    assert services["worker"]["deploy"]["drainingSeconds"] == platform.service("worker").grace
    assert services["worker"]["variables"]["DATABASE_URL"]["type"] == "reference"
    assert services["worker"]["variables"]["SECRET_KEY"] == {"type": "sharedReference", "name": "SECRET_KEY"}
    crons = [each for each in services.values() if each["deploy"].get("cronSchedule")]
    assert {each["deploy"]["restartPolicyType"] for each in crons} == {"NEVER"}
    assert len(crons) >= len(platform.cronjobs)


@pytest.mark.parametrize(
    ("target", "path"),
    [("dokku", "deploy/dokku/setup.sh"), ("cloudrun", "deploy/cloudrun/setup.sh"), ("upsun", ".environment")],
)
def test_shell_scripts_parse(platform, target, path, tmp_path):
    """A shell finds nothing to complain about."""
    script = tmp_path / "script"
    script.write_text(files(target, platform)[path])

    done = run("bash", "-n", script)

    assert (done.returncode, done.stderr) == (0, "")


def test_upsuns_environment_makes_the_addresses(platform, tmp_path):
    """Sourced with what Upsun injects, it exports what the settings ask for."""
    script = tmp_path / ".environment"
    script.write_text(files("upsun", platform)[".environment"])
    injected = {
        **{
            f"POSTGRES_{key}": value
            for key, value in {
                "USERNAME": "u",
                "PASSWORD": "p",
                "HOST": "pg",
                "PORT": "5432",
                "PATH": "db",
            }.items()
        },
        "REDIS_HOST": "cache",
        "REDIS_PORT": "6379",
        "PLATFORM_PROJECT_ENTROPY": "entropy",
        "WEB_THREADS": "16",
    }

    done = run("bash", "-c", f"set -eu; . {script}; env", env=injected)

    exported = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert exported["DATABASE_URL"] == "postgresql://u:p@pg:5432/db"
    assert exported["REDIS_URL"] == "redis://cache:6379/0"
    assert exported["SECRET_KEY"] == hashlib.sha256(b"SECRET_KEY:entropy").hexdigest()
    assert exported["WEB_THREADS"] == "16"
