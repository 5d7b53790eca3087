"""A checkout in which `./run up` disturbs nobody, and an upstream with releases that a fork can take."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.offbeat.dev import releases
from tests.offbeat.dev.checkout import Checkout
from tests.offbeat.dev.repositories import make_upstream, use_template
from tests.offbeat.support import servers


def make_folder():
    """Make a folder that `nobody` can pass through: pytest closes its own to others at each start of a session."""
    folder = Path(tempfile.mkdtemp(dir=servers.folder))
    folder.chmod(0o711)
    return folder


@pytest.fixture(scope="module")
def open_folder():
    return make_folder()


@pytest.fixture
def checkout():
    checkout = Checkout(make_folder())
    yield checkout
    checkout.end()


@pytest.fixture(scope="module")
def shared_checkout():
    """A checkout for the tests of a module that leave it as it is."""
    checkout = Checkout(make_folder())
    yield checkout
    checkout.end()


@pytest.fixture(scope="session")
def upstream(tmp_path_factory):
    """Four versions, of which the last has the seven commits."""
    upstream = make_upstream(tmp_path_factory.mktemp("upstream") / "offbeat")
    upstream.git("tag", "--force", "v0.2.0")
    for version in ("0.2.1", "0.2.2"):
        upstream.append("src/offbeat/ops/__init__.py", f"\nVERSION = '{version}'\n")
        upstream.append("compose.yaml", f"# {version}\n")
        releases.release(upstream, version)
    releases.commit_seven(upstream)
    releases.release(upstream, "0.3.0")
    return upstream


@pytest.fixture(scope="session")
def plain_fork(upstream, tmp_path_factory):
    """The fork of `fork`."""
    fork = use_template(upstream, tmp_path_factory.mktemp("plain") / "acme", "v0.2.2")
    fork.check("fork", "acme", "--upstream", str(upstream.folder))
    fork.commit("Our own")
    return fork


@pytest.fixture
def fork(plain_fork):
    """A fork without shared history that has changed nothing; after the test it is as before."""
    before = plain_fork.git("rev-parse", "HEAD").strip()
    yield plain_fork
    plain_fork.git("reset", "--quiet", "--hard", before)
    plain_fork.git("clean", "--quiet", "-d", "--force")
