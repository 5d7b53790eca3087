"""Every command that an export or a page prints is one that the platform's command line has."""

import importlib.util
import json
import re
from functools import lru_cache
from pathlib import Path

import pytest

from offbeat.deployment import spec
from offbeat.deployment.exporters import TARGETS, export_platform
from tests.offbeat.deployment.golden.variants import FOLDER, SHIPPED
from tests.offbeat.support.running import CHECKOUT

PAGES = CHECKOUT / "docs" / "offbeat" / "deploy"
HEROKU = CHECKOUT / ".local" / "tools" / "heroku" / "oclif.manifest.json"
GCLOUD = Path("/usr/lib/google-cloud-sdk/data/cli/gcloud_completions.py")

DOCUMENTED = {
    # docs.railway.com/cli
    "railway": {
        *{"login", "link", "config plan", "config apply", "ssh", "logs", "status", "redeploy", "variables"},
    },
    # fly.io/docs/flyctl
    "fly": {
        *{"apps create", "console", "deploy", "mpg create", "mpg list", "redis create", "scale count"},
        *{"secrets set", "secrets list", "status", "ssh console", "logs", "machine start"},
    },
    # docs.upsun.com/administration/cli/reference
    "upsun": {
        *{"project:create", "resources:set", "variable:create", "variable:list", "ssh", "log", "redeploy"},
        *{"activity:list", "worker:list"},
    },
    # docs.digitalocean.com/reference/doctl
    "doctl": {
        *{"databases create", "databases options", "apps create", "apps update", "apps console", "apps list"},
        *{
            "apps list-instances",
            "apps list-job-invocations",
            "apps create-deployment",
            "apps logs",
            "apps spec",
        },
    },
    # dokku.com/docs, and the README of dokku-postgres, whose commands those of dokku-redis are
    "dokku": {
        *{"app-json:set", "apps:create", "apps:exists", "config:keys", "config:set", "cron:list"},
        *{"docker-options:add", "domains:report", "domains:set", "plugin:install", "plugin:installed"},
        *{"ps:set", "ps:report", "ps:scale", "resource:limit", "run", "cron:run", "logs", "config:show"},
        *(
            f"{kind}:{verb}"
            for kind in ("postgres", "redis")
            for verb in ("create", "exists", "link", "linked")
        ),
    },
    # kubernetes.io/docs/reference/kubectl
    "kubectl": {"apply", "delete", "wait", "kustomize", "set image", "logs", "get"},
    # command/commands.go of hashicorp/nomad
    "nomad": {
        *{"namespace apply", "var get", "var put", "job run", "job stop", "deployment list", "service info"},
        *{"alloc exec", "alloc logs", "alloc status", "job allocs", "job periodic", "job status"},
    },
}
# Of oclif's own plugin for plugins, which heroku has in it, and of the plugin of Advanced Scheduler (its README).
HEROKU_PLUGINS = {"plugins:install": set(), "triggers": {"app"}} | {
    "triggers:create": {
        *{"app", "name", "schedule", "timezone", "timeout", "value", "dyno", "frequencyType", "state"},
    }
}


@lru_cache
def printed():
    """Give all that is printed for people and shells to run, of every platform."""
    texts = {path.read_text() for path in PAGES.glob("*.md")}
    for platform in (SHIPPED, spec.read(FOLDER / "platform.yaml")):
        for target in TARGETS:
            export = export_platform(target, platform)
            texts |= {file.text for file in export.files if not file.path.endswith((".json", ".ts"))}
            texts |= set(export.warnings)
    return sorted(texts)


@lru_cache
def calls(tool):
    """Give the calls of a tool: at the start of a line, after a sign of the shell, or in marks of code."""
    pattern = rf"(?:^[ #$]*|`|\|\| |; |\(|if |! ){tool} ([a-z][^`\n]*)"
    return sorted({found for text in printed() for found in re.findall(pattern, text, re.MULTILINE)})


def words(call):
    """Give the words of a call before its first option or argument of its own."""
    return re.match(r"[a-z][a-z:-]*(?: [a-z][a-z:-]*)*", call)[0].split()


def flags(call):
    return set(re.findall(r"(?<=\s)--([a-zA-Z-]+)", re.split("  #| -- ", call)[0]))


@pytest.mark.parametrize("tool", DOCUMENTED)
def test_a_command_is_documented(tool):
    """No line makes a command up, or calls one that was renamed."""
    unknown = [
        call
        for call in calls(tool)
        if not {" ".join(words(call)[:number]) for number in (1, 2)} & DOCUMENTED[tool]
    ]

    assert unknown == []
    assert calls(tool)


def test_herokus_manifest_has_every_command_and_option():
    """The list that the heroku command ships of itself knows them."""
    if not HEROKU.exists():
        pytest.skip("the list of commands of npm package heroku is not in .local/tools")
    manifest = json.loads(HEROKU.read_text())["commands"]
    known = {name: {*each["flags"], "version"} for name, each in manifest.items()} | HEROKU_PLUGINS

    unknown = [
        call
        for call in calls("heroku")
        if words(call)[0] not in known or not flags(call) <= known[words(call)[0]]
    ]

    assert unknown == []
    assert len(calls("heroku")) > 10


def test_gcloud_has_every_command_and_option():
    """The tree that gcloud completes words from knows them; those that left beta after its release are there as beta."""
    if not GCLOUD.exists():
        pytest.skip("gcloud is not installed")
    loader = importlib.util.spec_from_file_location("gcloud_completions", GCLOUD)
    module = importlib.util.module_from_spec(loader)
    loader.loader.exec_module(module)
    tree = module.STATIC_COMPLETION_CLI_TREE

    # setup.sh says "$verb" for both of these.
    found = [
        call.replace('"$verb"', verb)
        for call in calls("gcloud")
        for verb in ("create", "update")[: 1 + ("$verb" in call)]
    ]
    unknown = [
        call
        for call in found
        if not _is_known(tree, words(call), flags(call))
        and not _is_known(tree, ["beta", *words(call)], flags(call))
    ]

    assert unknown == []
    assert len(found) > 5


def _is_known(tree, path, options):
    """Follow the words through the groups to a command, and look for the options there and above."""
    node, seen = tree, set(tree["flags"])
    for word in path:
        if word not in node["commands"]:
            break
        node = node["commands"][word]
        seen |= set(node["flags"])
    return not node["commands"] and {f"--{each}" for each in options} <= seen
