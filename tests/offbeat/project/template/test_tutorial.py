"""Both parts of the tutorial, followed to the letter by somebody who has nothing but the pages, from the clone to production."""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress

import psutil
import pytest

from offbeat.dev.environments import INHERITED
from offbeat.dev.ports import free_port
from tests.offbeat.dev.repositories import OFFLINE, Repository, make_upstream
from tests.offbeat.support.browser import Browser
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import CHECKOUT, Running

PAGES = CHECKOUT / "docs" / "offbeat"
FIRST, SECOND = ((PAGES / name).read_text() for name in ("tutorial.md", "tutorial-deploy.md"))
STEP = re.compile(
    r"(?P<before>(?:(?!```).)*?)```(?P<language>\w+)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE
)
PLACE = re.compile(
    r"(?P<all>In|Replace what is in) `(?P<file>[^`]+)`(?:, (?P<verb>under|replace) the line `(?P<line>[^`]+)`)?:\s*$"
)
CLONED = "https://github.com/your-org/offbeat"
pytestmark = pytest.mark.timeout(600)


class Learner(Repository):
    """Somebody at a terminal: types what the page says, and leaves running what it says keeps running."""

    def __init__(self, folder, upstream):
        super().__init__(folder)
        folder.mkdir()
        self.terminals = []
        self.ports = {"8000": str(free_port()), "9000": str(free_port())}
        self.environment = {name: value for name, value in os.environ.items() if name.startswith(INHERITED)}
        self.environment |= OFFLINE | git_settings(upstream) | {"PORT": self.ports["8000"]}

    def follow(self, section):
        """Do each step of a section, and return what its commands printed; one that fails ends the test."""
        printed = []
        for step in STEP.finditer(self.adapt(section)):
            before = step["before"].strip().rpartition("\n\n")[2]
            if step["language"] == "console":
                do = self.leave if "keeps running" in before else self.type
                printed += [do(line) for line in re.findall(r"^\$ (.+)$", step["code"], re.MULTILINE)]
            elif place := PLACE.search(before):
                self.put(place, step["code"])
        return "\n".join(printed)

    def adapt(self, text):
        """Give the page's text with ports that are free on this machine."""
        for port, free in self.ports.items():
            text = re.sub(rf"(localhost:|PORT=){port}", rf"\g<1>{free}", text)
        return text

    def put(self, place, code):
        file, line = place["file"], place["line"]
        if place["verb"] == "under":
            self.edit(file, f"\n{line}\n", f"\n{line}\n{code}")
        elif place["verb"] == "replace":
            former = self.workers()
            self.edit(file, f"{line}\n", code)
            wait_until(lambda: not former & self.workers())  # the page says: wait until it has started again
        else:
            assert (self.folder / file).exists() is (place["all"] != "In")
            self.write(file, code)

    def type(self, line):
        started = time.monotonic()
        done = self.call(["bash", "-euc", line], **self.environment)
        print(f"{time.monotonic() - started:5.1f} s  $ {line}")
        assert done.returncode == 0, f"$ {line}\n{done.stdout}{done.stderr}"
        if line.startswith("cd "):
            self.folder /= line.removeprefix("cd ")
            self.check()  # makes the environment that ./run looks for
        return done.stdout + done.stderr

    def leave(self, line):
        log = self.folder.parent / f"terminal-{len(self.terminals)}.log"
        running = Running(line, ["bash", "-euc", line], self.environment, log, self.folder)
        self.terminals.append(running)
        return ""

    def workers(self):
        """Give the processes of the worker of ./run up."""
        found = set()
        for each in self.terminals[0].children():
            with suppress(psutil.Error):  # it has just ended
                words = each.cmdline()
                found |= (
                    {each.pid}
                    if words[1:2] and words[1].endswith("manage.py") and "worker" in words
                    else set()
                )
        return found

    def finished(self):
        """Give the states of the jobs, the newest first, when none is to be run any more."""
        command = "./run manage jobs list --task orders.tasks.count_orders --json"
        states = []

        def have_finished():
            states[:] = [
                each["state"] for each in json.loads(self.call(command.split(), **self.environment).stdout)
            ]
            return set(states) <= {"succeeded", "dead"}

        wait_until(have_finished, 60, pause=3)  # each question is a start of ./run
        return states


def git_settings(upstream):
    """Give the variables by which git clones from here what the page clones from GitHub, and knows who commits."""
    pairs = [
        ("user.name", "Alice"),
        ("user.email", "alice@example.com"),
        ("commit.gpgsign", "false"),
        ("safe.directory", "*"),
        (f"url.{upstream}.insteadOf", CLONED),
    ]
    settings = {"GIT_CONFIG_COUNT": str(len(pairs))}
    for number, (name, value) in enumerate(pairs):
        settings |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return settings


@pytest.fixture
def learner(tmp_path):
    learner = Learner(tmp_path / "home", make_upstream(tmp_path / "upstream").folder)
    yield learner
    for running in reversed(learner.terminals):
        running.kill()
        print(f"--- {running.name}\n{running.output}")


@pytest.mark.long
def test_every_step_does_what_the_page_says(learner):
    """A reader who types every line ends with a cronjob whose job has run, has failed, was retried, and runs in production."""
    _, project, start, app, task, tested, cronjob, broken = re.split(r"^## ", FIRST, flags=re.MULTILINE)
    _, exported, production, _ = re.split(r"^## ", SECOND, flags=re.MULTILINE)

    learner.follow(project)
    learner.follow(start)
    development = learner.terminals[0]
    development.wait_for("Ctrl-C stops everything", seconds=90)
    learner.follow(app)
    learner.follow(task)
    assert "1 passed" in learner.follow(tested)
    assert "count-orders: enqueued now as job" in learner.follow(cronjob)
    assert learner.finished() == ["succeeded"]
    fail, repair = broken.split("Repair the task.")
    learner.follow(fail)
    assert learner.finished() == ["dead", "succeeded"]
    assert "ZeroDivisionError" in visit(learner).get("/ops/").text
    learner.follow(repair)
    assert learner.finished() == ["succeeded", "succeeded"]
    assert "docs/offbeat/deploy/render.md" in learner.follow(exported)
    assert (learner.folder / "render.yaml").exists()
    said = learner.follow(production)
    assert "count-orders: enqueued now as job" in said
    assert '"status": "ok"' in said
    learner.terminals[2].wait_for("succeeded in", seconds=60)
    assert [running.stop() for running in reversed(learner.terminals)] == [0, 0, 143]


def visit(learner):
    """Sign in as the page says."""
    browser = Browser(f"http://127.0.0.1:{learner.ports['8000']}")
    name, password = re.search(r'sign in as "(\w+)" with the password "(\w+)"', FIRST).groups()
    browser.submit("/admin/login/?next=/ops/", {"username": name, "password": password})
    return browser
