"""Northflank's API as TypeScript types (npm @northflank/js-client), which the nodes of a template are held against."""

import json
import shutil
import subprocess

import pytest

from tests.offbeat.support.running import CHECKOUT

NODE_MODULES = CHECKOUT / ".local" / "tools" / "node_modules"
TSC = NODE_MODULES / ".bin" / "tsc"
CALLS = {
    "Project": "put.project",
    "Addon": "put.addon",
    "SecretGroup": "put.secret",
    "BuildService": "put.service.build",
    "DeploymentService": "put.service.deployment",
    "ManualJob": "put.job.manual",
    "CronJob": "put.job.cron",
}
"""The call of the client that would make what a node makes."""


def nodes_of(workflow):
    """Give the nodes of a workflow and of those within it, in the order in which they run."""
    for node in workflow["spec"]["steps"]:
        if node["kind"] == "Workflow":
            yield from nodes_of(node)
        else:
            yield node


def type_errors(nodes, folder):
    """Give what tsc says of the nodes; "" when it takes them all."""
    if not (NODE_MODULES / "@northflank/js-client").is_dir() or not TSC.exists() or not shutil.which("node"):
        pytest.skip("node, or @northflank/js-client and typescript in .local/tools, is not installed")
    (folder / "node_modules").symlink_to(NODE_MODULES)
    (folder / "nodes.ts").write_text("\n".join(_program([each for each in nodes if each["kind"] in CALLS])))
    command = [
        TSC,
        "--noEmit",
        "--skipLibCheck",
        "--strict",
        "--module",
        "nodenext",
        "--types",
        "",
        "nodes.ts",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout


def _program(nodes):
    """Give TypeScript that gives each node the type of the call which would make it."""
    yield 'import type { ApiClient } from "@northflank/js-client";'
    yield "type Data<F> = F extends (...all: any[]) => any ? Parameters<F>[0]['data'] : never;"
    for kind, call in CALLS.items():
        path = "".join(f"['{word}']" for word in call.split("."))
        yield f"type {kind} = Data<ApiClient{path}>;"
    yield "type Deployment = DeploymentService['deployment'];"
    for number, node in enumerate(nodes):
        yield _constant(f"n{number}", node["kind"], node["spec"])
        if node["kind"].endswith("Job"):
            # A job's own type takes anything there.
            yield _constant(f"d{number}", "Deployment", {"instances": 1} | node["spec"]["deployment"])
    # Each of these fails unless the types say something: an `any` would take it too.
    for kind, known in {each["kind"]: each["spec"] for each in nodes}.items():
        yield "// @ts-expect-error\n" + _constant(f"bad{kind}", kind, known | {"surplus": True})
        if kind == "DeploymentService":
            surplus = known["deployment"] | {"surplus": True}
            yield "// @ts-expect-error\n" + _constant("badDeployment", "Deployment", surplus)


def _constant(name, kind, value):
    return f"export const {name}: {kind} = {json.dumps(value)};"
