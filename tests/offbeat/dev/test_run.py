"""The script `run`, in a small project of its own, on a PATH with nothing but coreutils and sometimes a Python."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from offbeat.dev import installers, python_environment, reset
from offbeat.dev.tasks import TASKS, UPSTREAM_TASKS, main
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import CHECKOUT

PRINTS_VARIABLES = "import os; print(os.environ.get('PORT'), os.environ.get('GREETING'))\n"
STOPS_ITSELF = """\
import os, signal
os.kill(os.getpid(), signal.SIGINT)
from offbeat.dev.stop_signals import run_until_stopped
run_until_stopped(lambda _: 0)
"""
TOOL = "no-such-package==1 --hash=sha256:00\n    # via offbeat (src/offbeat/pyproject.toml:dev)\n"
STUBBORN = """\
import signal, sys, time
if "--require-hashes" in sys.argv:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    open("installs", "w").close()
    time.sleep(60)
"""
COREUTILS = ("bash", "cat", "cksum", "dirname", "env", "readlink")
# What runs before there is an environment.
MODULES = (
    "__init__",
    "python_refusal",
    "dev/__init__",
    "dev/__main__",
    "dev/django_choice",
    "dev/installers",
    "dev/local_variables",
    "dev/lock_part",
    "dev/locks",
    "dev/progress",
    "dev/python_environment",
    "dev/stop_signals",
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
        self.write("src/offbeat/pyproject.toml", '[dependency-groups]\nup = []\ndev = ["no-such-package"]\n')
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

    def start(self, *arguments, **environment):
        return subprocess.Popen(
            ["./run", *arguments],
            cwd=self.folder,
            env={"PATH": str(self.programs), "HOME": str(self.folder)} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments, **environment):
        process = self.start(*arguments, **environment)
        said = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, *said)


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


def make_wheel(folder, script, name="uv"):
    """Make the wheel of a package whose program is a shell's script, and return its hash."""
    folder.mkdir()
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        program = zipfile.ZipInfo(f"{name}-1.0.data/scripts/{name}")
        program.external_attr = 0o100755 << 16
        archive.writestr(program, f"#!/bin/bash\n{script}")
        archive.writestr(
            f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{name}-1.0.dist-info/RECORD", "")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


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
    project.write(
        "src/sitecustomize.py", "import sys; sys.modules['ensurepip'] = sys.modules['pip'] = None\n"
    )

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


def test_tools_come_with_the_first_task_that_needs_them(project):
    """`./run up` waits for no type checker: what only the core's tools need is installed by `./run check`, which fails here."""
    project.add_python()
    project.write("requirements-dev.txt", TOOL)

    runs = project.run("manage", PIP_NO_INDEX="1")
    checks = project.run("check", PIP_NO_INDEX="1")
    still_runs = project.run("manage", PIP_NO_INDEX="1")

    assert (runs.returncode, runs.stdout) == (0, "None None\n"), runs.stderr
    assert checks.returncode == 69
    assert "no-such-package" in checks.stderr
    assert (still_runs.returncode, still_runs.stderr) == (0, "")


def test_two_first_tasks_make_one_environment(project):
    """Two terminals, or an editor and a terminal: the second one waits, and uses what the first one has made."""
    project.add_python()

    with ThreadPoolExecutor() as pool:
        both = list(pool.map(project.run, ["check", "check"]))

    said = "".join(each.stderr for each in both)
    assert [(each.returncode, each.stdout) for each in both] == [(0, "None None\n")] * 2, said
    assert said.count("Made .venv") == said.count("Waiting for another ./run, which makes .venv ...") == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_while_it_installs_leaves_no_process(project, number, code):
    """Whoever has no time now sees one line, whatever the installer does then; the next task begins anew."""
    project.add_python()
    project.write("src/sitecustomize.py", STUBBORN)
    running = project.start("check")
    wait_until((project.folder / "installs").exists)

    os.kill(running.pid, number)
    _, said = running.communicate(timeout=60)

    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)
    assert running.returncode == code
    assert said.endswith("Stopped: .venv is not complete, and the next ./run goes on with it.\n")
    assert "Traceback" not in said


def test_ctrl_c_while_the_tasks_are_imported_is_no_traceback(project):
    """Before anything is started Ctrl-C ends ./run as it ends a shell's own command."""
    project.add_python()
    project.write("src/offbeat/dev/tasks.py", "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")

    stopped = project.run("check")

    assert (stopped.returncode, stopped.stdout, stopped.stderr) == (-signal.SIGINT, "", "")


def test_ctrl_c_in_a_task_is_one_line(installed):
    """Also while its module is imported: a task holds the signal until it can say so."""
    installed.write("src/offbeat/dev/project_checks.py", STOPS_ITSELF)

    stopped = installed.run("check")

    installed.write("src/offbeat/dev/project_checks.py", PRINTS_VARIABLES)
    assert (stopped.returncode, stopped.stdout, stopped.stderr) == (130, "", "Stopped.\n")


def test_what_another_project_has_set_is_not_ours(installed, tmp_path):
    """A Python's home that is another's, and a CDPATH that leads elsewhere, change nothing."""
    name = installed.folder.name
    (tmp_path / name).mkdir()
    others = {"PYTHONHOME": "/no/such/folder", "PYTHONOPTIMIZE": "2", "CDPATH": str(tmp_path)}
    others |= {"PATH": str(installed.programs), "HOME": str(installed.folder)}

    done = subprocess.run(
        ["bash", f"{name}/run", "check"],
        cwd=installed.folder.parent,
        env=others,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "None None\n", "")


