"""Validators of exports: each holds what is printed for a target against what the platform publishes itself.

A validator takes {case: {path: text}}, so that a tool starts once for all cases, and an empty folder; it raises
AssertionError, or skips the test where its tool is not installed. Its `proof` is the target's fact `proved_by`.
"""

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jsonschema_rs
import pytest

from tests.offbeat.deployment import (
    arm,
    libyaml,
    nomad_jobs,
    northflank_types,
    own_servers,
    pandastack_tool,
    schemas,
)
from tests.offbeat.support.running import CHECKOUT

Exports = dict[str, dict[str, str]]
Validator = Callable[[Exports, Path], None]
VALIDATORS: dict[str, tuple[str, Validator]] = {}
NODE_MODULES = CHECKOUT / ".local" / "tools" / "node_modules"
"""Where support/install_tools puts the npm packages."""

TYPES = (
    NODE_MODULES / ".bin" / "tsc",
    "--noEmit",
    "--strict",
    "--skipLibCheck",
    "--module",
    "nodenext",
    "--target",
    "es2022",
)
"""Asks TypeScript whether files fit the types that they import."""


def proves(target: str, proof: str):
    """Register a function as a target's validator, and say in a few words what it asks."""

    def register(validator: Validator) -> Validator:
        VALIDATORS[target] = (proof, validator)
        return validator

    return register


def tool(name):
    """Give a program's path, or skip the test with the reason."""
    return shutil.which(name) or pytest.skip(f"{name} is not installed")


def npm_package(name):
    folder = NODE_MODULES / name
    return folder if folder.is_dir() else pytest.skip(f"npm package {name} is not in .local/tools")


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def laid_out(exports: Exports, folder: Path) -> dict[str, Path]:
    """Write each case's files into a folder of its own."""
    for case, printed in exports.items():
        for path, text in printed.items():
            (folder / case / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / case / path).write_text(text, encoding="utf-8")
    return {case: folder / case for case in exports}


def documents(exports: Exports, pattern: str) -> Iterator[tuple[str, Any]]:
    """Give (case and path, document) for each document of the files whose whole path matches; one at least."""
    matching = [
        (f"{case}: {path}", _parsed(path, text))
        for case, printed in exports.items()
        for path, text in printed.items()
        if re.fullmatch(pattern, path)
    ]
    assert matching, f"no file is called {pattern}"
    return ((name, document) for name, found in matching for document in found)


def _parsed(path, text):
    if path.endswith(".toml"):
        return [tomllib.loads(text)]
    return [json.loads(text)] if path.endswith(".json") else list(libyaml.every(text))


def hold(schema: schemas.Schema, found: Iterator[tuple[str, Any]]) -> None:
    """Hold documents, of which there has to be one at least, against a JSON schema."""
    validator, named = jsonschema_rs.validator_for(schema), list(found)
    nothing(
        f"{name}: {'/'.join(map(str, error.instance_path))}: {error.message[:300]}"
        for name, document in named or [("no such file", None)]
        for error in validator.iter_errors(document)
    )


def nothing(complaints: Iterator[str]) -> None:
    if text := "\n".join(complaints):
        raise AssertionError(text)


def compose_spec():
    """Give the Compose specification's schema, as check-jsonschema brings it."""
    folder = files("check_jsonschema") / "builtin_schemas" / "vendor"
    return json.loads((folder / "compose-spec.json").read_text(encoding="utf-8"))


@proves("compose", "the Compose specification's schema")
def validate_compose(exports, folder):
    hold(compose_spec(), documents(exports, "deploy/compose/compose.yaml"))


@proves("nomad", "our own strict reader: the fields and rules of Nomad's source; deploy.sh by bash")
def validate_nomad(exports, folder):
    for case, printed in exports.items():
        jobs = [json.loads(text)["Job"] for path, text in printed.items() if path.endswith(".json")]
        assert jobs, case
        found = (fault for job in jobs for fault in nomad_jobs.faults(job, nomad_jobs.JOB))
        nothing(f"{case}: {fault}" for fault in (*found, *nomad_jobs.unruly(jobs)))
    parse_shell(exports, folder, "deploy/nomad/deploy.sh")


@proves("kubernetes", "kubernetes-validate, strict")
def validate_kubernetes(exports, folder):
    utils = pytest.importorskip("kubernetes_validate.utils")
    # It reads the definitions of a whole version anew for each manifest.
    with patch.object(utils, "schema_contents", lru_cache(utils.schema_contents)):
        for _, manifest in documents(exports, "deploy/kubernetes/(?!kustom).*"):
            utils.validate(manifest, "1.34.0", strict=True)


