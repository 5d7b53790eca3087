"""The script `run`, in a small project of its own, on a PATH with nothing but coreutils and sometimes a Python."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from offbeat.dev import python_environment, reset
from offbeat.dev.tasks import TASKS, UPSTREAM_TASKS, main
from tests.offbeat.support.running import CHECKOUT

PRINTS_VARIABLES = "import os; print(os.environ.get('PORT'), os.environ.get('GREETING'))\n"
COREUTILS = ("bash", "cat", "cksum", "dirname", "env")
# What runs before there is an environment.
MODULES = (
    "__init__",
    "python_refusal",
    "dev/__init__",
    "dev/django_choice",
    "dev/local_variables",
    "dev/progress",
    "dev/python_environment",
    "dev/tasks",
)


class Project:
    """A folder with the script, no requirements, and two tasks that print variables."""

    def __init__(self, folder):
        self.folder = folder / "project"
        (self.folder / "src" / "offbeat" / "dev").mkdir(parents=True)
        shutil.copy(CHECKOUT / "run", self.folder)
        for name in MODULES:
            shutil.copy(CHECKOUT / f"src/offbeat/{name}.py", self.folder / f"src/offbeat/{name}.py")
        self.write("requirements-dev.txt", "# nothing\n")
        self.write("src/offbeat/dev/project_checks.py", PRINTS_VARIABLES)
        self.write("src/offbeat/dev/with_servers.py", PRINTS_VARIABLES)
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name in COREUTILS:
            (self.programs / name).symlink_to(shutil.which(name))

    def write(self, path, text):
        (self.folder / path).write_text(text)

    def add_program(self, name, script):
        (self.programs / name).write_text(script)
        (self.programs / name).chmod(0o755)

    def add_python(self):
        (self.programs / "python3").symlink_to(Path(sys.executable).resolve())

    def run(self, *arguments, **environment):
        return subprocess.run(
            ["./run", *arguments],
            cwd=self.folder,
            env={"PATH": str(self.programs), "HOME": str(self.folder)} | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project after its first task; each test leaves it as good as it was."""
    project = Project(tmp_path_factory.mktemp("made"))
    project.add_python()
    first = project.run("check")
    assert first.returncode == 0, first.stderr
    return project


@pytest.fixture
def installed(made):
    yield made
    (made.folder / ".env").unlink(missing_ok=True)


def tasks_of(listed):
    return re.findall(r"^  \./run ([\w-]+) .*\w", listed.stdout, re.MULTILINE)


def test_without_a_task_it_lists_them(project):
    """Every task has a line that says what it does, before anything is installed; those who make the core have two more."""
    project.add_python()

    listed = project.run()
    (project.folder / "bench").mkdir()
    upstream = project.run("help")

    assert (listed.returncode, listed.stderr) == (0, "")
    assert tasks_of(listed) == [task.name for task in TASKS]
    assert tasks_of(upstream) == [task.name for task in (*TASKS, *UPSTREAM_TASKS)]
    assert not (project.folder / ".venv").exists()


def test_an_unknown_task_names_the_nearest(project):
    """A slip of the finger is answered with what was meant, and all that there is."""
    project.add_python()

    refused = project.run("chek")

    assert refused.returncode == 64
    assert 'has no task "chek". Did you mean ./run check?' in refused.stderr
    assert "./run up " in refused.stderr


def test_no_python_is_one_clear_error(project):
    """Without a Python that is new enough, the error says how to name one."""
    project.add_program("python3", "#!/bin/sh\necho False\n")

    refused = project.run("check")

    assert refused.returncode == 69
    assert refused.stderr.startswith("Error: No Python 3.11 or newer found. Hint: ")


def test_the_python_that_is_named_is_the_only_one(project):
    """Who names a Python that will not do is told so, instead of getting another one."""
    project.add_python()

    refused = project.run("check", PYTHON="/no/such/python3")

    assert refused.returncode == 69
    assert refused.stderr.startswith("Error: No Python 3.11 or newer found in /no/such/python3. Hint: ")


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        (["bin/python3.13", "bin/python3.14", "bin/python3"], "python3.14"),
        (["project/.pyenv/versions/3.14.2/bin/python3", "bin/python3.13"], "3.14.2"),
        (["bin/python3.12", "project/.pyenv/versions/3.11.7/bin/python3"], "python3.12"),
        (
            ["project/.pyenv/versions/3.14.2t/bin/python3", "bin/python3"],
            "python3",
        ),  # without the GIL: few have wheels for it
    ],
)
def test_the_newest_python_is_taken(project, there, taken):
    """On the PATH or pyenv's: the newest that is tested, whatever `python3` is."""
    for path in there:
        python = project.folder.parent / path
        python.parent.mkdir(parents=True, exist_ok=True)
        python.write_text('#!/bin/bash\nif [[ $1 == -c ]]; then echo True; else echo "$0"; fi\n')
        python.chmod(0o755)

    said = project.run("help").stdout

    assert f"/{taken}/" in said or said.endswith(f"/{taken}\n")


def test_an_old_python_is_told_what_it_misses(capsys, monkeypatch):
    """Who works with Python 3.11 reads that the image runs another Django; nobody else does."""
    both = "django==5.2.19 ; x \\\ndjango==6.1.3 ; y \\\ndjango-csp==4.0\n"
    monkeypatch.setattr(python_environment.sys, "version_info", (3, 11, 7))

    python_environment.say_older_django("django==5.2.19 \\\n")
    assert capsys.readouterr().err == ""

    python_environment.say_older_django(both)
    assert capsys.readouterr().err == (
        "It has Django 5.2: 6.1, which the image runs, needs Python 3.12 or newer. "
        "Hint: PYTHON=/path/to/python3.14 ./run up\n"
    )

    monkeypatch.setattr(python_environment.sys, "version_info", (3, 12, 0))
    python_environment.say_older_django(both)
    assert capsys.readouterr().err == ""


