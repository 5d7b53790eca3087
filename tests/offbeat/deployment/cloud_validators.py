"""What holds the exports to AWS and Azure against what these publish: cfn-lint, and the types of Azure's own library."""

import json
import subprocess

import pytest

from tests.offbeat.deployment import arm
from tests.offbeat.deployment.validators import proves
from tests.offbeat.support.running import CHECKOUT

TOOLS = CHECKOUT / ".local" / "tools"
TYPES = {
    "Microsoft.App/containerApps": "ContainerApp",
    "Microsoft.App/jobs": "Job",
    "Microsoft.App/managedEnvironments": "ManagedEnvironment",
}


def needed(path):
    return path if path.exists() else pytest.skip(f"{path.name} is not in .local/tools")


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@proves("ecs", "cfn-lint; deploy.sh with a stand-in for `aws`")
def validate_ecs(exports, folder):
    """AWS' own linter knows every property, pattern and size of what CloudFormation takes, and finds nothing."""
    lint = needed(TOOLS / "cfn-lint" / "bin" / "cfn-lint")
    for case, files in exports.items():
        for path, text in files.items():
            if path.endswith(".yaml"):
                (folder / f"{case}-{path.rpartition('/')[2]}").write_text(text, newline="")

    done = run(lint, *sorted(folder.glob("*.yaml")))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@proves(
    "azure",
    "the types of @azure/arm-appcontainers; a reader of ours for expressions; deploy.sh with a stand-in for `az`",
)
def validate_azure(exports, folder):
    """Every expression can be evaluated, and what comes out has no key and no kind of value that Azure's library lacks."""
    modules = TOOLS / "node_modules"
    compiler = needed(modules / ".bin" / "tsc")
    needed(modules / "@azure" / "arm-appcontainers")
    lines = [f'import type {{ {", ".join(TYPES.values())} }} from "@azure/arm-appcontainers";']
    for case, files in exports.items():
        for path, text in files.items():
            if path.endswith(("release.json", "apps.json")):
                lines += [f"// {case} {path}", *typed(arm.resolve(json.loads(text), {}), len(lines))]
    (folder / "node_modules").symlink_to(modules)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "resources.ts").write_text("\n".join(lines))

    options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"]
    done = run(compiler, *options, "resources.ts", cwd=folder)

    assert (done.returncode, done.stdout) == (0, "")


def typed(resources, number):
    """Give the resources as TypeScript; the library has `properties` beside what ARM has around them."""
    for index, each in enumerate(resources):
        if each["type"] in TYPES:
            body = {"location": each["location"]} | each["properties"]
            yield f"export const r{number}x{index}: {TYPES[each['type']]} = {json.dumps(body)};"