@proves("systemd", "`systemd-analyze verify` and `calendar`")
def validate_systemd(exports, folder):
    analyze = tool("systemd-analyze")
    for case, where in laid_out(exports, folder).items():
        units = where / "deploy/systemd"
        for unit in units.iterdir():
            # The program is not on this machine; everything else is as printed.
            unit.write_text(re.sub(r"^(ExecStart=)\S+", r"\1/bin/true", unit.read_text(), flags=re.MULTILINE))
        named = [str(unit).replace("@.", "@1.") for unit in units.iterdir()]
        quiet = ("--recursive-errors=one", "--man=no")
        done = run(analyze, "verify", *quiet, *named, env=os.environ | {"SYSTEMD_UNIT_PATH": f"{units}:"})
        nothing(f"{case}: {line}" for line in done.stderr.splitlines() if str(units) in line)


RAILWAY = """
import {{ createRailwayContext, project, validateGraph }} from "railway/iac";
for (const name of {names}) {{
  const {{ default: program }} = await import("./" + name + ".mjs");
  const context = createRailwayContext({{ environment: "production" }});
  const {{ resources }} = await program(context, project);
  console.log(JSON.stringify([name, resources.filter((each) => each.type === "service").length]));
}}
"""


@proves("railway", "npm's railway/iac: its types, and a run of the program")
def validate_railway(exports, folder):
    node, package, _ = tool("node"), npm_package("railway"), npm_package("typescript")
    (folder / "node_modules").symlink_to(package.parent)
    (folder / "package.json").write_text('{"type": "module"}')
    for case, printed in exports.items():
        (folder / f"{case}.ts").write_text(printed[".railway/railway.ts"])
    # The program itself takes any key.
    done = run(*TYPES, *(f"{case}.ts" for case in exports), cwd=folder)
    assert (done.returncode, done.stdout) == (0, "")
    for case, printed in exports.items():
        (folder / f"{case}.mjs").write_text(printed[".railway/railway.ts"])
    (folder / "main.mjs").write_text(RAILWAY.format(names=json.dumps(list(exports))))
    done = run(node, folder / "main.mjs", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)[0] for line in done.stdout.splitlines()] == list(exports)


@proves(
    "heroku",
    "the app.json schema of npm's @heroku/mcp-server, but for newer sizes; heroku.yml by its documented keys",
)
def validate_heroku(exports, folder):
    hold(schemas.HEROKU_YML, documents(exports, "heroku.yml"))
    schema = json.loads((npm_package("@heroku/mcp-server") / "dist/utils/app-json.schema.json").read_text())
    # It knows no `container`, which Heroku's documentation asks for.
    schema["properties"]["stack"] = {"enum": ["container"]}
    # Nor the sizes that came later: devcenter.heroku.com/articles/dyno-tiers.
    later = ["performance-l-ram", "performance-xl", "performance-2xl"]
    schema["definitions"]["dynoSize"]["enum"] += later
    hold(schema, documents(exports, "app.json"))


@proves("fly", "SchemaStore's fly.json, but for `release_command_timeout`, which flyctl knows")
def validate_fly(exports, folder):
    schema = schemas.published("fly")
    # A duration as Go writes it: internal/appconfig/config.go of superfly/flyctl.
    time = {"type": "string", "pattern": "^[0-9]+(s|m|h)$"}
    schema["properties"]["deploy"]["properties"]["release_command_timeout"] = time
    # At the top it takes any key.
    schema["additionalProperties"] = False
    hold(schema, documents(exports, "fly.toml"))


@proves("upsun", "the schema of Upsun's own tool platformify")
def validate_upsun(exports, folder):
    hold(schemas.published("upsun"), documents(exports, ".upsun/config.yaml"))


@proves("cloudrun", "SchemaStore's cloud-run-v1.json, worker pools by that of services; setup.sh by bash")
def validate_cloudrun(exports, folder):
    schema = schemas.published("cloudrun")
    # Their API writes an int64 as text; Google's YAML for gcloud has a number.
    schema["$defs"]["TaskSpec"]["properties"]["timeoutSeconds"] = schemas.NUMBER
    pool = {"$defs": schema["$defs"], "$ref": "#/$defs/RevisionSpec"}
    found = dict(documents(exports, "deploy/cloudrun/.*yaml"))
    pools = {
        name: each["spec"]["template"]["spec"] for name, each in found.items() if each["kind"] == "WorkerPool"
    }
    others = {name: each for name, each in found.items() if each["kind"] != "WorkerPool"}
    hold(schema, others.items())
    hold(pool, pools.items())
    parse_shell(exports, folder, "deploy/cloudrun/setup.sh")


def parse_shell(exports, folder, path):
    """Ask bash whether it can read a script, of all cases at once."""
    for case, where in laid_out(exports, folder).items():
        done = run("bash", "-n", where / path)
        assert (done.returncode, done.stderr) == (0, ""), case


@proves("render", "our own strict reader: the keys of Render's Blueprint reference")
def validate_render(exports, folder):
    hold(schemas.RENDER, documents(exports, "render.yaml"))


@proves("digitalocean", "our own strict reader: the keys of DigitalOcean's OpenAPI and godo")
def validate_digitalocean(exports, folder):
    hold(schemas.DIGITALOCEAN, documents(exports, ".do/app.yaml"))


