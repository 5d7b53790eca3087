"""Values and arguments of any characters arrive on every platform as they were written."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

from offbeat.deployment import spec
from offbeat.deployment.exporters import TARGETS, export_platform, facts_of
from offbeat.deployment.exporters.export import Export, File
from offbeat.deployment.exporters.files import drifted, write
from offbeat.deployment.exporters.texts import code, fenced, yaml_text
from tests.offbeat.deployment import libyaml
from tests.offbeat.deployment.exports import files
from tests.offbeat.deployment.golden.variants import CASES
from tests.offbeat.deployment.printed_texts import read

NASTY = {
    "N_SHELL": "k$5abc$(id -u)`id` $$ ${HOME} $HOME $(A) $$(A) !x",
    "N_QUOTES": 'it\'s "double" and `tick` \\ \\\\ \\n',
    "N_LINES": "line1\nline2\n",
    "N_BLANKS": "  lead\n  and trail  \n ",
    "N_CONTROL": "a\tb\rc\x01d\x1be\x7ff\x0bg",
    "N_CRLF": "a\r\nb",
    "N_SEPARATORS": "a\u2028b\u2029c\x85d\u00a0e\ufeff",
    "N_UNICODE": "Grüße 日本 🦄",
    "N_PERCENT": "100% %h %% %n",
    "N_HASH": "a #b # c",
    "N_YAML": "*anchor &x !tag: {a: [1]} | > - ?",
    "N_OCTAL": "0o17",
    "N_FLOAT": "1e3",
    "N_Y": "y",
    "N_EMPTY": "",
    "N_FENCE": "```\nrm\n```",
    "N_BRACKETS": "[concat('a', \"b\")]",
    "N_BRACES": "{{resolve:ssm:x}} {{ x }} %{x}",
    "N_LONG": "x" * 5000 + " " + "y" * 5000,
}
TEMPLATES = {
    "N_TPL": "${{ secrets.X }} ${postgres.DATABASE_URL}",
    "N_ALIAS": "$REDIS_URL",
    "N_REF": "{{resolve:ssm:x}}",
}
ARGUMENTS = [
    "it's 100% #1 cost $5 {x} \\d+",
    "$(A) $$(A) `id`",
    '"q" \\\\ ; | & * ? ~ <>',
    "%",
    "a\\%b",
    "",
    "ü🦄",
    "{{x}}",
    ";",
]


def nasty(**env):
    source = {
        "name": "app",
        "repository": "acme/app",
        "image": "registry.example/acme/app:1",
        "services": [
            {"name": "web", "command": "gunicorn config.wsgi", "port": 8000, "health": "/healthz"},
            {
                "name": "worker",
                "command": shlex.join(
                    ["python", "manage.py", "worker", "--queues", "default", "--name", *ARGUMENTS]
                ),
                "queues": ["default"],
                "health": shlex.join(["python", "probe.py", *ARGUMENTS]),
            },
        ],
        "release": "python manage.py release",
        "env": {"A": {"default": "1"}} | {name: {"default": value} for name, value in env.items()},
        "cronjobs": [
            {
                "name": "daily",
                "schedule": "@daily",
                "command": shlex.join(["python", "manage.py", "c", *ARGUMENTS]),
            }
        ],
    }
    return spec.parse(yaml.safe_dump(source))


@pytest.mark.parametrize("target", TARGETS)
def test_values_arrive_as_they_were_written(target, tmp_path):
    """Each value of the file, and of the case with nasty ones, is what the platform's reader finds."""
    for number, platform in enumerate((nasty(**NASTY), CASES["v4-nasty-env"])):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = read(target, files(target, platform), folder)

        process = "worker" if target != "crontab" else ""  # which holds the cronjobs alone
        wanted = {each.name: each.default for each in platform.env_of(process) if each.default is not None}
        assert {name: value for name, value in wanted.items() if value not in found} == {}


@pytest.mark.parametrize("target", sorted(set(TARGETS) - {"crontab", "pandastack"}))
def test_arguments_arrive_as_they_were_written(target, tmp_path):
    """Whether the platform starts a shell or splits words by itself, the program gets the same arguments."""
    platform = nasty()
    commands = [platform.service("worker").argv] + [each.argv for each in platform.cronjobs]

    found = read(target, files(target, platform), tmp_path)
    if "deploy/heroku/scheduler.md" in (printed := files(target, platform)):
        found.add(table_cell(printed["deploy/heroku/scheduler.md"]))
    if target == "scalingo":
        found |= {each.split(" ", 5)[-1] for each in found if isinstance(each, str)} | set(procfile(printed))

    if facts_of(target).zone == "file":
        commands = commands[:1]
    argvs = {tuple(each) for each in found if not isinstance(each, str)}
    argvs |= {tuple(words) for each in found if isinstance(each, str) if (words := split(each))}
    for argv in commands:
        tail = tuple(argv[1:])
        wanted = {tuple(argv), tail}
        assert argvs & wanted or (target == "dokku" and argv == commands[0])


def split(text):
    try:
        return shlex.split(text)
    except ValueError:
        return []


def procfile(printed):
    return [line.partition(": ")[2] for line in printed["deploy/scalingo/Procfile"].splitlines()]


def table_cell(text):
    """Give the last cell of a table's last row, out of Markdown's code."""
    row = [line for line in text.splitlines() if line.startswith("|")][-1]
    fenced_cell = re.search(r"(`+) ?(.+?) ?\1 \|$", row)
    return fenced_cell[2].replace("\\|", "|")


