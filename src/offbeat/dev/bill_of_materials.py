"""`./run sbom`: what production consists of, as a CycloneDX file, and whether a licence among it is a surprise.

Python's packages come from cyclonedx-py; this adds what it cannot see: the core, the copied script, the base image. What Debian
has put into the base image is for a tool that reads images: docs/offbeat/supply-chain.md.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offbeat.dev.licences import KNOWN, licence_list, normalise, own_licences, surprises
from offbeat.dev.locks import packages
from offbeat.dev.stop_signals import run_until_stopped
from offbeat.identity import platform_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CYCLONEDX = [
    sys.executable,
    "-m",
    "cyclonedx_py",
    "environment",
    "--no-validate",  # a test does: it takes eight seconds
    "--output-reproducible",
    "--sv",
    "1.6",
    "-o",
    "-",
]
VENDORED = "src/offbeat/ops/vendor"
BASE_IMAGE = re.compile(
    r"^FROM (?P<name>[^\s:@]+):(?P<tag>[^@\s]+)(?:@sha256:(?P<digest>[0-9a-f]{64}))?", re.MULTILINE
)


def main(arguments: Sequence[str]) -> int:
    """Write the bill to the named file, or to dist/sbom.json; print the licences. Returns 65 for one that nobody has allowed."""
    file = Path(*arguments[:1]) if arguments else Path("dist/sbom.json")
    bill = make_bill(Path.cwd())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(bill, indent=2) + "\n")
    known = KNOWN | own_licences(Path("pyproject.toml"))
    sys.stdout.write(
        "\n".join([*licence_list(bill["components"], known), f"{file}: {len(bill['components'])} components"])
        + "\n"
    )
    if refused := surprises(bill["components"], known):
        hint = "Hint: use another package, or give a reason under [tool.offbeat.licences] of pyproject.toml: name = 'the reason'"
        sys.stderr.write("\n".join(["Error: licences that are not allowed:", *refused, hint]) + "\n")
        return os.EX_DATAERR
    return 0


def make_bill(root: Path) -> dict[str, Any]:
    """Return the bill of what is installed here of requirements.txt, and of what comes with it."""
    bill = list_installed()
    wanted = set(packages((root / "requirements.txt").read_text()))
    kept = [each for each in bill["components"] if normalise(each["name"]) in wanted]
    references = {each["bom-ref"] for each in kept}
    bill["components"] = [*kept, *others(root)]
    bill["dependencies"] = [each for each in bill["dependencies"] if each["ref"] in references]
    for each in bill["dependencies"]:
        each["dependsOn"] = [one for one in each.get("dependsOn", []) if one in references]
    bill["metadata"]["component"] = {"type": "application", "bom-ref": "application", "name": platform_name()}
    return bill


def list_installed() -> dict[str, Any]:
    """Return cyclonedx-py's bill of this environment; where it fails, end with what it says."""
    done = subprocess.run(CYCLONEDX, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"Error: cyclonedx-py failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def others(root: Path) -> Iterator[dict[str, Any]]:
    """Yield the core, the scripts that are copied into it, and the base image."""
    yield component("library", "offbeat", (root / "src/offbeat/VERSION").read_text().strip(), "MIT")
    lock = json.loads((root / VENDORED / "package-lock.json").read_text())["packages"]
    for name in json.loads((root / VENDORED / "package.json").read_text())["dependencies"]:
        entry = lock[f"node_modules/{name}"]
        digest = base64.b64decode(entry["integrity"].removeprefix("sha512-")).hex()
        purl = f"pkg:npm/{name}@{entry['version']}"
        yield component(
            "library", name, entry["version"], entry["license"], purl=purl, digest=("SHA-512", digest)
        )
    dockerfile = root / "Dockerfile"
    found = BASE_IMAGE.search(dockerfile.read_text()) if dockerfile.exists() else None
    if found:
        yield image(found["name"], found["tag"], found["digest"])


def image(name: str, tag: str, digest: str | None) -> dict[str, Any]:
    if not digest:
        return component("container", name, tag)
    purl = f"pkg:oci/{name.rpartition('/')[2]}@sha256%3A{digest}?repository_url={name}&tag={tag}"
    return component("container", name, tag, purl=purl, digest=("SHA-256", digest))


def component(
    kind: str,
    name: str,
    version: str,
    licence: str = "",
    *,
    purl: str = "",
    digest: tuple[str, str] | None = None,
) -> dict[str, Any]:
    found: dict[str, Any] = {"type": kind, "bom-ref": f"{name}=={version}", "name": name, "version": version}
    found |= {"licenses": [{"license": {"name": licence}}]} if licence else {}
    found |= {"purl": purl} if purl else {}
    return found | ({"hashes": [{"alg": digest[0], "content": digest[1]}]} if digest else {})


if __name__ == "__main__":
    run_until_stopped(main)