@proves("dokku", "our own strict reader: app.json's documented keys; setup.sh by bash")
def validate_dokku(exports, folder):
    hold(schemas.DOKKU, documents(exports, "deploy/dokku/app.json"))
    parse_shell(exports, folder, "deploy/dokku/setup.sh")


@proves("scalingo", "our own strict reader: the documented keys of scalingo.json and cron.json")
def validate_scalingo(exports, folder):
    hold(schemas.SCALINGO, documents(exports, "scalingo.json"))
    hold(schemas.SCALINGO_CRON, documents(exports, "cron.json"))


@proves("crontab", "our own strict reader; in CI Debian's `crontab`")
def validate_crontab(exports, folder):
    line = re.compile(r"#.*|[A-Z]+=\S+|(?:[\d*,/-]+ ){5}[a-z][a-z0-9-]* (?:[^%\n]|\\%)+|")
    for case, printed in exports.items():
        assert [each for each in printed["deploy/crontab"].split("\n") if not line.fullmatch(each)] == [], (
            case
        )


@proves("coolify", "the Compose specification's schema, but for `exclude_from_hc`")
def validate_coolify(exports, folder):
    found = list(documents(exports, "deploy/coolify/compose.yaml"))
    for _, document in found:
        for entry in document["services"].values():
            entry.pop("exclude_from_hc", None)
    hold(compose_spec(), iter(found))


@proves("dokploy", "the Compose specification's schema; npm's yaml, by which Dokploy reads it")
def validate_dokploy(exports, folder):
    hold(compose_spec(), documents(exports, "deploy/dokploy/compose.yaml"))


KAMAL = "config/deploy.yml"


@proves("kamal", "Kamal's own validation; where Ruby is missing, our own strict reader")
def validate_kamal(exports, folder):
    rendered = {
        case: {KAMAL: own_servers.render(printed[KAMAL], own_servers.ENVIRONMENT)}
        for case, printed in exports.items()
    }
    hold(schemas.KAMAL, documents(rendered, KAMAL))
    if shutil.which("ruby"):
        own_servers.kamal_lines(laid_out(exports, folder), {})


@proves("pandastack", "its command line (npm's @pandastack/cli): every line, question and choice")
def validate_pandastack(exports, folder):
    forms, lines = [], set()
    for printed in exports.values():
        text = printed["deploy/pandastack.md"]
        forms += pandastack_tool.read_forms(text)
        lines |= set(pandastack_tool.read_lines(text))
    commands, results = pandastack_tool.ask_tool(forms)
    nothing(each["error"] for each in results if "error" in each)
    nothing(
        f"{line}: {problem}" for line in lines if (problem := pandastack_tool.find_problem(line, commands))
    )


@proves("northflank", "the types of npm's @northflank/js-client; workflow and references by our own reader")
def validate_northflank(exports, folder):
    specs = [document["spec"] for _, document in documents(exports, "northflank.json")]
    nodes = [node for spec in specs for node in northflank_types.nodes_of(spec)]
    assert northflank_types.type_errors(nodes, folder) == ""


@proves("ecs", "AWS' cfn-lint; deploy.sh with a replacement for `aws`")
def validate_ecs(exports, folder):
    lint = CHECKOUT / ".local" / "tools" / "cfn-lint" / "bin" / "cfn-lint"
    if not lint.exists():
        pytest.skip("cfn-lint is not in .local/tools")
    templates = [
        each for where in laid_out(exports, folder).values() for each in sorted(where.rglob("*.yaml"))
    ]
    assert len(templates) == 2 * len(exports)

    done = run(lint, *templates)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


AZURE_TYPES = {
    "Microsoft.App/containerApps": "ContainerApp",
    "Microsoft.App/jobs": "Job",
    "Microsoft.App/managedEnvironments": "ManagedEnvironment",
}


@proves(
    "azure",
    "the types of npm's @azure/arm-appcontainers; expressions by our own reader; deploy.sh with a replacement for `az`",
)
def validate_azure(exports, folder):
    npm_package("@azure/arm-appcontainers")
    npm_package("typescript")
    lines = [f'import type {{ {", ".join(AZURE_TYPES.values())} }} from "@azure/arm-appcontainers";']
    for name, template in documents(exports, r"deploy/azure/(release|apps)\.json"):
        lines += [f"// {name}", *_azure_resources(arm.resolve(template, {}), len(lines))]
    (folder / "node_modules").symlink_to(NODE_MODULES)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "resources.ts").write_text("\n".join(lines))

    done = run(*TYPES, "resources.ts", cwd=folder)

    assert (done.returncode, done.stdout) == (0, "")


def _azure_resources(resources, number):
    """Give the resources as TypeScript; the library has `properties` beside what ARM has around them."""
    for index, each in enumerate(resources):
        if each["type"] in AZURE_TYPES:
            body = {"location": each["location"]} | each["properties"]
            yield f"export const r{number}x{index}: {AZURE_TYPES[each['type']]} = {json.dumps(body)};"
