"""`manage.py check --deploy` in a fork tells that the core was edited (offbeat.W001)."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.core.management import get_commands

from offbeat.base import Base, BaseFileError, core_trees, read_base, tree_of, write_base
from offbeat.deployment.core_check import check_commands, check_core, core_messages

SOMEBODY = ("-c", "user.name=Alice", "-c", "user.email=alice@example.com", "-c", "commit.gpgsign=false")


def git(folder, *arguments):
    command = ["git", *SOMEBODY, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def fork(tmp_path):
    """A project with a core of a few files, and no git."""
    for path in ("src/offbeat/jobs/models.py", "tests/offbeat/test_jobs.py", "docs/offbeat/jobs.md"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(f"{path}\n")
    (tmp_path / "src/offbeat/probe").write_text("#!/bin/sh\n")
    (tmp_path / "src/offbeat/probe").chmod(0o755)
    upstream = "https://git.example.com/offbeat"
    write_base(tmp_path, Base("acme", "0.2.0", "", upstream, example=False, core=core_trees(tmp_path)))
    return tmp_path


def test_a_core_as_it_came(fork):
    """Nothing is said of it, whatever Python and tools leave between its files."""
    (fork / "src/offbeat/jobs/__pycache__").mkdir()
    (fork / "src/offbeat/jobs/__pycache__/models.cpython-311.pyc").write_bytes(b"\0")
    (fork / "src/offbeat/empty").mkdir()
    (fork / "src/offbeat/jobs/.models.py.swp").touch()
    (fork / "src/offbeat/jobs/models.py~").touch()

    assert core_messages(fork) == []


def test_no_fork():
    """Offbeat itself, and an image, have no offbeat.toml: there is nothing to compare with."""
    assert check_core() == []


def test_an_edited_core_without_git(fork):
    """The folder is named, with both ways on."""
    (fork / "src/offbeat/jobs/models.py").write_text("ours\n")

    (warning,) = core_messages(fork)

    assert warning.id == "offbeat.W001"
    assert warning.msg == "the core differs from Offbeat 0.2.0: src/offbeat"
    assert "Contribute the change to https://git.example.com/offbeat" in warning.hint
    assert "./run update --keep-my-changes" in warning.hint


def test_an_edited_core_with_git(fork):
    """Where git knows the core as it came, the files are named."""
    git(fork, "init", "--quiet")
    git(fork, "add", "--all")
    git(fork, "commit", "--quiet", "--message", "A fork")
    (fork / "src/offbeat/jobs/models.py").write_text("ours\n")
    (fork / "docs/offbeat/jobs.md").unlink()
    git(fork, "commit", "--quiet", "--all", "--message", "An edit")
    (fork / "src/offbeat/jobs/new.py").touch()

    (warning,) = core_messages(fork)

    assert warning.msg.endswith(": docs/offbeat/jobs.md, src/offbeat/jobs/models.py, src/offbeat/jobs/new.py")


def test_a_new_file_of_the_core_is_named(fork):
    """One that is not committed yet is named too, also where the project is a folder of a repository."""
    git(fork.parent, "init", "--quiet")
    git(fork.parent, "add", "--all")
    git(fork.parent, "commit", "--quiet", "--message", "A fork")
    (fork / "src/offbeat/jobs/new.py").touch()

    (warning,) = core_messages(fork)

    assert warning.msg.endswith(": src/offbeat/jobs/new.py")


def test_a_deleted_folder_is_no_edit(fork):
    """A team may do without the core's documents or tests."""
    (fork / "docs/offbeat/jobs.md").unlink()
    (fork / "docs/offbeat").rmdir()

    assert core_messages(fork) == []


def test_a_base_that_does_not_read(fork):
    """A broken offbeat.toml is an error that says where to get it back."""
    (fork / "offbeat.toml").write_text("name = ")

    (error,) = core_messages(fork)

    assert error.id == "offbeat.E001"
    assert error.hint == "Restore it from git: git checkout HEAD -- offbeat.toml"


def test_what_is_written_is_read_again(fork):
    """offbeat.toml is written as it is read; a value of the wrong kind is refused by its key."""
    base = read_base(fork)
    write_base(fork, base)
    assert read_base(fork) == base

    text = (fork / "offbeat.toml").read_text()
    (fork / "offbeat.toml").write_text(text.replace('version = "0.2.0"', "version = 2"))

    with pytest.raises(BaseFileError, match=r"^offbeat.toml: version: should be a text like 0\.2\.0, got 2$"):
        read_base(fork)


def test_a_folder_has_gits_name(fork):
    """Executables, links and folders count as they do for git, so that upstream's commits are known again."""
    (fork / "src/offbeat/link").symlink_to("probe")
    (fork / "src/offbeat/jobs.py").write_text("sorts before the folder jobs\n")
    git(fork, "init", "--quiet")
    git(fork, "add", "--all")

    assert tree_of(fork / "src/offbeat") == git(fork, "rev-parse", f"{git(fork, 'write-tree')}:src/offbeat")


@pytest.fixture
def shop(tmp_path, monkeypatch, settings):
    """An app of the project before the core's, with a command of the text."""

    def make(name, text):
        folder = tmp_path / "shop/management/commands"
        folder.mkdir(parents=True)
        (tmp_path / "shop/__init__.py").touch()
        (folder / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        settings.INSTALLED_APPS = ["shop", *settings.INSTALLED_APPS]
        get_commands.cache_clear()

    yield make
    get_commands.cache_clear()
    for module in [each for each in sys.modules if each.partition(".")[0] == "shop"]:
        del sys.modules[module]


def test_the_cores_commands_run():
    """No app hides one."""
    assert check_commands() == []


def test_a_command_that_hides_one_of_the_cores(shop):
    """With an app's own `worker` no job would run, and nothing else would tell (E002)."""
    shop("worker", "from django.core.management.base import BaseCommand as Command\n")

    (error,) = check_commands()

    assert error.id == "offbeat.E002"
    assert error.msg == 'the command "worker" of shop hides the one of offbeat.jobs'


def test_a_command_that_is_built_on_the_cores(shop):
    """A project may add to a release what its deploys need."""
    shop("release", "from offbeat.deployment.management.commands.release import Command\n")

    assert check_commands() == []
