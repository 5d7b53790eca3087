"""What the Dockerfile promises, as far as reading and running its lines can tell without building it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from offbeat.deployment import process, spec
from tests.offbeat.project.template.containers.dockerfile import ROOT, stages
from tests.offbeat.project.template.containers.serving import serving


def test_the_script_is_the_command() -> None:
    """The command and the health check, in exec form, are the script that the build makes of platform.yaml."""
    final = stages()[-1]

    made = [
        rest for word, rest in final.steps if word == "RUN" and "deployment/process.py > process.sh" in rest
    ]

    assert len(made) == 1
    assert final.last_json("CMD") == ["sh", "/app/process.sh"]
    assert final.last_json("HEALTHCHECK") == ["sh", "/app/process.sh", "health"]


def test_production_is_the_default() -> None:
    """A build without a target makes the production image, which never meets the development requirements."""
    final = stages()[-1]

    used = {final.base} | set(re.findall(r"--from=(\S+)", " ".join(rest for _, rest in final.steps)))

    assert final.name == ""
    assert used == {"base", "requirements"}
    assert not [step for step in final.steps if "requirements-dev" in step[1]]


def test_user_is_a_number() -> None:
    """Kubernetes' runAsNonRoot refuses a user that it would have to look up."""
    user = stages()[-1].last("USER")

    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)


def test_requirements_before_source() -> None:
    """Requirements are installed in a stage that sees no source, so that no edit installs them again."""
    by_name = {stage.name: stage for stage in stages()}

    copied = [rest for word, rest in by_name["requirements"].steps if word == "COPY"]

    assert copied == ["requirements.txt ./"]


def test_no_secret_stays() -> None:
    """The values that collecting static files needs are in no ENV or ARG, so in no image."""
    kept = [rest for stage in stages() for word, rest in stage.steps if word in {"ENV", "ARG"}]

    assert not [line for line in kept if re.search("SECRET|PASSWORD|TOKEN|_URL", line)]


def test_nothing_enters_unasked() -> None:
    """The ignore file shuts everything out and then names exactly what the Dockerfile copies."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    copies = [rest.split() for stage in stages() for word, rest in stage.steps if word == "COPY"]

    copied = {source for words in copies if not words[0].startswith("--from") for source in words[:-1]}

    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied


@pytest.mark.parametrize("debug", ["false", "true"])
@pytest.mark.parametrize("command", [["check"], ["worker", "--help"]], ids=" ".join)
def test_the_stand_ins_of_development_stay_outside(tmp_path: Path, command: list[str], debug: str) -> None:
    """No image holds offbeat.dev: without it everything is found, even where somebody switches DEBUG on."""
    assert "src/offbeat/dev" in (ROOT / ".dockerignore").read_text().splitlines()
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("dev", "__pycache__"))
    for name in ("manage.py", "platform.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    environment = os.environ | {
        "DEBUG": debug,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONPATH": "src",
    }

    done = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("answer", "code"), [(200, 0), (301, 1), (400, 1), (500, 1)])
def test_health_check_heeds_the_status(answer: int, code: int) -> None:
    """The health check passes on 200 and fails on an error, or a redirect to elsewhere."""
    with serving(answer) as port:
        done = health_check(port)

    assert done.returncode == code


def test_health_check_without_server() -> None:
    """The health check fails when nothing listens."""
    with serving(200) as port:
        pass

    assert health_check(port).returncode == 1


def health_check(port: int) -> subprocess.CompletedProcess[bytes]:
    proxy = "http://127.0.0.1:9"  # a proxy for the outside is no way to oneself
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PORT": str(port), "http_proxy": proxy, "HTTP_PROXY": proxy}
    environment.pop("PROCESS", None)
    return subprocess.run(
        ["sh", "-c", process.make_script(spec.read()), "process.sh", "health"],
        env=environment, timeout=30, capture_output=True, check=False,
    )  # fmt: skip
