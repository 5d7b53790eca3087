"""`./run update`: three forks take seven commits of upstream, and a migration among them."""

from __future__ import annotations

import sys

import psycopg
import pytest

from offbeat.base import core_trees, read_base
from offbeat.dev.thin_files import EXAMPLE
from tests.offbeat.dev import releases
from tests.offbeat.dev.conflicts import MARK, conflicted_files
from tests.offbeat.dev.repositories import clone, needs_upstream, use_template
from tests.offbeat.support import servers

pytestmark = needs_upstream
# How each fork was made, and from which version.
FORKS = {
    "shared history": (clone, "v0.2.2"),
    "no shared history": (use_template, "v0.2.2"),
    "three versions behind": (use_template, "v0.2.0"),
}
# What of the conflict is the team's, and what is upstream's: it takes both.
ADJACENT = (
    MARK
    + """
    instances: 4
    cpu: 0.5
    memory: 1024
||||||| Offbeat {version}
    instances: 1
    cpu: 0.5
    memory: 512
=======
    instances: 1
    cpu: 1
    memory: 512
>>>>>>> Offbeat v0.3.0
"""
)


BOTH = """\
    instances: 4
    cpu: 1
    memory: 1024
"""


@pytest.fixture(scope="module")
def make_fork(upstream, tmp_path_factory):
    """Make a fork with a life of its own, in which all is committed."""

    def make(kind):
        how, version = FORKS[kind]
        fork = how(upstream, tmp_path_factory.mktemp("fork") / "acme", version)
        fork.check("fork", "acme", "--upstream", str(upstream.folder))
        releases.live_in(fork)
        fork.commit("Our own")
        return fork

    return make


@pytest.fixture
def database(postgres, redis, plain_fork):
    """A database of the version before, with a job in it, as its address."""
    with postgres.connect() as server:
        server.execute("DROP DATABASE IF EXISTS updated WITH (FORCE)")
        server.execute("CREATE DATABASE updated")
    url = postgres.url_of("updated")
    manage(plain_fork, "migrate", "--verbosity", "0", database=url)
    manage(plain_fork, "enqueue_prune_jobs", "--now", database=url)
    return url


def manage(fork, *arguments, database):
    environment = servers.settings | {
        "DATABASE_URL": database,
        "PYTHONPATH": str(fork.folder / "src"),
        "OFFBEAT_ROOT": "",
    }
    done = fork.call([sys.executable, "manage.py", *arguments], **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def updated(make_fork):
    """The fork that was three versions behind, and has taken all."""
    fork = make_fork("three versions behind")
    take(fork)
    return fork


@pytest.mark.parametrize("kind", ["shared history", "no shared history"])
def test_a_fork_takes_seven_commits(make_fork, updated, kind):
    """Whatever its history is, it has the same files from then on: those whose checks and tests are below."""
    fork = make_fork(kind)

    take(fork)

    assert fork.git("write-tree") == updated.git("write-tree")


def test_a_fork_three_versions_behind_is_well(updated, database):
    """It migrates what the version before has left, and its checks and its tests pass."""
    manage(updated, "migrate", "--verbosity", "0", database=database)
    with psycopg.connect(database) as connection:
        notes = connection.execute("SELECT DISTINCT note FROM offbeat_jobs_job").fetchall()

    assert notes == [("from before",)]
    updated.check("check", "django", "migrations")
    assert " passed" in updated.check("test", "-n", "0")  # side by side is the matter of others


def take(fork):
    """Update it, and solve the conflict: no file of the example comes back, and one adjacent line conflicts."""
    version = read_base(fork.folder).version

    done = fork.run("update")

    conflicts = {path: fork.read(path).count(MARK) for path in conflicted_files(fork)}
    assert conflicts == {"platform.yaml": 1}
    assert done.returncode == 1, done.stdout + done.stderr
    assert "platform.yaml: conflict in 1 place\n" in done.stdout
    fork.edit("platform.yaml", ADJACENT.format(version=version), BOTH)
    has_what_is_the_teams(fork)
    has_what_is_new(fork)


def has_what_is_the_teams(fork):
    fork.git("add", "--all")
    assert not [
        path for path in fork.tracked() if path.startswith((*EXAMPLE, "bench/", ".editorconfig", ".github/"))
    ]
    assert "newsletter" not in fork.read("src/config/urls.py") + fork.read("platform.yaml")
    assert fork.read("README.md") == "# The shop of Acme\n"
    assert 'LANGUAGE_CODE = "de"' in fork.read("src/config/settings.py")
    assert "name: acme\n" in fork.read("platform.yaml")
    assert fork.read("platform.yaml").endswith(releases.CRONJOB)
    assert releases.OWN_PACKAGE in fork.read("requirements.txt")


def has_what_is_new(fork):
    assert 'EMAIL_SUBJECT_PREFIX = env.text("EMAIL_SUBJECT_PREFIX", "[Acme] ")' in fork.read(
        "src/config/settings.py"
    )
    assert "  EMAIL_SUBJECT_PREFIX: {}\n" in fork.read("platform.yaml")
    assert "FIXED = True" in fork.read("src/offbeat/ops/__init__.py")
    assert "\ntzdata==2099.1" in fork.read("requirements.txt")
    assert "\nzzz-core==1.0" in fork.read("requirements-dev.txt")
    assert read_base(fork.folder).version == "0.3.0"
    assert read_base(fork.folder).core == core_trees(fork.folder)
