"""Texts of platform.yaml that no platform could be given as they are: refused, or kept in their line."""

import json
import re
import shlex

import pytest
import yaml

from offbeat.deployment import spec
from offbeat.deployment.exporters import TARGETS
from tests.offbeat.deployment import libyaml
from tests.offbeat.deployment.exports import files


@pytest.mark.parametrize("target", TARGETS)
def test_a_help_stays_in_its_line(target):
    """Its second line would be a row of a table, a variable of .env.example, or a line of shell."""
    source = {"required": True, "help": "first\nRUN_ME=1\r\n| cell\u2028touch pwned\x1b[0m\x00"}
    platform = spec.parse(yaml.safe_dump(libyaml.one(SMALL) | {"env": {"SECRET": source}}))

    assert platform.env[0].help == "first RUN_ME=1 | cell touch pwned [0m"
    for text in files(target, platform).values():
        assert not re.search(r"^\W*(RUN_ME|touch|cell)", text, re.MULTILINE)


SMALL = """
name: app
repository: acme/app
image: registry.example/acme/app:1
services:
  - {name: web, command: gunicorn config.wsgi, port: 8000, health: /healthz}
  - {name: worker, command: python manage.py worker, queues: [default]}
cronjobs:
  - {name: daily, schedule: "@daily", command: python manage.py daily}
"""


@pytest.mark.parametrize(
    ("words", "special"),
    [
        ("--cost $5", "$5"),
        ("$$", "$$"),
        ("*.py", "*"),
        ("~", "~"),
        ("--home=~/x", "~"),
        ("#1", "#"),
        ("a?", "?"),
        ("[ab]", "["),
        ("{a,b}", "{a,b}"),
        ("`id`", "`"),
        ("(x)", "("),
        ('"quoted" $HOME', "$H"),
    ],
)
def test_what_only_a_shell_would_read_is_refused_with_its_cure(words, special):
    """One platform starts a shell and another does not: unquoted, it would mean two things."""
    with pytest.raises(spec.PlatformError) as refused:
        daily(f"python manage.py daily {words}")

    assert f'"{special}" needs a shell' in str(refused.value)
    assert "to pass it as text, put it in quotes" in str(refused.value)


@pytest.mark.parametrize(
    "words",
    ["'$5 $$ *.py ~ #1'", '"$5 $$ *.py ~ #1"', r"\$5' $$ *.py '\~\ \#1", "a#b", "--date=+%F", "{x}", "a~b"],
)
def test_what_is_quoted_is_text(words):
    """It reaches every exporter in single quotes, which every shell and every parser of words reads alike."""
    command = daily(f"python manage.py daily {words}").cronjobs[0]

    assert command.argv == shlex.split(f"python manage.py daily {words}")
    assert command.command == shlex.join(command.argv)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        (
            {"command": "python manage.py daily 'a\nb'"},
            "cronjobs/daily/command: should be of printable characters",
        ),
        (
            {"command": "python manage.py daily a\x00b"},
            "cronjobs/daily/command: should be of printable characters",
        ),
        ({"command": "A=1 python manage.py daily"}, "cronjobs/daily/command: should begin with a program"),
    ],
)
def test_a_command_that_no_platform_could_be_given_is_refused(changes, refused):
    """A line of a crontab has no line break, and a variable before the program is a shell's."""
    with pytest.raises(spec.PlatformError, match=refused):
        daily(**changes)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "ünïted"),
        ("name", "app\n"),
        ("branch", "grüße"),
        ("branch", "-rf"),
        ("branch", "main; id"),
        ("repository", "acmé/app"),
        ("image", "registry.example/acme/Äpp:1"),
        ("image", "registry.example/acme/App:1"),
        ("image", "registry.example/acme/app:1\n"),
        ("release", "python manage.py release\x00"),
        ("env", {"A": {"default": "a\x00b"}}),
        ("env", {"Ä": {"default": "a"}}),
        ("env", {"A\n": {"default": "a"}}),
        ("resources", {"postgres": {"version": "\uff11\uff17", "injects": "DATABASE_URL"}}),
        ("resources", {"postgres": {"version": "17", "injects": "DATABASE_URL\n"}}),
    ],
)
def test_a_text_that_goes_into_files_is_of_a_known_alphabet(key, value):
    """Files, shell lines and addresses hold it as it is; the schema that editors use says the same."""
    with pytest.raises(spec.PlatformError, match=f"platform.yaml: {key}"):
        spec.parse(json.dumps(libyaml.one(SMALL) | {key: value}))


@pytest.mark.parametrize("path", ["/a'b", "/a b", "/ä", "/a\n", '/a"', "/a$b", "/a`b", "/a{b}"])
@pytest.mark.parametrize("key", ["health", "ready"])
def test_a_path_is_one_that_stands_in_a_program(key, path):
    """The health check of a Compose file is a line of Python with the path in it."""
    source = libyaml.one(SMALL)
    source["services"][0][key] = path

    with pytest.raises(spec.PlatformError, match=f"services/web/{key}: should be a path like /readyz"):
        spec.parse(json.dumps(source))


def test_half_a_character_is_refused_in_one_line():
    """JSON may write one; UTF-8 cannot."""
    with pytest.raises(spec.PlatformError) as refused:
        spec.parse(json.dumps(libyaml.one(SMALL) | {"env": {"A": {"default": "\ud800"}}}))

    assert str(refused.value).encode()


def daily(command):
    source = libyaml.one(SMALL)
    source["cronjobs"][0]["command"] = command
    return spec.parse(json.dumps(source))
