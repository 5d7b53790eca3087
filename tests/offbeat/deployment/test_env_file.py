"""/etc/<name>.env gives a crontab the values that it gives a unit of systemd."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from offbeat.deployment.env_file import read_variables

READER = "src/offbeat/deployment/env_file.py"
# Keys as people paste them: Django's own, and `openssl rand -base64 48`.
DJANGO = "django-insecure-k$5abc$(id -u)`id`#(!&^%*-_=+@"
BASE64 = "q+3/Zk0aJ0o2C7x1vQm9S5wE8rT4yU6iP+aSdFgHjKlZxCvBnM=="
VALUES = [
    DJANGO,
    BASE64,
    'a "b" c',
    "'it'",
    "it's",
    "#x",
    "a #b",
    "; x",
    "  lead",
    "trail \t ",
    "tr\\ ",
    "a\\nb",
    "\\\\",
    "'a' 'b'",
    '"a"b',
    '"a" #b',
    '"a\\"b\\$c\\`d\\\\e\\nf"',
    "'a\\nb'",
    "a=b=c",
    "",
    '""',
    "''",
    "ü 日本 🦄",
    '"tab\tline\n end"',
    "'l1\nl2'",
    "a\\\nb",
    '"a\\\nb"',
    "x\r",
    "'x'\r",
    '"x\r"',
    "$HOME ${HOME}",
    "a\u2028b\x85",
    "{x} %h %%",
]
FILES = [
    "export BUILD_ID=1\nVARIANT_ID=2\n",
    "# BUILD_ID=0\n  ; BUILD_ID=0\nBUILD_ID=1\nBUILD_ID=2\n",
    "  BUILD_ID =  1\nVARIANT_ID\n",
    "BUILD_ID=1\r\n\r\nVARIANT_ID='2'\r\n",
    "BUILD_ID=\nVARIANT_ID=2",
    "=x\nBUILD_ID=2\n",
    "BUILD ID=1\nVARIANT_ID=3\n",
]
SLOTS = {"BUILD_ID": "B", "VARIANT_ID": "W"}
"""Variables of os-release, which systemd reads with the parser of environment files, and their specifiers in tmpfiles.d(5)."""


def drawn():
    """Give files of whatever characters matter, the same in every run."""
    chance = random.Random(1)
    alphabet = [*"ab'\"\\$`#;= \t\n", "\nBUILD_ID=", "\nVARIANT_ID=", "\\\n"]
    return ["BUILD_ID=" + "".join(chance.choices(alphabet, k=12)) for _ in range(60)]


def read_by_systemd(text, root):
    """Give what systemd itself reads in a file: systemd-tmpfiles writes values of os-release into files."""
    shutil.rmtree(root, ignore_errors=True)
    (root / "etc").mkdir(parents=True)
    (root / "etc/os-release").write_text(text, newline="")
    (root / "lines.conf").write_text(
        "".join(f"f /{name} - - - - <%{slot}>\n" for name, slot in SLOTS.items())
    )
    command = ["systemd-tmpfiles", f"--root={root}", "--create", str(root / "lines.conf")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (root / "BUILD_ID").exists(), ran.stderr
    return {name: (root / name).read_bytes().decode()[1:-1] for name in SLOTS}


def read_by_us(text):
    return dict.fromkeys(SLOTS, "") | {
        name: value for name, value in read_variables(text).items() if name in SLOTS
    }


@pytest.mark.skipif(not shutil.which("systemd-tmpfiles"), reason="systemd-tmpfiles is not here")
def test_a_file_is_read_as_systemd_reads_it(tmp_path):
    """Each nasty value, and files drawn at random, against systemd's own parser."""
    texts = [f"ID=x\nBUILD_ID={value}\nVARIANT_ID=after\n" for value in VALUES] + FILES + drawn()

    differing = [
        (text, systemd, ours)
        for text in texts
        if (systemd := read_by_systemd(text, tmp_path / "root")) != (ours := read_by_us(text))
    ]

    assert differing == []


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_shell_gets_the_values_and_runs_nothing(shell, tmp_path):
    """What is printed is evaluated by a shell: every value arrives, and no substitution is made."""
    wanted = {f"N_{number}": read_variables(f"A={value}\n").get("A") for number, value in enumerate(VALUES)}
    lines = [f"N_{number}={value}" for number, value in enumerate(VALUES)]
    path = tmp_path / "app.env"
    path.write_text("\n".join([*lines, "X=`touch pwned`$(touch pwned)"]), newline="")
    dump = f"{sys.executable} -c 'import os, json; print(json.dumps(dict(os.environ)))'"

    script = f'values="$({sys.executable} {Path(READER).resolve()} {path})" && eval "$values" && exec {dump}'
    ran = subprocess.run([shell, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)

    found = json.loads(ran.stdout)
    assert {name: found.get(name) for name in wanted} == wanted
    assert [each.name for each in tmp_path.iterdir()] == ["app.env"]


def test_a_key_is_what_was_pasted():
    """No quotes are needed for what Django and openssl make."""
    assert read_variables(f"SECRET_KEY={DJANGO}\nOTHER={BASE64}") == {"SECRET_KEY": DJANGO, "OTHER": BASE64}


def test_what_is_no_variable_is_reported_by_its_number(tmp_path):
    """A line may be a part of a secret, so it is not shown; a file that is not there ends the command."""
    path = tmp_path / "app.env"
    path.write_text("A=1\nexport B=hush\nhush\nC=3\n")

    first = subprocess.run([sys.executable, READER, path], capture_output=True, text=True, check=False)
    second = subprocess.run(
        [sys.executable, READER, path, "/nowhere"], capture_output=True, text=True, check=False
    )

    assert (first.returncode, first.stdout) == (0, "export A=1\nexport C=3\n")
    assert "line 2: should be NAME=value" in first.stderr
    assert "hush" not in first.stderr
    assert (second.returncode, second.stdout) == (66, "")
    assert "/nowhere: cannot be read: No such file" in second.stderr
