"""Production starts with no secret that somebody could guess; whatever a platform generates is one."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import re
import string
import sys

import pytest

from offbeat.variables.weak_secrets import LOCAL_KEY, SHORTEST_KEY, SHORTEST_OLD_KEY, SHORTEST_TOKEN, weakness
from tests.offbeat.support import warm_python
from tests.offbeat.support.fresh_settings import load
from tests.offbeat.support.running import CHECKOUT

SECRETS = {"SECRET_KEY": SHORTEST_KEY, "CRON_SECRET": SHORTEST_TOKEN, "METRICS_TOKEN": SHORTEST_TOKEN}
WEAK = {"SECRET_KEY": "x", "CRON_SECRET": "abc", "METRICS_TOKEN": "a"}
# What makes the value of a variable that platform.yaml calls `generated`, or that the manual tells people to run.
MADE_BY = {
    "openssl rand -base64 48": lambda bits: base64.b64encode(bits(48)),
    "Render, generateValue": lambda bits: base64.b64encode(bits(32)),
    "Heroku and Scalingo, generator: secret": lambda bits: bits(32).hex(),
    "Upsun, of the project's entropy": lambda bits: hashlib.sha256(b"SECRET_KEY:" + bits(32)).hexdigest(),
    "Railway, secret(32)": lambda bits: "".join(string.ascii_letters[each % 52] for each in bits(32)),
    "openssl rand -hex 24": lambda bits: bits(24).hex(),
    "token_hex(24)": lambda bits: bits(24).hex(),
    "openssl rand -hex 16": lambda bits: bits(16).hex(),
    "token_urlsafe(32)": lambda bits: base64.urlsafe_b64encode(bits(32)).rstrip(b"="),
    "token_urlsafe(50)": lambda bits: base64.urlsafe_b64encode(bits(50)).rstrip(b"="),
}


@pytest.mark.parametrize(
    "value",
    [
        "x",
        "a" * 60,
        "ab" * 30,
        "abcdefgh" * 8,
        "0123456789" * 6,
        "abcdefghijklmnopqrstuvwxyz0123456789",
        LOCAL_KEY,
        "django-insecure-8h^k2!q0z@5w#n7v$r3x%t9y&u1b*c4d(e6f)g-j=l+m",
        "changeme-changeme-changeme-changeme-changeme",
        "REPLACE_ME_REPLACE_ME_REPLACE_ME_REPLACE_ME",
        "<your secret key of fifty random characters, made by openssl>",
        "[YOUR-SECRET-KEY-WITH-AT-LEAST-FIFTY-CHARACTERS]",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "SECRET_KEY-SECRET_KEY-SECRET_KEY-SECRET_KEY-SECRET_KEY",
        "secret-key-secret-key-secret-key-secret-key-for-me",
        "your-secret-key-for-production-change-this",
        "password" * 8,
    ],
)
def test_a_value_that_somebody_could_guess(value):
    """Too short, of too few characters, an example's, a placeholder, or a pattern; the reason holds nothing of it."""
    found = [weakness(name, value, shortest) for name, shortest in SECRETS.items()]

    assert found[0] != ""
    assert all(value not in each for each in found)


@pytest.mark.parametrize("made_by", MADE_BY)
def test_what_platforms_generate(made_by):
    """No secret that a platform, or a command of the manual, makes is ever refused."""
    chance = random.Random(made_by)
    values = [MADE_BY[made_by](chance.randbytes) for _ in range(3000)]
    texts = [each.decode() if isinstance(each, bytes) else each for each in values]

    refused = {weakness(name, text, shortest) for text in texts for name, shortest in SECRETS.items()}

    assert refused == {""}


