"""`./run fork NAME`, in a clone of this checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
import yaml

from offbeat.base import Base, core_trees, read_base, read_version, write_base
from offbeat.dev.fork import UPSTREAM, likely_upstream
from offbeat.dev.git import GitError, NoRepositoryError, reason_of, uncommitted_changes
from offbeat.dev.thin_files import EXAMPLE, is_core, is_thin
from tests.offbeat.dev.repositories import Repository, clone, make_upstream, needs_upstream
from tests.offbeat.support.running import CHECKOUT

# Where the core's name may stand in a fork: its package, its folders, its variables, its metrics, its file.
CORES_NAME = re.compile(
    r"""(src|tests|docs)/offbeat\b | \boffbeat[._/][a-z\W_] | OFFBEAT_\w* | (from|import)\ offbeat\b
        | "offbeat"(?=[,\]]) | /offbeat["']?$ | offbeat\.toml | tool\.offbeat\b | offbeat\ \(src/ """,
    re.VERBOSE | re.MULTILINE,
)
INTERRUPTED = """
import os, signal
from pathlib import Path
from offbeat.dev import fork
from offbeat.dev.stop_signals import run_until_stopped
unlink = Path.unlink
def interrupt(*arguments, **options):
    os.kill(os.getpid(), signal.SIGINT)
    unlink(*arguments, **options)
Path.unlink = interrupt
run_until_stopped(fork.main)
"""
THIN_TEXT = ("*", ":!src/offbeat", ":!tests/offbeat", ":!docs/offbeat", ":!offbeat.toml")


@pytest.fixture(scope="module")
def upstream(tmp_path_factory):
    return make_upstream(tmp_path_factory.mktemp("upstream") / "offbeat")


@pytest.fixture
def checkout(upstream, tmp_path):
    return clone(upstream, tmp_path / "checkout")


@pytest.fixture(scope="module")
def acme(upstream, tmp_path_factory):
    """A fork, for tests that leave it as it is."""
    fork = clone(upstream, tmp_path_factory.mktemp("acme") / "acme")
    fork.said = fork.check("fork", "acme-shop")
    fork.commit()
    return fork


@needs_upstream
def test_nobody_sees_the_old_name(acme):
    """Besides the core's own package, variables and documents, no file says Offbeat."""
    files = acme.git("grep", "-liE", "offbeat", "--", *THIN_TEXT).split()

    lines = [
        f"{path}: {line}"
        for path in files
        for line in acme.read(path).splitlines()
        if "offbeat" in CORES_NAME.sub("", line).lower()
    ]

    assert lines == []


@needs_upstream
def test_the_name_is_where_people_look(acme):
    """The platform, its image, compose, the package and the README have it."""
    platform, compose = (yaml.safe_load(acme.read(path)) for path in ("platform.yaml", "compose.yaml"))

    assert platform["name"] == compose["name"] == "acme-shop"
    assert compose["services"]["web"]["image"] == "acme-shop-development"
    assert 'name = "acme-shop"' in acme.read("pyproject.toml")
    assert acme.read("README.md").startswith("# Acme Shop\n")


@needs_upstream
def test_the_example_is_gone(acme):
    """Neither its files nor a line that names them or is marked as its own are left outside the core."""
    traces = "# (example|upstream)( begins| ends)?$|newsletter"

    assert acme.call(["git", "grep", "-nE", traces, "--", *THIN_TEXT]).stdout == ""
    assert not [path for path in acme.tracked() if path.startswith(EXAMPLE)]


@needs_upstream
def test_what_speaks_of_upstream_is_gone(acme):
    """A fork has no benchmarks and no licence of ours but the core's; it is small."""
    own = [path for path in acme.tracked() if not re.match(r"(src|tests|docs)/offbeat/", path)]

    assert not {
        path
        for path in own
        if path.startswith(
            ("bench/", "clients/", "examples/", "CONTRIBUTING", "LICENSE", "CHANGELOG", "SECURITY")
        )
    }
    assert "src/offbeat/LICENSE" in acme.tracked()
    assert "MIT" not in acme.read("pyproject.toml") + acme.read("Dockerfile")
    assert len(own) <= 40, own


@needs_upstream
def test_the_base_is_recorded(acme, upstream):
    """offbeat.toml has the version, its commit, where it is from, and the core's folders under git's names for them."""
    base = read_base(acme.folder)

    assert (base.name, base.version, base.example) == ("acme-shop", read_version(CHECKOUT), False)
    assert base.commit == upstream.git("rev-parse", "HEAD").strip()
    assert base.upstream == str(upstream.folder)
    assert base.core == core_trees(acme.folder)
    for folder, tree in base.core.items():
        assert tree == acme.git("rev-parse", f"HEAD:{folder}").strip()


