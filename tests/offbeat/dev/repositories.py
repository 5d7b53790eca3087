"""Offbeat as a repository of its own, and forks of it, with this checkout's Python environment."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys

import pytest

from offbeat.base import FILE, read_version
from offbeat.dev.environments import INHERITED
from tests.offbeat.support.running import CHECKOUT

needs_upstream = pytest.mark.skipif(
    not (CHECKOUT / ".git").exists() or (CHECKOUT / FILE).exists(),
    reason="only Offbeat itself can be forked, and by git",
)
# Packages that do not exist need not be asked for.
OFFLINE = {"UV_OFFLINE": "1"}
# Most of the core's tests: every file is copied and compared a hundred times.
LEFT_OUT = tuple(
    f"tests/offbeat/{folder}/"
    for folder in ("browser", "config", "cronjobs", "deployment", "faults", "jobs", "ops")
)
SOMEBODY = ("-c", "user.name=Alice", "-c", "user.email=alice@example.com", "-c", "commit.gpgsign=false")


class Repository:
    """A folder that git looks after."""

    def __init__(self, folder):
        self.folder = folder

    def call(self, command, **environment):
        inherited = {name: value for name, value in os.environ.items() if name.startswith(INHERITED)}
        return subprocess.run(
            command,
            cwd=self.folder,
            env=inherited | OFFLINE | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=150,
        )

    def git(self, *arguments):
        done = self.call(["git", *SOMEBODY, *arguments])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def commit(self, message="A change"):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def read(self, path):
        return (self.folder / path).read_text()

    def write(self, path, text):
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def edit(self, path, before, after):
        """Put a text in the place of another, wherever that is in the file."""
        text = self.read(path)
        assert before in text, f"{path} has no {before!r}"
        self.write(path, text.replace(before, after))

    def append(self, path, text):
        self.write(path, self.read(path) + text)

    def changed(self):
        return self.git("status", "--porcelain")

    def tracked(self):
        return self.git("ls-files").splitlines()

    def run(self, *arguments, **environment):
        """Run a task of ./run in an environment that it takes for complete: a python that is ours, and the stamp."""
        python = self.folder / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        python.chmod(0o755)
        checksum = self.call(["cksum", "requirements-dev.txt"]).stdout.strip()
        for stamp in ("complete", "complete-with-tools"):
            (self.folder / ".venv" / stamp).write_text(f"{self.folder} {checksum}\n")
        return self.call(["./run", *arguments], **environment)

    def check(self, *arguments, **environment):
        """Run a task that succeeds, and return what it prints."""
        done = self.run(*arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def make_upstream(folder):
    """Make a repository of the files of this checkout, committed or not, with its version as its first tag."""
    trusted = ["git", "-c", f"safe.directory={CHECKOUT}", "ls-files", "-z"]
    wanted = [*trusted, "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(wanted, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    for path in listing.split("\0")[:-1]:
        if (CHECKOUT / path).exists() and not path.startswith(LEFT_OUT):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / path, folder / path)
    upstream = Repository(folder)
    upstream.git("init", "--quiet", "--initial-branch", "main")
    upstream.commit("All of it")
    upstream.git("tag", f"v{read_version(folder)}")
    return upstream


def clone(upstream, folder, commit="HEAD"):
    """Make a fork that shares its history with upstream."""
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", upstream.folder, folder], check=True)
    copy = Repository(folder)
    copy.git("reset", "--quiet", "--hard", commit)
    return copy


def use_template(upstream, folder, commit="HEAD"):
    """Make a fork as "Use this template" does: one commit with the files, and nothing of their history."""
    copy = clone(upstream, folder, commit)
    shutil.rmtree(folder / ".git")
    copy.git("init", "--quiet", "--initial-branch", "main")
    copy.commit("Initial commit")
    return copy
