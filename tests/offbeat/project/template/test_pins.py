"""What is fetched by name, to build, test or run this, is named by what it is: a digest, a commit, a hash."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from offbeat.deployment import spec
from offbeat.deployment.pins import pin_image
from offbeat.dev.thin_files import without_marked
from tests.offbeat.project.template.containers.dockerfile import ROOT, stages

DIGEST = re.compile(r"\S+:\S+@sha256:[0-9a-f]{64}")
ACTION = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
# Nobody has published the digest of this image where two others agree: for dependabot's version updates only, by its tag.
UNPINNED = {"docker.io/mher/flower:2.0"}
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.y*ml"))
VENDORED = ROOT / "src/offbeat/ops/vendor"


def images() -> dict[str, str]:
    """Give each image that is pulled, by where it is named."""
    names = {stage.name for stage in stages()}
    built_on = {f"Dockerfile: {stage.base}": stage.base for stage in stages() if stage.base not in names}
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    pulled = {f"compose.yaml: {name}": one["image"] for name, one in services.items() if "build" not in one}
    return built_on | pulled


@pytest.mark.parametrize(("place", "image"), images().items())
def test_images(place: str, image: str) -> None:
    """An image has its tag, for people and for dependabot, and the digest that is pulled."""
    assert DIGEST.fullmatch(image) or image in UNPINNED, place


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions(workflow: Path) -> None:
    """An action is named by its commit, with the version in the comment that dependabot keeps in step."""
    used = re.findall(r"uses: *(.+)", workflow.read_text())

    assert used
    assert [each for each in used if not ACTION.fullmatch(each)] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_read_only(workflow: Path) -> None:
    """A workflow reads the code and nothing more, keeps no credentials, and never runs a stranger's code with ours."""
    text = workflow.read_text()
    document = yaml.safe_load(text)
    steps = [step for job in document["jobs"].values() for step in job["steps"]]

    assert document["permissions"] == {"contents": "read"}
    assert not [name for name, job in document["jobs"].items() if "permissions" in job]
    assert "pull_request_target" not in text
    assert "secrets." not in text
    for step in steps:
        if "actions/checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


def test_requirements() -> None:
    """Each requirement is one version, with hashes."""
    for name in ("requirements.txt", "requirements-dev.txt"):
        entries = re.split(r"\n(?=[a-z0-9])", (ROOT / name).read_text())
        named = [each for each in entries if re.match(r"[a-z0-9]", each)]

        assert len(named) > 20
        assert [
            each for each in named if not re.match(r"\S+==\S+", each) or "--hash=sha256:" not in each
        ] == []


def test_every_kind_has_its_updates() -> None:
    """Whatever is pinned is renewed: dependabot watches each kind where it is."""
    watched = {(each["package-ecosystem"], each["directory"]) for each in updates()}

    assert watched == {
        ("pip", "/"),
        ("pip", "/src/offbeat"),
        ("docker", "/"),
        ("docker-compose", "/"),
        ("github-actions", "/"),
        ("npm", f"/{VENDORED.relative_to(ROOT)}"),
    }


def test_what_the_core_pins_is_upstreams_to_renew() -> None:
    """A version that the core requires exactly is asked for here, where the fault tests judge it, and in no fork."""
    core = tomllib.loads((ROOT / "src/offbeat/pyproject.toml").read_text())["project"]["dependencies"]
    exact = {re.split(r"[\[=]", each)[0] for each in core if "==" in each}
    upstream, root = (
        next(one for one in updates() if one["directory"] == at) for at in ("/src/offbeat", "/")
    )
    text = (ROOT / ".github/dependabot.yml").read_text()
    forks = yaml.safe_load(without_marked(".github/dependabot.yml", text, ("upstream",)))["updates"]

    assert {each["dependency-name"] for each in root["ignore"]} == exact
    assert {each["dependency-name"] for each in upstream["allow"]} == exact
    assert "/src/offbeat" not in {each["directory"] for each in forks}
    # Named by kind of update, so that those for a known vulnerability come all the same.
    assert all(len(each["update-types"]) == 3 for each in root["ignore"])


def test_copied_scripts() -> None:
    """A script that is copied in is byte for byte that of the package whose version package.json names."""
    package = json.loads((VENDORED / "package.json").read_text())
    lock = json.loads((VENDORED / "package-lock.json").read_text())["packages"]
    wanted = package["dependencies"] | package["devDependencies"]
    copies = package["copies"].items()

    assert {path for path, _ in copies} == {str(path.relative_to(ROOT)) for path in scripts()}
    for path, copy in copies:
        name, _, version = copy["from"].partition("/")[0].rpartition("@")
        digest = base64.b64encode(hashlib.sha512((ROOT / path).read_bytes()).digest()).decode()
        assert wanted[name] == lock[f"node_modules/{name}"]["version"] == version, f"copy {path} anew"
        assert copy["integrity"] == f"sha512-{digest}", path


def updates() -> list[dict[str, Any]]:
    return yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]


def scripts() -> list[Path]:
    """Find the scripts that others wrote: they are kept in folders called vendor."""
    return sorted([*ROOT.glob("src/**/vendor/*.js"), *ROOT.glob("tests/**/vendor/*.js")])


def test_an_export_pulls_what_compose_pulls() -> None:
    """The exported compose.yaml has the digests of the one that dependabot renews."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    resources = spec.read().resources

    for name in ("postgres", "redis"):
        assert (
            pin_image(f"docker.io/library/{name}:{getattr(resources, name).version}")
            == services[name]["image"]
        )


MACHINES = [
    f"{machine}-{system}"
    for machine in ("aarch64", "x86_64")
    for system in ("apple-darwin", "manylinux_2_28")
]


@pytest.mark.long
@pytest.mark.parametrize("machine", MACHINES)
def test_every_developer_has_wheels(machine: str, tmp_path: Path) -> None:
    """On Macs and Linux, Intel's and ARM, each Python finds all that is pinned as wheels: nobody needs a compiler, or a server."""
    uv = Path(sys.executable).with_name("uv")
    for version in ("3.11", "3.12", "3.13", "3.14"):
        where = ["--target", tmp_path, "--python-platform", machine, "--python-version", version]
        what = ["--only-binary", ":all:", "--require-hashes", "--requirement", ROOT / "requirements-dev.txt"]
        done = subprocess.run(
            [uv, "pip", "install", "--dry-run", "--quiet", *where, *what],
            capture_output=True,
            text=True,
            check=False,
        )
        if "error sending request" in done.stderr or "Failed to fetch" in done.stderr:
            pytest.skip(f"the package index cannot be reached: {done.stderr.splitlines()[0]}")
        assert done.returncode == 0, f"{machine}, Python {version}:\n{done.stderr}"
