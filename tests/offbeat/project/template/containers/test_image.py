"""The production image, built and run for real, with nothing to write to but /tmp."""

from __future__ import annotations

import json
import re
import shutil
import textwrap
import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement

from tests.offbeat.project.template.containers import podman
from tests.offbeat.project.template.containers.dockerfile import ROOT
from tests.offbeat.support.polling import wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.usefixtures("image"), pytest.mark.timeout(600)]

# Nothing listens there: what answers without its servers answers with these.
NOWHERE = {
    "SECRET_KEY": "of-a-test-0123456789-0123456789-0123456789",
    "ALLOWED_HOSTS": "offbeat.example",
    "DATABASE_URL": "postgres://nobody@127.0.0.1:9/nothing",
    "REDIS_URL": "redis://127.0.0.1:9",
}


def test_web_is_healthy() -> None:
    """Web answers its health path with a read-only root, and the image's own health check agrees."""
    with podman.started(*podman.flags(NOWHERE), "--publish", "127.0.0.1::8000", podman.IMAGE) as web:
        address = podman.podman("port", web, "8000/tcp").stdout.strip()

        answer = wait_until(lambda: get(f"{address}/healthz"))

        assert answer == {"status": "ok"}
        assert podman.podman("healthcheck", "run", web).returncode == 0


def test_web_stops_at_once() -> None:
    """SIGTERM reaches gunicorn itself: no shell in between swallows it."""
    with podman.started(*podman.flags(NOWHERE), "--publish", "127.0.0.1::8000", podman.IMAGE) as web:
        address = podman.podman("port", web, "8000/tcp").stdout.strip()
        wait_until(lambda: get(f"{address}/healthz"))

        podman.podman("stop", "--time", "30", web)

        assert inspect(web)["State"]["ExitCode"] == 0


def test_user_owns_nothing() -> None:
    """The process is not root, and could not change its own code even on a writable root."""
    code = """
        import os, pathlib
        files = pathlib.Path("/app").rglob("*")
        print(os.getuid(), [str(path) for path in files if os.access(path, os.W_OK)])
    """

    assert told_inside(code) == "10001 []"


def test_only_pinned_packages() -> None:
    """The environment holds the packages of requirements.txt, no more: no pip, nothing of development."""
    code = """
        import importlib.metadata, sysconfig
        print(*[each.name for each in importlib.metadata.distributions(path=[sysconfig.get_path("purelib")])])
    """

    names = {normal(name) for name in told_inside(code).split()}

    assert names == pinned()


def test_bytecode_is_there() -> None:
    """Every module was compiled at build time: on a read-only root each start would compile it again."""
    code = """
        import http
        from importlib.util import cache_from_source
        from pathlib import Path
        roots = ["/app/src", "/opt/venv/lib", Path(http.__file__).parent]
        modules = [path for root in roots for path in Path(root).rglob("*.py")]
        print(len(modules) > 1000, [path for path in modules if not Path(cache_from_source(path)).exists()])
    """

    assert told_inside(code) == "True []"


def test_settings_are_asked_for() -> None:
    """Without its variables the image says which are missing, and no value of the build has stayed."""
    done = podman.run("", {})

    assert done.returncode == 78
    for name in NOWHERE:
        assert f"{name} is not set." in done.stderr
    assert "Traceback" not in done.stderr


def test_edit_installs_nothing(tmp_path: Path) -> None:
    """A build after one changed line of Python takes the installed requirements from the cache."""
    for name in (
        "Dockerfile",
        ".dockerignore",
        "manage.py",
        "platform.yaml",
        "requirements.txt",
        "requirements-dev.txt",
    ):
        shutil.copy2(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "src/config/wsgi.py").open("a") as file:
        file.write("# another line\n")

    said = podman.build(tmp_path, f"{podman.IMAGE}-edited")

    podman.podman("image", "rm", f"{podman.IMAGE}-edited")
    assert re.search(r"RUN .*--require-hashes.*\n--> Using cache", said)
    assert "Installing collected packages" not in said


def get(address: str) -> Any:
    """Return the JSON that a server answers with, None while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://{address}", timeout=5) as response:
            return json.load(response)
    except (OSError, HTTPException):
        return None


def told_inside(code: str) -> str:
    """Run Python in a container of the image on a writable root, and return what it prints."""
    done = podman.podman(
        "run", "--rm", "--pull", "never", podman.IMAGE, "python", "-c", textwrap.dedent(code)
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def inspect(container: str) -> dict[str, Any]:
    return json.loads(podman.podman("inspect", container).stdout)[0]


def pinned() -> set[str]:
    """Give the names in requirements.txt that apply to the image's Python."""
    lines = re.findall(r"^([a-z0-9].*?) *\\$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    environment = {"python_version": "3.14", "python_full_version": "3.14.0", "sys_platform": "linux"}
    wanted = [Requirement(line) for line in lines]
    return {normal(each.name) for each in wanted if not each.marker or each.marker.evaluate(environment)}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
