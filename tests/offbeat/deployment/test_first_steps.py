"""The end of each platform's page: how one sees that it works, and what to do when it does not."""

import json
import re
import shlex
import subprocess

import pytest

from offbeat.deployment.exporters import TARGETS, export_platform, facts_of
from offbeat.deployment.exporters.console import NAME
from tests.offbeat.deployment.golden.variants import SHIPPED
from tests.offbeat.support.running import CHECKOUT

PAGES = CHECKOUT / "docs" / "offbeat" / "deploy"
LAST = ["See that it works", "When it does not"]
# Those whose files are a list of steps for a person, and the file.
CHECKLISTS = {"heroku": "deploy/heroku/scheduler.md", "pandastack": "deploy/pandastack.md"}
SYMPTOMS = ("400", "exits with 78", "/readyz", "*published*", "never fired", "429")


def headings(text):
    return re.findall(r"^## (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)


def last_sections(text):
    return re.split(f"^## (?:{'|'.join(LAST)})$", text, flags=re.MULTILINE)[1:]


def check(text, target, name):
    """Hold that a text ends with both sections, and that they have the platform's own commands."""
    console = facts_of(target).console
    assert headings(text)[-2:] == LAST
    works, fails = last_sections(text)
    for line in (
        console.first_user(),
        console.line("enqueue_prune_jobs --now"),
        console.line("cronjobs"),
        *console.opens,
    ):
        assert line.replace(NAME, name) in works
    assert re.search(r"/ops/`.*/ops/`", works, re.DOTALL)
    assert console.fire.replace(NAME, name) in works
    for symptom in SYMPTOMS:
        assert symptom in fails
    for shown in (console.state, console.logs, console.variables, console.crons, console.line("doctor")):
        assert shown.replace("|", "\\|").replace(NAME, name) in fails.replace("\\\\|", "\\|")


@pytest.mark.parametrize("target", TARGETS)
def test_a_page_ends_with_how_one_sees_that_it_works(target):
    """Log in, run one cronjob, see its slot; then what goes wrong, each with the command that shows it."""
    check((PAGES / f"{target}.md").read_text(), target, NAME)


@pytest.mark.parametrize(("target", "path"), CHECKLISTS.items())
def test_so_does_a_checklist(target, path):
    """It says the same as the page, with the project's name."""
    files = {file.path: file.text for file in export_platform(target, SHIPPED).files}

    check(files[path], target, SHIPPED.name)
    assert NAME not in "".join(last_sections(files[path]))


@pytest.mark.parametrize("target", TARGETS)
def test_an_export_says_what_comes_next(target):
    """Whoever has written the files reads where to go on, and how a command of manage.py is typed there."""
    said = export_platform(target, SHIPPED).next_step

    assert f"docs/offbeat/deploy/{target}.md" in said
    assert facts_of(target).console.line("doctor").replace(NAME, SHIPPED.name) in said


@pytest.mark.parametrize("target", TARGETS)
def test_its_lines_are_those_of_a_shell(target):
    """Each can be typed: quotes are closed, nothing of ours is left in it, and it names the command."""
    console = facts_of(target).console
    script = "\n".join([*console.opens, console.first_user(), console.line("doctor")]).replace(NAME, "shop")

    checked = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)

    assert checked.stderr == ""
    assert not re.search(r"\{(command|arguments|commas|rest|words|password)\}", script)
    assert all(word in script for word in ("createsuperuser", "doctor"))
    assert ("DJANGO_SUPERUSER_PASSWORD" in script) is not console.asks


def test_ecs_gets_what_it_runs_as_json(tmp_path):
    """The function of the page hands a command and its password over, whatever shell it passes through."""
    console = facts_of("ecs").console
    (tmp_path / "aws").write_text('#!/bin/sh\nprintf "%s\\n" "$@" >>"$CALLS"\necho found\n')
    (tmp_path / "aws").chmod(0o755)
    calls = tmp_path / "calls"
    script = "\n".join([*console.opens, console.first_user()]).replace(NAME, "shop")

    subprocess.run(
        ["bash", "-euc", script], env={"PATH": f"{tmp_path}:/usr/bin:/bin", "CALLS": str(calls)}, check=True
    )

    words = calls.read_text().splitlines()
    (override,) = json.loads(words[words.index("--overrides") + 1])["containerOverrides"]
    assert override["name"] == "release"
    assert override["command"][:3] == ["python", "manage.py", "createsuperuser"]
    assert [each["name"] for each in override["environment"]] == ["DJANGO_SUPERUSER_PASSWORD"]


def test_heroku_restarts_once(tmp_path):
    """One command sets every variable, after the add-ons are there; the optional ones are named."""
    files = {file.path: file.text for file in export_platform("heroku", SHIPPED).files}
    text = files["deploy/heroku/scheduler.md"]
    block = re.search(r"```sh\n(.*?)```", text, re.DOTALL)[1].replace("\\\n", " ")
    lines = block.splitlines()

    (setting,) = [line for line in lines if "config:set" in line]

    assert (
        lines.index(setting)
        > lines.index("heroku addons:wait")
        > max(number for number, line in enumerate(lines) if "addons:create" in line)
    )
    given = {word.partition("=")[0] for word in shlex.split(setting)[2:]}
    needed = {each.name for each in SHIPPED.env if each.required or each.generated} - {"ALLOWED_HOSTS"}
    assert needed | {each.name for each in SHIPPED.env if each.default is not None} <= given
    for each in SHIPPED.env:
        assert each.name in text


@pytest.mark.parametrize("target", TARGETS)
def test_what_a_person_has_to_make_comes_with_a_command(target):
    """No file leaves somebody with the word "generated" and without a way that Python alone knows, on any system."""
    for file in export_platform(target, SHIPPED).files:
        for line in file.text.splitlines():
            assert "generated:" not in line or "generator" in file.text, (file.path, line)