@needs_upstream
def test_it_says_what_it_did_and_what_comes_next(acme):
    """A line for each file, then the commands to go on with."""
    assert "src/newsletter/: removed\n" in acme.said
    assert "README.md: changed\n" in acme.said
    assert "git add --all && git commit" in acme.said
    assert "./run update" in acme.said


@needs_upstream
def test_the_fork_is_well(acme):
    """Its checks pass; that of types passes in project/template/test_fork_product.py."""
    acme.check("check", "lint", "format", "django", "migrations", "platform.yaml")


@needs_upstream
def test_once_is_enough(acme):
    """The same command again changes nothing, and says so."""
    assert (
        acme.check("fork", "acme-shop") == "Nothing to do: this is the fork acme-shop, without the example.\n"
    )
    assert acme.changed() == ""


@needs_upstream
def test_a_fork_keeps_its_name(acme):
    """Another name for a fork is refused, with what to do instead."""
    refused = acme.run("fork", "globex")

    assert refused.returncode == 64
    assert "this is the fork acme-shop already. Hint: to rename it, change" in refused.stderr


@needs_upstream
def test_the_example_can_go_later(checkout):
    """With --keep-example it stays, under the new name; without it the same command takes it away."""
    checkout.check("fork", "acme", "--keep-example", "--upstream", "https://git.example.com/offbeat")
    checkout.commit()
    assert "Acme Letter" in checkout.call(["git", "grep", "-h", "Letter", "src/newsletter"]).stdout
    assert read_base(checkout.folder).example is True
    checkout.write("src/config/own.py", "OWN = 1\n")
    checkout.commit()

    checkout.check("fork", "acme")

    checkout.git("add", "--all")
    assert not [path for path in checkout.tracked() if path.startswith(EXAMPLE)]
    assert "newsletter" not in checkout.read("src/config/settings.py")
    base = read_base(checkout.folder)
    assert (base.example, base.upstream) == (False, "https://git.example.com/offbeat")
    assert checkout.read("src/config/own.py") == "OWN = 1\n"


@needs_upstream
def test_what_git_does_not_know_is_not_deleted(checkout):
    """With uncommitted changes it says in which file, and changes nothing."""
    checkout.write("src/newsletter/ideas.py", "")

    refused = checkout.run("fork", "acme")

    assert refused.returncode == 75
    assert "git has uncommitted changes, in src/newsletter/ideas.py. Hint: commit" in refused.stderr
    assert checkout.changed() == "?? src/newsletter/ideas.py\n"


@needs_upstream
@pytest.mark.parametrize("name", ["Acme", "a", "acme_shop", "offbeat", "9lives"])
def test_a_name_that_platforms_refuse(acme, name):
    """A name is refused before anything is changed, with what would be right."""
    refused = acme.run("fork", name)

    assert refused.returncode == 64
    assert refused.stderr.startswith("Error: NAME: should be ")
    assert acme.changed() == ""


@needs_upstream
def test_a_readme_of_their_own_stays(checkout):
    """A team that has worked for a while before it forks keeps the README and the licence that it wrote."""
    checkout.write("README.md", "# The shop\n\nIt is built on Offbeat.\n")
    checkout.write("LICENSE", "Ours.\n")
    checkout.commit()

    checkout.check("fork", "acme")

    assert checkout.read("README.md").startswith("# The shop\n")
    assert checkout.read("LICENSE") == "Ours.\n"


@needs_upstream
def test_files_of_their_own_stay(checkout):
    """A team's own files keep what looks like a mark, our name or our licence, before the fork and when the example goes."""
    own = 'KEY = "Offbeat"  # example\nlicense = "offbeat"\n# example begins\n'
    files = ("src/shop/keys.py", "docs/plan.md", "tests/shop/test_keys.py")
    for path in files:
        checkout.write(path, own)
    checkout.edit("pyproject.toml", 'version = "0"\n', 'version = "0"\nlicense = "Apache-2.0"\n')
    checkout.commit()

    checkout.check("fork", "acme", "--keep-example")
    checkout.commit()
    checkout.check("fork", "acme")

    assert {checkout.read(path) for path in files} == {own}
    assert 'license = "Apache-2.0"\n' in checkout.read("pyproject.toml")


