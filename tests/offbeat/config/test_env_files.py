"""NAME_FILE: each variable may be a file, as Docker, Kubernetes and systemd hand out secrets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from offbeat.dev.servers import needed_servers
from offbeat.env import Environment
from tests.offbeat.support.fresh_settings import NEEDED, load
from tests.offbeat.support.running import CHECKOUT

SECRETS = ("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "EMAIL_HOST_PASSWORD", "CRON_SECRET", "METRICS_TOKEN")


@dataclass
class Conf:
    drain: float = 1.0


@pytest.fixture
def file(tmp_path):
    """Write a secret, as a mount does, and return its path."""

    def write(content, name="secret"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.mark.parametrize("content", ["s3cret", "s3cret\n", "s3cret\r\n", "  s3cret \n\n", "\ufeffs3cret\n"])
def test_the_content_of_a_file(file, content):
    """The line feed that an editor adds, spaces and a mark of byte order are no part of it."""
    env = Environment({"NAME_FILE": file(content)})

    assert env.text("NAME") == "s3cret"
    assert env.problems == []


def test_every_reader_takes_a_file(file):
    """Texts, numbers, lists, addresses and the numbers of OFFBEAT_…; the project's own variables, too."""
    env = Environment(
        {
            "FLAG_FILE": file("true\n", "flag"),
            "COUNT_FILE": file("3\n", "count"),
            "NAMES_FILE": file("a, b\n", "names"),
            "ADDRESS_FILE": file("https://example.com\n", "address"),
            "OFFBEAT_JOBS_DRAIN_FILE": file("7.5\n", "drain"),
        }
    )

    found = (
        env.boolean("FLAG", default=False),
        env.integer("COUNT", 0),
        env.items("NAMES"),
        env.url("ADDRESS", ["https"]),
        env.numbers("OFFBEAT_JOBS_", Conf),
    )
    env.complain()
    assert found == (True, 3, ["a", "b"], "https://example.com", {"drain": 7.5})


def test_an_empty_variable_beside_a_file(file):
    """Empty counts as unset: a dashboard's empty field does not hide the file, and an empty path is none."""
    assert Environment({"NAME": " ", "NAME_FILE": file("x")}).text("NAME") == "x"
    assert Environment({"NAME": "x", "NAME_FILE": " "}).text("NAME") == "x"


def test_a_credential_of_systemd(file, tmp_path):
    """$CREDENTIALS_DIRECTORY is replaced, which systemd does in no file of variables."""
    file("s3cret", "key")

    for spelling in ("$CREDENTIALS_DIRECTORY/key", "${CREDENTIALS_DIRECTORY}/key"):
        variables = {"CREDENTIALS_DIRECTORY": str(tmp_path), "NAME_FILE": spelling}

        assert Environment(variables).text("NAME") == "s3cret"


def test_a_variable_and_a_file(file):
    """Where both are set nobody knows which was meant."""
    env = Environment({"NAME": "s3cret", "NAME_FILE": file("another")})

    assert env.text("NAME") == ""
    assert env.problems == ["NAME and NAME_FILE are both set: remove one of them."]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty."),
        (b" \n", "the file is empty."),
        (b"s3cret\xff\xfe", "the file is not text in UTF-8."),
        (b"s3cret" * 20_000, "the file has more than 64 KiB."),
        ("missing", "No such file or directory. Hint: use the path of a file."),
        ("directory", "the file is a directory, or not a regular file."),
        ("pipe", "the file is a directory, or not a regular file."),
        ("closed", "Permission denied. Hint: use the path of a file."),
    ],
)
def test_a_file_that_cannot_be_read(file, content, said):
    """The message names the variable and the path, and holds nothing of the content."""
    path = Path(file(content))
    if content in {"missing", "directory", "pipe"}:
        path.unlink()
    if content == "directory":
        path.mkdir()
    if content == "pipe":
        os.mkfifo(path)
    if content == "closed":
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("root reads everything")
    env = Environment({"NAME_FILE": str(path)})

    assert env.text("NAME") == ""
    assert env.problems == [f"NAME_FILE={path}: {said}"]


@pytest.mark.parametrize("value", ["s3cret-in-the-wrong-place", "postgres://u:hunter2@h/db"])
def test_a_secret_in_place_of_a_path(value):
    """Who mistook NAME_FILE for NAME does not read the secret in a log."""
    env = Environment({"NAME_FILE": value})

    env.text("NAME")

    assert env.problems == ["NAME_FILE=…: No such file or directory. Hint: use the path of a file."]


def test_a_misspelt_file():
    """A file of a variable that nobody reads is as wrong as the variable."""
    env = Environment({"OFFBEAT_JOBS_DRAN_FILE": "/x"})
    env.numbers("OFFBEAT_JOBS_", Conf)

    with pytest.raises(Exception, match="Nothing reads OFFBEAT_JOBS_DRAN_FILE"):
        env.complain()


def test_a_process_with_nothing_but_files(file, stack):
    """A command works with all its secrets in files, and no variable holds one."""
    values = stack.environment | {"EMAIL_HOST_PASSWORD": "p", "CRON_SECRET": "c" + NEEDED["SECRET_KEY"]}
    values |= {"SECRET_KEY": NEEDED["SECRET_KEY"], "METRICS_TOKEN": NEEDED["SECRET_KEY"]}
    environment = {name: value for name, value in (os.environ | values).items() if name not in SECRETS}
    environment |= {f"{name}_FILE": file(values[name] + "\n", name) for name in SECRETS}
    code = (
        "import json; from django.conf import settings as s; from offbeat.jobs import broker;"
        "from offbeat.mailer import mailer_option;"
        "from django.db import connection as c; c.ensure_connection(); broker.client().ping();"
        "print(json.dumps([s.SECRET_KEY, s.DATABASES['default']['PORT'], mailer_option('password'),"
        "s.CRON_SECRET, s.METRICS_TOKEN]))"
    )

    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
        env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.stderr == ""
    key, port, *others = json.loads(done.stdout)
    assert key == values["SECRET_KEY"]
    assert str(port) in values["DATABASE_URL"]
    assert others == [values[name] for name in ("EMAIL_HOST_PASSWORD", "CRON_SECRET", "METRICS_TOKEN")]


def test_a_process_with_a_missing_file():
    """It exits with 78, and says which file of which variable."""
    environment = {name: value for name, value in os.environ.items() if name != "SECRET_KEY"}

    done = subprocess.run(
        [sys.executable, "manage.py", "check"], env=environment | {"SECRET_KEY_FILE": "/run/secrets/none"},
        cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == os.EX_CONFIG
    assert done.stderr == (
        "Error: SECRET_KEY_FILE=/run/secrets/none: No such file or directory. Hint: use the path of a file.\n"
    )


def test_a_file_in_place_of_an_address(file):
    """The settings read it, and ./run starts no server of its own beside it."""
    files = {f"{name}_FILE": file(NEEDED[name], name) for name in ("DATABASE_URL", "REDIS_URL")}

    settings, problems = load(DATABASE_URL="", REDIS_URL="", **files)

    assert problems == []
    assert settings.DATABASES["default"]["HOST"] == "db.internal"
    assert NEEDED["REDIS_URL"] == settings.REDIS_URL
    with needed_servers(files) as started:
        assert started == {}


def test_processes_of_the_web_service_in_a_file(file):
    """gunicorn, which reads the variable by itself, gets what the file says from our configuration."""
    settings, problems = load(WEB_CONCURRENCY_FILE=file("3\n"))

    assert (settings.WEB_CONCURRENCY, problems) == (3, [])