def test_every_generated_value_of_the_exports_is_looked_at():
    """An exporter that makes a secret in a new way gets a row above."""
    exporters = (CHECKOUT / "src/offbeat/deployment/exporters").glob("*.py")
    ways = re.compile(
        r"openssl rand -\w+ \d+|HEX_RECIPE|RECIPE|generateValue|\"generator\": \"\w+\"|PROJECT_ENTROPY"
    )

    found = {way.strip() for path in exporters for way in ways.findall(path.read_text())}

    commands = {"openssl rand -base64 48", "HEX_RECIPE", "RECIPE"}
    assert found == commands | {"generateValue", '"generator": "secret"', "PROJECT_ENTROPY"}


def published():
    """Give what the files of this repository have as the value of a secret, and what it is the value of."""
    files = [*CHECKOUT.glob("docs/**/*.md"), *CHECKOUT.glob("docs/**/*.yml"), CHECKOUT / ".env.example"]
    files += [CHECKOUT / "README.md", CHECKOUT / "compose.yaml", CHECKOUT / "Dockerfile"]
    for path in filter(os.path.exists, files):
        for name, value in re.findall(rf"\b({'|'.join(SECRETS)})[=:] ?['\"]?(\S+)", path.read_text()):
            yield name, value.strip("'\"`")


@pytest.mark.parametrize(("name", "value"), sorted(set(published())))
def test_a_value_that_everybody_can_read(name, value):
    """Whatever stands in the repository as a secret's value is none, unless it is a command that makes one."""
    assert value.startswith(("$", '"$', "<python")) or weakness(name, value, SECRETS[name])


def test_a_development_key_is_no_production_key():
    """Without DEBUG each weak secret is refused, all at once; no message has the value in it."""
    _, problems = load(**(WEAK | {"SECRET_KEY": LOCAL_KEY}))

    assert [line.split()[0] for line in problems] == ["SECRET_KEY", "CRON_SECRET", "METRICS_TOKEN"]
    assert all('Hint: make one with: python3 -c "import secrets;' in line for line in problems)
    assert LOCAL_KEY not in "".join(problems)


def test_a_developers_machine():
    """With DEBUG any secret will do, and the key may be left out."""
    for given in (WEAK, {"SECRET_KEY": "", "METRICS_TOKEN": "local-metrics-token"}):
        settings, problems = load(DEBUG="true", **given)

        assert problems == []
        assert (given["SECRET_KEY"] or LOCAL_KEY) == settings.SECRET_KEY


def test_the_build_of_an_image():
    """Collecting static files signs nothing: the values that stand for secrets in a Dockerfile are no mistake."""
    unused = {"SECRET_KEY": "unused-at-build", "ALLOWED_HOSTS": "unused"}
    servers = {"DATABASE_URL": "postgres://unused", "REDIS_URL": "redis://unused"}
    command = [sys.executable, "manage.py", "collectstatic", "--dry-run", "--no-input", "--verbosity", "0"]

    codes = [run([*command[:2], *arguments], **unused, **servers).returncode
             for arguments in (command[2:], ["check"])]  # fmt: skip

    assert codes == [0, os.EX_CONFIG]


def test_every_process_refuses_them():
    """Web, worker and commands end with 78, before anything starts."""
    for command in ([sys.executable, "src/offbeat/gunicorn.py", "tests.offbeat.sample_project.wsgi"],
                    [sys.executable, "manage.py", "worker", "--queues", "default"]):  # fmt: skip
        done = run(command, **WEAK)

        assert done.returncode == os.EX_CONFIG
        assert [line.split()[1] for line in done.stderr.splitlines()] == list(WEAK)


def test_an_old_key():
    """A key that still verifies, and signs nothing, may be shorter; one that everybody knows is refused there, too."""
    old = "Zq4-w8xT2mK9rV5yB7"

    assert weakness("SECRET_KEY_FALLBACKS", old, SHORTEST_KEY) != ""
    assert weakness("SECRET_KEY_FALLBACKS", old, SHORTEST_OLD_KEY) == ""
    assert weakness("SECRET_KEY_FALLBACKS", LOCAL_KEY, SHORTEST_OLD_KEY) != ""


def run(command, **changes):
    return warm_python.run(command, env=os.environ | changes, cwd=CHECKOUT)
