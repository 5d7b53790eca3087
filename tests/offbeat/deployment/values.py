"""Reads back which variables and words each process gets from an export, by the rules of the platform that reads it.

It shares no code with the exporters. A variable that a person sets, or the platform makes, is GIVEN: no text of ours.
"""

import json
import re
import shlex
import tomllib
from itertools import takewhile

from tests.offbeat.deployment import libyaml
from tests.offbeat.deployment.printed_texts import cloud_run_text, kubernetes_text, unit_words

GIVEN = object()
Processes = dict[str, tuple[list[str] | None, dict[str, object]]]
"""{name: (words, variables)}; None for the words where the platform's file has no command for it."""


def processes(target: str, files: dict[str, str], app: str) -> Processes:
    """Give what each process gets; raises KeyError for a target whose own test reads its values."""
    return READERS[target](files, app)


def _render(files, app):
    services = [each for each in libyaml.one(files["render.yaml"])["services"] if "envVars" in each]
    return {
        each["name"].removeprefix(f"{app}-"): (
            shlex.split(each["dockerCommand"]),
            {item["key"]: item.get("value", GIVEN) for item in each["envVars"]},
        )
        for each in services
    }


def _heroku(files, app):
    run = libyaml.one(files["heroku.yml"])["run"]
    commands = {name: each if isinstance(each, str) else each["command"][0] for name, each in run.items()}
    return _shared(commands, json.loads(files["app.json"])["env"])


def _shared(commands, env):
    """Give every process the variables of an app.json, or of a likeness of it."""
    given = {name: each.get("value", GIVEN) for name, each in env.items()}
    return {name: (shlex.split(command), given) for name, command in commands.items()}


def _scalingo(files, app):
    lines = [line.split(": ", 1) for line in files["deploy/scalingo/Procfile"].splitlines() if ": " in line]
    return _shared(dict(lines), json.loads(files["scalingo.json"])["env"])


def _railway(files, app):
    found = {}
    for name, body in re.findall(
        r'service\("([^"]+)", (\{.*?\n  \})\);', files[".railway/railway.ts"], re.DOTALL
    ):
        quoted = re.sub(r'^( *"[^"]+": )([a-zA-Z][\w.]*)(,?)$', r'\1"\2"\3', body, flags=re.MULTILINE)
        document = json.loads(re.sub(r",(\s*[}\]])", r"\1", quoted))
        references = set(re.findall(r'^ *"([^"]+)": [a-zA-Z][\w]*\.[\w.]+,$', body, re.MULTILINE))
        env = {key: GIVEN if key in references else value for key, value in document["env"].items()}
        found[name] = (shlex.split(document["start"]), env)
    return found


def _digitalocean(files, app):
    spec = libyaml.one(files[".do/app.yaml"])
    components = [*spec["services"], *spec.get("workers", []), *spec.get("jobs", [])]
    return {
        each["name"]: (shlex.split(each["run_command"]), _do_env(spec) | _do_env(each)) for each in components
    }


def _do_env(document):
    return {
        each["key"]: GIVEN if each.get("type") == "SECRET" else each["value"]
        for each in document.get("envs", [])
    }


def _fly(files, app):
    document = tomllib.loads(files["fly.toml"])
    return {name: (shlex.split(command), document["env"]) for name, command in document["processes"].items()}


def _cloudrun(files, app):
    found = {}
    for path, text in files.items():
        if path.endswith(".yaml"):
            document = libyaml.one(text)
            container = _container(document["spec"])
            words = [cloud_run_text(each) for each in (*container["command"], *container["args"])]
            env = {
                each["name"]: cloud_run_text(each["value"]) if "value" in each else GIVEN
                for each in container["env"]
            }
            found[document["metadata"]["name"].removeprefix(f"{app}-")] = (words, env)
    return found


def _container(document):
    """Give the container that is furthest in."""
    while "containers" not in document:
        document = document.get("template") or document["spec"]
    return document["containers"][0]


def _kubernetes(files, app):
    documents = [each for text in files.values() for each in libyaml.every(text)]
    config = next(each["data"] for each in documents if each["kind"] == "ConfigMap")
    secret = next((each["stringData"] for each in documents if each["kind"] == "Secret"), {})
    found = {}
    for each in documents:
        if each["kind"] in ("Deployment", "Job", "CronJob"):
            container = _container(each["spec"].get("jobTemplate", each)["spec"])
            own = {
                item["name"]: kubernetes_text(item["value"])
                for item in container.get("env", [])
                if "value" in item
            }
            words = [kubernetes_text(word) for word in container["args"]]
            name = each["metadata"]["name"].removeprefix(f"{app}-")
            found[name] = (words, dict.fromkeys(secret, GIVEN) | config | own)
    return found


def _upsun(files, app):
    (only,) = libyaml.one(files[".upsun/config.yaml"])["applications"].values()
    lines = re.findall(
        r'^\[ -n "\$\{(\w+):-\}" \] \|\| export (\w+=.*?)$', files[".environment"], re.MULTILINE | re.DOTALL
    )
    sourced = dict(shlex.split(text)[0].split("=", 1) for _, text in lines)
    shared = sourced | only["variables"]["env"]
    workers = {
        name: (shlex.split(each["commands"]["start"]), shared | each.get("variables", {}).get("env", {}))
        for name, each in only.get("workers", {}).items()
    }
    return {"web": (shlex.split(only["web"]["commands"]["start"]), shared)} | workers


def _dokku(files, app):
    script = files["deploy/dokku/setup.sh"]
    words = shlex.split(script, comments=True)
    pairs = []
    for number, word in enumerate(words):
        if word == app and words[number - 1] == "--no-restart":
            # A line that goes on is a word with a line break to shlex.
            following = (each for each in words[number + 1 :] if each != "\n")
            pairs += takewhile(lambda each: re.match(r"\w+=", each), following)
    env = dict(pair.split("=", 1) for pair in pairs)
    made = {name: GIVEN if re.match(r"\$\(|\$\{\w+:\?", value) else value for name, value in env.items()}
    return {"": (None, made)}


def _systemd(files, app):
    found = {}
    for path, text in files.items():
        if path.endswith(".service"):
            name = re.sub(rf".*/{app}-|@?\.service$", "", path)
            found[name] = (
                _words(text, "ExecStart"),
                dict(each.split("=", 1) for each in _words(text, "Environment")),
            )
    return found


def _words(text, key):
    return [word for line in re.findall(rf"^{key}=(.*)$", text, re.MULTILINE) for word in unit_words(line)]


READERS = {
    "render": _render,
    "heroku": _heroku,
    "railway": _railway,
    "digitalocean": _digitalocean,
    "fly": _fly,
    "cloudrun": _cloudrun,
    "scalingo": _scalingo,
    "upsun": _upsun,
    "dokku": _dokku,
    "kubernetes": _kubernetes,
    "systemd": _systemd,
}
ELSEWHERE = {
    "pandastack": "test_pandastack",
    "northflank": "test_northflank",
    "compose": "test_export_own_servers",
    "coolify": "test_export_own_servers",
    "dokploy": "test_export_own_servers",
    "kamal": "test_export_own_servers",
    "nomad": "test_nomad",
    "ecs": "test_ecs",
    "azure": "test_azure",
    "crontab": "test_texts",
}
"""The module whose tests read the values of a target, with all that its own tools say about them."""
