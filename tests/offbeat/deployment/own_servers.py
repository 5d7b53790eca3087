"""Reads back what containers get from the exports for one's own servers: as Compose, Coolify and Kamal read their files.

It shares no code with the exporters: only the formats, as those read them.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.offbeat.deployment import libyaml
from tests.offbeat.support.running import CHECKOUT

ASKED = "asked"
"""What stands in a process for a variable that a person sets, or the platform makes."""
ENVIRONMENT = {"SERVER": "192.0.2.10", "ALLOWED_HOSTS": "www.example.com,example.com"}
"""What whoever runs kamal has set."""
SCRIPT = Path(__file__).parent / "kamal_commands.rb"
GEMS = CHECKOUT / ".local" / "tools" / "gems"
"""Where support/install_tools puts Kamal."""
REFERENCE = re.compile(r"\$(?:(\$)|\{([A-Z][A-Z0-9_]*)(?::[?-][^}]*)?\})")


def compose_processes(files, folder):
    """Give {service: (words of its command, {name: value})}; a variable that is not in the file is ASKED."""
    path = f"deploy/{folder}/compose.yaml"
    services = libyaml.one(files[path])["services"]
    return {
        name: (split(interpolate(entry["command"])), _compose_env(entry))
        for name, entry in services.items()
        if "build" in entry
    }


def interpolate(text):
    """Put values where Compose does; anything else behind a dollar would be an error there, or lost."""
    assert "$" not in REFERENCE.sub("", text), text
    return REFERENCE.sub(lambda match: "$" if match[1] else ASKED, text)


def _compose_env(entry):
    """Give what `environment` holds, and what `env` puts before the command. No env_file: Coolify replaces it by its own."""
    assert "env_file" not in entry
    assert all(isinstance(value, str) for value in entry["environment"].values()), entry["environment"]
    program, *pairs = entry.get("entrypoint", ["env"])
    assert program == "env"
    env = dict(interpolate(pair).split("=", 1) for pair in pairs)
    return env | {name: interpolate(value) for name, value in entry["environment"].items()}


def kamal_processes(files, environment):
    """Give {role: (words of its command, {name: value})}, made of config/deploy.yml as Kamal does."""
    config = libyaml.one(render(files["config/deploy.yml"], environment))
    return {name: _kamal_role(config, role) for name, role in config["servers"].items()}


def render(text, environment):
    """Evaluate the templates that we print: Ruby that asks for a variable; `<%%` is `<%`."""
    ruby = r'<%= ENV\.fetch\("(\w+)"(?:, "(\w+)")?\) %>'
    text = re.sub(ruby, lambda match: environment.get(match[1], match[2]) or ASKED, text)
    assert not re.search("<%[^%]", text), text
    return text.replace("<%%", "<%")


def _kamal_role(config, role):
    env = config["env"]["clear"] | role.get("env", {}).get("clear", {})
    words = [f"{name}={quote(value)}" if value.strip() else name for name, value in env.items()]
    secrets = config["env"].get("secret", []) + role.get("env", {}).get("secret", [])
    pairs = (word.split("=", 1) for word in split(" ".join(words)))
    return split(role.get("cmd", "")), dict.fromkeys(secrets, ASKED) | dict(pairs)


def quote(value):
    """Quote a value as Kamal does for the host's shell: with Ruby's escapes, of which the shell knows few."""
    return re.sub(r"[\x00-\x7f]+", lambda part: _dump(part[0]), value)


def _dump(text):
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "`": "\\`"}
    text = "".join(escapes.get(each, each if " " <= each <= "~" else f"\\x{ord(each):02X}") for each in text)
    text = re.sub(r"#(?=[{$@])", r"\\#", text)
    return '"' + re.sub(r"\$(?!\{[^}]*\})", r"\\$", text) + '"'


def split(line):
    """Split a line into words by a real shell, which expands whatever is not quoted."""
    script = f"printf '%s\\0' {line}" if line else ":"
    done = subprocess.run(["sh", "-euc", script], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    return done.stdout.decode().split("\0")[:-1]


def kamal_lines(folders, secrets):
    """Ask Kamal itself what it would run: {case: {"roles": {name: shell line}, ...}}, by one start of Ruby."""
    done = subprocess.run(
        ["ruby", SCRIPT, *folders.values()],
        env=os.environ | {"GEM_HOME": str(GEMS), "LC_ALL": "C.UTF-8"} | ENVIRONMENT | secrets,
        capture_output=True,
        text=True,
        check=False,
    )
    if "cannot load such file -- kamal" in done.stderr:
        pytest.skip("the gem kamal is not in .local/tools/gems")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return {case: found[str(folder)] for case, folder in folders.items()}