def test_a_python_that_cannot_make_environments_is_told(project):
    """Debian's Python comes without venv: the error names the package."""
    project.add_python()
    project.write("src/sitecustomize.py", "import sys; sys.modules['ensurepip'] = None\n")

    refused = project.run("check")

    assert refused.returncode == 69
    assert "apt install python3-venv" in refused.stderr


def test_the_first_task_makes_the_environment_and_the_second_finds_it(installed):
    """What was installed is not checked again: the second task prints nothing but its own output."""
    second = installed.run("check")

    assert (second.returncode, second.stderr) == (0, "")


def test_a_half_made_environment_is_made_again(installed):
    """An installation that was interrupted has no stamp, and is not trusted."""
    (installed.folder / ".venv" / "complete").unlink()

    again = installed.run("check")

    assert again.returncode == 0
    assert "Making .venv" in again.stderr


def test_a_moved_checkout_makes_its_environment_again(installed):
    """An environment's programs know the folder that they were made in."""
    installed.folder = installed.folder.rename(installed.folder.with_name("moved"))

    again = installed.run("check")

    assert again.returncode == 0
    assert "Making .venv" in again.stderr


def test_changed_requirements_are_installed(installed):
    """After a pull that changes the requirements the next task brings the environment up to date."""
    installed.write("requirements-dev.txt", "# other requirements\n")

    again = installed.run("check")

    assert "Installed the requirements" in again.stderr
    assert "Making .venv" not in again.stderr


def test_the_terminal_wins_over_the_env_file(installed):
    """`PORT=8001 ./run up` is what was typed, whatever .env says; the rest of .env holds."""
    installed.write(".env", 'PORT=8000\nGREETING="good day"\n')

    task = installed.run("manage", PORT="8001")

    assert task.stdout == "8001 good day\n"


def test_an_env_file_that_no_shell_reads_is_told(installed):
    """What is wrong is said by the shell, and the file is named."""
    installed.write(".env", "GREETING='good day\n")

    refused = installed.run("manage")

    assert refused.returncode == 78
    assert "Error: .env: the shell cannot read it" in refused.stderr


def test_checks_do_not_read_the_env_file(installed):
    """What is checked is what everybody gets."""
    installed.write(".env", "GREETING=hello\n")

    assert installed.run("check").stdout == "None None\n"


def test_it_works_from_any_folder(installed):
    """The script finds its own folder."""
    task = subprocess.run(
        [installed.folder / "run", "check"], cwd="/", capture_output=True, text=True, check=False
    )

    assert (task.returncode, task.stdout) == (0, "None None\n")


def test_another_python_makes_the_environment_again(installed):
    """PYTHON takes effect although there is an environment; the same Python again changes nothing."""
    python = installed.folder / ".venv/bin/python"
    target = python.resolve()
    python.unlink()
    installed.write(".venv/bin/python", "#!/bin/sh\necho /usr 3.9.1\n")
    python.chmod(0o755)

    other = installed.run("check", PYTHON=str(target))
    same = installed.run("check", PYTHON=str(target))

    assert "Made .venv with Python" in other.stderr
    assert (same.returncode, same.stderr) == (0, "")


def test_an_environment_in_use_is_not_made_again(installed):
    """While ./run up runs, another Python is refused in one line: its processes would lose their packages."""
    python = installed.folder / ".venv/bin/python"
    target, link = python.resolve(), python.readlink()
    python.unlink()
    installed.write(".venv/bin/python", "#!/bin/sh\necho /usr 3.9.1\n")
    python.chmod(0o755)
    (installed.folder / ".local").mkdir()
    with (installed.folder / ".local/running").open("w") as claim:
        fcntl.flock(claim, fcntl.LOCK_EX)

        refused = installed.run("check", PYTHON=str(target))

    python.unlink()
    python.symlink_to(link)
    assert refused.returncode == 69
    assert refused.stderr == (
        "Error: PYTHON names another Python than .venv has, and .venv is in use. Hint: stop ./run up first.\n"
    )


def test_an_installation_that_fails_is_one_error(installed):
    """What the installer says is shown where it fails, and nowhere else."""
    installed.write("requirements-dev.txt", "no-such-package==1 --hash=sha256:00\n")

    refused = installed.run("check", PIP_NO_INDEX="1")
    installed.write("requirements-dev.txt", "# nothing\n")
    installed.run("check")

    assert refused.returncode == 69
    assert "ERROR: " in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("name", [task.name for task in TASKS if not task.arguments])
def test_a_task_without_arguments_takes_none(name, capsys):
    """Else who writes `./run up --port 9000` believes it."""
    assert main([name, "--port"]) == 64
    assert capsys.readouterr().err == f"Error: ./run {name} takes no arguments, got --port.\n"


def test_reset_deletes_nothing_by_a_misspelt_option(tmp_path, monkeypatch, capsys):
    """The data would be gone."""
    (tmp_path / "postgres").mkdir()
    monkeypatch.setattr(reset, "FOLDER", tmp_path)

    assert reset.main(["--al"]) == 64
    assert (tmp_path / "postgres").exists()
    assert "takes --all or nothing, got --al. Nothing was deleted." in capsys.readouterr().err
