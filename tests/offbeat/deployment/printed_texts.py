"""Reads the texts back out of printed exports, each format by its own rules; it shares no code with the exporters."""

import base64
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib

import yaml


class TagLoader(yaml.CSafeLoader):
    """Reads CloudFormation's tags as what they hold."""


TagLoader.add_multi_constructor("!", lambda _loader, _suffix, node: str(node.value))


def kubernetes_text(text):
    """Expand as Kubernetes does, where A is 1."""
    return re.sub(r"\$(\$|\(A\))", lambda match: "$" if match[1] == "$" else "1", text)


def cloud_run_text(text):
    """Expand as Cloud Run's reference says: nothing but references, and escaped ones."""
    return re.sub(r"(\$?)\$\(A\)", lambda match: "$(A)" if match[1] else "1", text)


def azure_text(text):
    """Read as ARM does, where two brackets are one, and then as the cluster does."""
    return kubernetes_text(text[1:] if text.startswith("[[") and text.endswith("]") else text)


def compose_text(text):
    assert not re.search(r"(?<!\$)(\$\$)*\$(?!\$)[A-Za-z_{]", text) or "${" in text
    return text.replace("$$", "$")


READ_AS = {
    "kubernetes": kubernetes_text,
    "cloudrun": cloud_run_text,
    "azure": azure_text,
    "compose": compose_text,
    "coolify": compose_text,
    "dokploy": compose_text,
    "nomad": lambda text: text.replace("$${", "${").replace("%%{", "%{"),
}