@needs_upstream
def test_no_file_of_the_template_is_overlooked(upstream):
    """Each file is the core's, or one that a fork looks at; the empty one of the tests needs no look."""
    overlooked = [path for path in upstream.tracked() if not (is_core(path) or is_thin(path))]

    assert overlooked == ["tests/__init__.py"]


@needs_upstream
def test_no_requirement_is_installed_first(checkout):
    """A fork is made in seconds, and an update can be taken too where the requirements cannot be installed."""
    checkout.write("requirements-dev.txt", "no-such-package==1\n")
    checkout.commit()

    done = checkout.call(["./run", "fork", "acme", "--upstream", str(checkout.folder)])
    checkout.commit()
    check = checkout.call(["./run", "update", "--check"])

    assert done.returncode == 0, done.stderr
    assert "is the newest" in check.stdout
    assert not (checkout.folder / ".venv").exists()


@needs_upstream
def test_ctrl_c_leaves_no_half_of_a_fork(checkout):
    """What git could not tell from a team's own changes is done to its end; then the signal counts."""
    stopped = checkout.call([sys.executable, "-c", INTERRUPTED, "acme"], PYTHONPATH="src")

    assert (stopped.returncode, stopped.stderr) == (130, "Stopped.\n")
    assert read_base(checkout.folder).name == "acme"
    assert "Nothing to do" in checkout.check("fork", "acme")


@needs_upstream
def test_a_fork_that_cannot_be_written_says_how_to_go_back(checkout):
    """On a full disk, or in a folder that is another's, half of it may be done."""
    (checkout.folder / "offbeat.toml").mkdir()

    refused = checkout.run("fork", "acme")

    assert refused.returncode == 74
    assert refused.stderr.endswith(
        "Hint: git add --all && git reset --hard undoes what was done; then fork again.\n"
    )
    assert "Traceback" not in refused.stderr


@needs_upstream
def test_a_folder_without_git(upstream, tmp_path):
    """Where git cannot bring anything back, nothing is changed."""
    folder = Repository(tmp_path / "folder")
    for path in ("run", "requirements-dev.txt", "src/offbeat", "platform.yaml"):
        folder.folder.mkdir(exist_ok=True)
        upstream.call(["cp", "-r", "--parents", path, str(folder.folder)])

    refused = folder.run("fork", "acme", GIT_CEILING_DIRECTORIES=str(tmp_path))

    assert refused.returncode == 75
    assert "Hint: git init && git add --all && git commit" in refused.stderr


def test_git_says_what_it_lacks(tmp_path, monkeypatch):
    """Its advice, where it has one; a missing repository in any language; and a machine without git."""
    said = "fatal: detected dubious ownership\nTo add an exception, call:\n\n\tgit config --global x\n"
    assert reason_of(said) == "detected dubious ownership To add an exception, call: git config --global x"

    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    with pytest.raises(NoRepositoryError, match="not a git repository"):
        uncommitted_changes(tmp_path)

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match="git is not installed"):
        uncommitted_changes(tmp_path)


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("https://github.com/somebody/offbeat.git", "https://github.com/somebody/offbeat.git"),
        ("git@git.example.com:offbeat", "git@git.example.com:offbeat"),
        ("https://bob:secret@github.com/somebody/offbeat.git", "https://github.com/somebody/offbeat.git"),
        ("ssh://git@git.example.com/offbeat", "ssh://git@git.example.com/offbeat"),
        ("https://github.com/acme/our-offbeat", UPSTREAM),
        ("https://github.com/acme/shop", UPSTREAM),
    ],
)
def test_where_updates_come_from(tmp_path, origin, expected):
    """From where the checkout was cloned, unless that is a repository of the team's own."""
    repository = Repository(tmp_path)
    repository.git("init", "--quiet")
    repository.git("remote", "add", "origin", origin)

    assert likely_upstream(tmp_path) == expected


def test_any_address_can_be_read_again(tmp_path):
    """A path with quotes, backslashes and letters of all kinds is in offbeat.toml as it is."""
    base = Base("acme", "0.2.0", "", 'C:\\été "new"\\offbeat', example=True, core={"src/offbeat": "0"})

    write_base(tmp_path, base)

    assert read_base(tmp_path) == base


def test_nothing_but_python_and_git_is_needed():
    """Both commands start without any package: an update may bring requirements that are not installed yet."""
    code = "import offbeat.dev.fork, offbeat.dev.update"
    environment = {"PYTHONPATH": str(CHECKOUT / "src"), "PATH": os.environ["PATH"]}

    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env=environment, capture_output=True, text=True, check=False
    )

    assert done.stderr == ""