@pytest.mark.parametrize("works", [True, False])
def test_pip_brings_uv_which_brings_the_rest(project, works):
    """Uv takes a fifth of pip's time. Where it fails, as where only pip knows the way to an index, pip does it all."""
    project.add_python()
    digest = make_wheel(
        project.folder / "wheels", 'echo "$@" > uv-was-called\n' + ("" if works else "exit 2\n")
    )
    project.write("requirements-dev.txt", f"uv==1.0 --hash=sha256:{digest}\n")
    wheels = {"PIP_FIND_LINKS": str(project.folder / "wheels"), "PIP_NO_INDEX": "1", "UV_OFFLINE": "1"}

    task = project.run("manage", **wheels)

    called = (project.folder / "uv-was-called").read_text()
    assert (task.returncode, task.stdout) == (0, "None None\n"), task.stderr
    assert called == "pip sync --python .venv/bin/python --require-hashes .venv/requirements.txt\n"
    assert ("uv could not install them, so pip does.\n" in task.stderr) is not works


@pytest.mark.parametrize(
    ("configuration", "code", "said"),
    [
        ("[install]\nuser = true\n", 0, ""),
        ("[global]\ndry-run = true\n", 0, ""),
        ("[global]\nrequire-virtualenv = true\n", 0, ""),
        (
            "[global]\ntarget = {folder}/target\n",
            69,
            "pip has installed the requirements, but not into .venv.",
        ),
        ("[install]\nroot = {folder}/root\n", 69, "pip has installed the requirements, but not into .venv."),
    ],
)
def test_pip_is_configured_for_other_folders(project, configuration, code, said):
    """What a person's pip does everywhere else is not done here; where it cannot be taken back, nothing is taken for complete."""
    project.add_python()
    digest = make_wheel(project.folder / "wheels", "", name="other")
    project.write("requirements-dev.txt", f"other==1.0 --hash=sha256:{digest}\n")
    project.write("pip.conf", configuration.format(folder=project.folder))
    wheels = {"PIP_FIND_LINKS": str(project.folder / "wheels"), "PIP_NO_INDEX": "1"}

    task = project.run("check", **wheels, PIP_CONFIG_FILE=str(project.folder / "pip.conf"))

    assert task.returncode == code, task.stderr
    assert said in task.stderr
    assert (project.folder / ".venv/complete").exists() is (code == 0)


@pytest.mark.parametrize(
    ("said", "is_pip_alone"),
    [
        ("global.index-url='https://pypi.example.com/simple'", True),
        (":env:.no-index='1'", True),
        ("install.trusted-host='pypi.example.com'", True),
        ("global.extra-index-url='https://more.example.com/simple'\nglobal.cert='/etc/ca.pem'", False),
        ("", False),
    ],
)
def test_what_pip_alone_is_told_is_pips_to_install(monkeypatch, said, is_pip_alone):
    """Uv does not read pip's configuration: where that names another index, or a proxy, uv would go past it."""
    for name in installers.OF_UV:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(installers, "pip", lambda: ["/bin/sh", "-c", f'echo "{said}"'])

    assert installers.configures_pip_alone() is is_pip_alone
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://pypi.example.com/simple")
    assert not installers.configures_pip_alone()


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


@pytest.mark.parametrize("text", ["exit 0\n", "echo hello\nexit\n"])
def test_an_env_file_that_ends_the_shell_is_told(installed, text):
    """It would leave us without any variable."""
    installed.write(".env", text)

    refused = installed.run("manage")

    assert (refused.returncode, refused.stdout) == (78, "")
    assert refused.stderr == (
        "Error: .env: the shell cannot read it: it ended in the middle. Write lines like NAME='a value'.\n"
    )


def test_an_env_file_of_windows_is_read(installed):
    """Its editors end lines in two characters, and begin the file with a mark: neither is part of a value or a line."""
    (installed.folder / ".env").write_bytes(b"\xef\xbb\xbf# mine\r\n\r\nPORT=8001\r\nGREETING='good day'\r\n")
    read = installed.run("manage")
    (installed.folder / ".env").write_bytes(b"\r\nGREETING=good day\r\n")
    refused = installed.run("manage")

    assert (read.returncode, read.stdout, read.stderr) == (0, "8001 good day\n", "")
    assert "the shell cannot read it: .env: line 2: day: command not found." in refused.stderr


def test_checks_do_not_read_the_env_file(installed):
    """What is checked is what everybody gets."""
    installed.write(".env", "GREETING=hello\n")

    assert installed.run("check").stdout == "None None\n"


def test_it_works_by_a_link_to_it(installed, tmp_path):
    """Somebody has a link to it on the PATH, under the project's name."""
    (tmp_path / "bakery").symlink_to(installed.folder / "run")

    task = subprocess.run(
        [tmp_path / "bakery", "check"],
        cwd=tmp_path,
        env={"PATH": str(installed.programs), "HOME": str(installed.folder)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (task.returncode, task.stdout) == (0, "None None\n"), task.stderr


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


def test_a_python_that_was_upgraded_below_the_environment_makes_it_again(installed):
    """Its link leads to a newer version, which looks for the packages in a folder of its own."""
    (packages,) = (installed.folder / ".venv/lib").glob("python3.*")
    packages.rename(packages.with_name("python3.2"))

    first = installed.run("check")
    second = installed.run("check")

    assert (first.returncode, "Made .venv with Python" in first.stderr) == (0, True)
    assert (second.returncode, second.stderr) == (0, "")


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


@pytest.mark.parametrize(
    "name", [task.name for task in [*TASKS, *UPSTREAM_TASKS] if not task.explains_itself]
)
def test_a_task_without_a_help_of_its_own_is_explained(name, capsys):
    """Nothing is installed for that, and `./run sbom --help` writes no file of that name."""
    assert main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"  ./run {name} ")