def leaves(document):
    """Give the strings of a document, and its lists of strings as tuples."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from shell_values(key)
            yield from template_values(key, value)
            if key == "Input":  # of a schedule of AWS: JSON
                yield from leaves(json.loads(value))
            if key == "entrypoint":  # `env`, with its values
                yield from (pair.partition("=")[2] for pair in value)
            yield from leaves(value)
    elif isinstance(document, list):
        if document and all(isinstance(each, str) for each in document):
            yield tuple(document)
        for value in document:
            yield from leaves(value)
    elif isinstance(document, str):
        yield document
        if document.startswith('{"containerOverrides"'):  # what EventBridge hands to ECS
            yield from leaves(json.loads(document))


def template_values(key, value):
    """Give the values of a Nomad template: a quoted one a line."""
    escapes = {"n": "\n", "t": "\t"}
    text = value.replace('{{ "{{" }}', "{{") if key == "EmbeddedTmpl" else ""
    for quoted in re.findall(r'^\w+="((?:\\.|[^"\\])*)"$', text, re.MULTILINE):
        plain = re.sub(r"\\(.)", lambda match: escapes.get(match[1], match[1]), quoted)
        yield plain.replace("${", "$${")


def shell_values(key):
    """Give the value of a key like NAME='value', as Kamal hands it to a shell."""
    if isinstance(key, str) and re.match(r"\w+=['\"]", key):
        yield from (word.partition("=")[2] for word in shlex.split(key))


def unit_words(text):
    """Split as systemd.service(5) and systemd.exec(5) say: quotes, the escapes of C, and doubled per cents."""
    escapes = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"'}
    for word in re.findall(r'"(?:\\.|[^"\\])*"|\S+', text):
        bare = word[1:-1] if word.startswith('"') else word
        assert "\n" not in bare
        bare = re.sub(
            r"\\(?:x([0-9a-f]{2})|(.))",
            lambda match: chr(int(match[1], 16)) if match[1] else escapes[match[2]],
            bare,
        )
        assert re.fullmatch(r"(%%|[^%])*", bare, re.DOTALL)
        yield bare.replace("%%", "%")


def from_units(text):
    for line in text.split("\n"):
        key, _, value = line.partition("=")
        if key == "Environment":
            (assignment,) = unit_words(value)
            yield assignment.partition("=")[2]
        if key == "ExecStart":
            words = list(unit_words(value))
            assert all(re.fullmatch(r"(\$\$|[^$])*", word) for word in words)
            yield tuple(word.replace("$$", "$") for word in words[1:])


STUB = """#!/bin/sh
printf '%s\\0' "$@" >>"$CALLS"
"""


def from_script(text, folder):
    """Give the words with which a script calls its tools, and the values that it exports."""
    calls = folder / "calls"
    for tool in ("dokku", "gcloud", "heroku", "git", "openssl", "aws", "az", "curl", "docker", "nomad"):
        (folder / tool).write_text(STUB)
        (folder / tool).chmod(0o755)
    (folder / "script").write_text(
        text + f"\n{sys.executable} -c 'import os, json; print(json.dumps(dict(os.environ)))'\n", newline=""
    )
    variables = {"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(calls), "LC_ALL": "C.UTF-8"}
    variables |= dict.fromkeys(
        ("PROJECT", "REGION", "SCHEDULER_ACCOUNT", "PLATFORM_PROJECT_ENTROPY", "N_REQSEC", "ALLOWED_HOSTS"),
        "x",
    )
    ran = subprocess.run(
        ["bash", str(folder / "script")], env=variables, capture_output=True, text=True, check=True
    )
    words = calls.read_bytes().decode().split("\0") if calls.exists() else []
    calls.unlink(missing_ok=True)
    yield from words
    yield from (word.partition("=")[2] for word in words)
    yield from json.loads(ran.stdout.splitlines()[-1]).values()


def from_yaml(text, _folder):
    for document in yaml.load_all(text, TagLoader):
        as_it_is = document.get("kind") == "ConfigMap"  # where Kubernetes expands nothing
        yield from (each.replace("$", "$$") if as_it_is else each for each in leaves(document))


def from_page(text, folder):
    for block in re.findall(r"^(`{3,})sh\n(.*?)\n\1$", text, re.MULTILINE | re.DOTALL):
        yield from from_script(block[1], folder)


def from_checklist(text, _folder):
    """Read the variables that a person pastes into PandaStack: lines, and JSON for those that are no line."""
    for _, language, block in re.findall(r"^(`{3,})(env|json)\n(.*?)\n\1$", text, re.MULTILINE | re.DOTALL):
        if language == "env":
            yield from (line.partition("=")[2] for line in block.split("\n"))
        else:
            yield from leaves(json.loads(block))


def northflank_text(text):
    match = re.fullmatch(r"\$\{fn\.fromBase64\('(.*)'\)\}", text)
    return base64.b64decode(match[1]).decode() if match else text


def from_env_file(text, folder):
    (folder / "env").write_text(text, newline="")
    reader = [sys.executable, "src/offbeat/deployment/env_file.py", str(folder / "env")]
    yield from from_script(subprocess.run(reader, capture_output=True, check=True).stdout.decode(), folder)


FORMATS = {
    r".*\.ya?ml": from_yaml,
    r".*\.json": lambda text, _: leaves(json.loads(text)),
    r".*\.toml": lambda text, _: leaves(tomllib.loads(text)),
    r".*\.ts": lambda text, _: map(json.loads, re.findall(r'"(?:\\.|[^"\\])*"', text)),
    r".*\.service": lambda text, _: from_units(text),
    # deploy.sh of AWS and of Azure holds no value.
    r"(?!deploy/(?:ecs|azure)/).*\.sh|\.environment": from_script,
    r"deploy/pandastack\.md": from_checklist,
    r"deploy/heroku/.*\.md": from_page,
    r"deploy/crontab\.env": from_env_file,
}


def read_back(printed, folder):
    """Give every text of an export as its platform's own reader would have it."""
    for path, text in printed.items():
        for pattern, reader in FORMATS.items():
            if re.fullmatch(pattern, path):
                yield from reader(text, folder)


READ_AS["northflank"] = northflank_text


def read(target, printed, folder):
    """Give every text of an export, as its platform's own reader would have it: strings, and lists of strings as tuples."""
    as_read = READ_AS.get(target, lambda text: text)
    found = set()
    for each in read_back(printed, folder):
        found.add(tuple(map(as_read, each)) if isinstance(each, tuple) else as_read(each))
    return found
