"""As root, PostgreSQL is another user's process, whatever the permissions around the checkout."""

from __future__ import annotations

import os

import psutil
import pytest

from offbeat.dev.embedded_postgres import EmbeddedPostgres
from offbeat.dev.unprivileged import let_read

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change its user")


def mode(path):
    return path.stat().st_mode & 0o777


def test_a_closed_folder_is_opened_for_passing_through_only(open_folder, capsys):
    """A home folder that is closed to others stays unreadable; the change is told, with the command that it was."""
    home = open_folder / "home"
    home.mkdir(mode=0o700)

    with EmbeddedPostgres(home / "postgres") as server:
        user = psutil.Process(server.pid).username()

    assert user == "nobody"
    assert mode(home) == 0o701
    assert f"PostgreSQL runs as nobody: chmod o+x {home}\n" in capsys.readouterr().err


def test_executables_of_a_strict_umask_are_made_readable(open_folder):
    """What umask 077 installed can be read and run by others afterwards, but not written."""
    package = open_folder / "package"
    (package / "bin").mkdir(parents=True, mode=0o700)
    program, data = package / "bin" / "program", package / "data"
    for path, bits in ((program, 0o700), (data, 0o600)):
        path.touch()
        path.chmod(bits)
    (package / "bin").chmod(0o700)

    let_read(package)

    assert (mode(package / "bin"), mode(program), mode(data)) == (0o705, 0o705, 0o604)