# The project's python: it runs the reader of variables, and of manage.py says what it would be given.
PYTHON = f"""#!/bin/sh
[ "$1" = manage.py ] || exec {sys.executable} "$@"
exec {sys.executable} -c 'import sys, os, json; print(json.dumps([sys.argv[2:], dict(os.environ)]))' "$@"
"""


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_crontab_gives_its_command_the_same_arguments(shell, keeps, tmp_path):
    """Crons that take the backslash before a per cent away, and ones that leave it to the shell."""
    platform = nasty(**NASTY)
    line = files("crontab", platform)["deploy/crontab"].splitlines()[-1]
    command = re.match(r"(?:\S+ ){5}app (.*)", line)[1]
    assert not re.search(r"(?<!\\)%", command)
    command = command if keeps else re.sub(r"\\([%\\])", r"\1", command)
    (tmp_path / "srv/.venv/bin").mkdir(parents=True)
    (tmp_path / "srv/deploy").mkdir()
    (tmp_path / "srv/deploy/crontab.env").write_text(
        files("crontab", platform)["deploy/crontab.env"], newline=""
    )
    (tmp_path / "app.env").write_text("A=2\nSECRET_KEY=k$5abc$(touch pwned)`touch pwned`#(!\n")
    (tmp_path / "srv/src").symlink_to(Path("src").resolve())
    python = tmp_path / "srv/.venv/bin/python"
    python.write_text(PYTHON)
    python.chmod(0o755)

    command = command.replace("/etc/app.env", str(tmp_path / "app.env")).replace(
        "/srv/app", str(tmp_path / "srv")
    )
    ran = subprocess.run(
        [shell, "-c", command], capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]}
    )
    argv, environment = json.loads(ran.stdout)

    assert argv == ["c", *ARGUMENTS]
    assert {name: environment.get(name) for name in NASTY} == NASTY
    assert environment["SECRET_KEY"] == "k$5abc$(touch pwned)`touch pwned`#(!"
    assert environment["A"] == "2"
    assert not list(tmp_path.rglob("pwned"))


MANAGER = "/lib/systemd/systemd"


@pytest.mark.skipif(not Path(MANAGER).exists() or not shutil.which("setpriv"), reason="systemd is not here")
def test_systemd_itself_reads_the_values_and_the_arguments():
    """Its manager loads the units, shows what it has read, and starts nothing (`--test`)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, text in files("systemd", nasty(**NASTY)).items():
            unit = re.sub(r"^(ExecStart=)\S+", r"\1/bin/true", text, flags=re.MULTILINE)
            (folder / Path(path).name).write_text(unit, newline="")
        (folder / "run").mkdir()
        command = [MANAGER, "--test", "--user", "--unit=app-worker.service", "--no-pager"]
        if os.geteuid() == 0:  # which a manager of a user refuses to be
            for path in (folder, folder / "run"):
                os.chown(path, 65534, 65534)
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
        variables = {
            "HOME": name,
            "XDG_RUNTIME_DIR": f"{name}/run",
            "SYSTEMD_UNIT_PATH": f"{name}:",
            "LC_ALL": "C.UTF-8",
        }
        ran = subprocess.run(command, env=variables, capture_output=True, check=False, timeout=60)

    shown = ran.stdout.decode().partition("-> Unit app-worker.service:")[2].partition("-> Unit ")[0]
    if not shown:
        pytest.skip(f"systemd does not run here: {ran.stderr.decode()[-200:]}")
    assert [name for name, value in NASTY.items() if f"Environment: {name}={value}\n" not in shown] == []
    # It shows words as a shell would have them, and expands dollars only when it starts them.
    line = re.search("Command Line: /bin/true (.*)", shown)[1]
    words = subprocess.run(["sh", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True).stdout
    assert [word.replace("$$", "$") for word in words.decode().split("\0")][5:-1] == ARGUMENTS


@pytest.mark.parametrize("target", sorted(each for each in TARGETS if facts_of(each).expands))
def test_what_a_platform_would_replace_is_named(target):
    """Where a template cannot be written as text, its variable is in a warning."""
    warned = " ".join(export_platform(target, nasty(**TEMPLATES, N_TWO="$$")).warnings)

    assert re.search(r"env/N_\w+: has (\$|\{\{resolve)", warned)
    assert not any(line.startswith("env/N_") for line in export_platform(target, nasty()).warnings)


# Files


def test_a_carriage_return_is_no_drift(tmp_path):
    """What was just written is as it was written, whatever ends its lines."""
    export = Export((File("a/b.txt", "one\r\ntwo\rthree\n"),), (), "")

    list(write(export, tmp_path))

    assert (tmp_path / "a/b.txt").read_bytes() == b"one\r\ntwo\rthree\n"
    assert list(drifted(export, tmp_path)) == []


@pytest.mark.parametrize("text", ["0o17", "1e3", "y", "N", "a\x85b", "a\u2028b", "a\rb", "\ufeffa"])
def test_yaml_of_one_meaning_is_in_quotes(text):
    """YAML 1.1 and 1.2 differ in what is a number, what is true, and what ends a line."""
    written = yaml_text({"key": text}, header="made").splitlines()[-1]

    assert re.fullmatch(r"""key: (["']).*\1""", written)
    assert libyaml.one(written) == {"key": text}


def test_markdown_code_holds_any_text():
    """Backticks are fenced by more of them."""
    assert code("a `b` c") == "``a `b` c``"
    assert code("``") == "``` `` ```"
    assert fenced(["```", "x"]) == "````sh\n```\nx\n````"
