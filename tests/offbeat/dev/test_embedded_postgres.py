"""The embedded PostgreSQL: what a developer's data, and a fault test, may count on."""

from __future__ import annotations

import os
import stat

import psutil
import psycopg
import pytest

from offbeat.dev.embedded import ServerFailedError, failure
from offbeat.dev.embedded_postgres import EmbeddedPostgres, refuse_path
from tests.offbeat.support.polling import wait_until


@pytest.fixture(scope="module")
def initialised(open_folder):
    """A data folder that was made by an earlier start."""
    with EmbeddedPostgres(open_folder):
        pass
    return open_folder


@pytest.fixture
def server(initialised):
    with EmbeddedPostgres(initialised) as server:
        yield server


def rows(server):
    with server.connect("offbeat") as connection:
        return [row[0] for row in connection.execute("SELECT word FROM words ORDER BY word").fetchall()]


@pytest.fixture
def words(server):
    """A table with one row, committed."""
    with server.connect("offbeat") as connection:
        connection.execute("DROP TABLE IF EXISTS words")
        connection.execute("CREATE TABLE words (word text)")
        connection.execute("INSERT INTO words VALUES ('kept')")


def test_its_url_leads_to_a_database_in_utf8(server):
    """The address that it gives connects to the database `offbeat`, which stores every language."""
    with psycopg.connect(server.url) as connection:
        found = connection.execute("SELECT current_database(), current_setting('server_encoding')").fetchone()

    assert found == ("offbeat", "UTF8")


def test_strangers_are_refused(server):
    """Nobody enters without the password, and nobody but its owner can read it."""
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url.replace(server.password, "guessed"))

    assert stat.S_IMODE((server.folder / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700


def test_it_listens_on_this_machine_only(server):
    """It has one address, 127.0.0.1, and no socket file that another user could meet."""
    with server.connect() as connection:
        settings = "listen_addresses", "unix_socket_directories"
        found = [connection.execute("SELECT current_setting(%s)", [name]).fetchone()[0] for name in settings]

    assert found == ["127.0.0.1", ""]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change its user")
def test_as_root_it_runs_as_nobody(server):
    """PostgreSQL refuses to run as root; started by root it is another user's process."""
    assert psutil.Process(server.pid).username() == "nobody"


@pytest.mark.usefixtures("words")
def test_what_is_committed_survives_a_restart(server):
    """After a restart the rows are there, under the same address."""
    before = server.url

    server.restart()

    assert rows(server) == ["kept"]
    assert server.url == before


@pytest.mark.usefixtures("words")
def test_what_is_committed_survives_a_kill(server):
    """After SIGKILL of all its processes it starts again with every committed row."""
    server.kill()
    died = not server.is_running
    server.start()

    assert died
    assert rows(server) == ["kept"]


def test_a_kill_leaves_no_process(server):
    """Killed, it is gone with all the processes that serve its connections."""
    with server.connect() as connection:
        family = psutil.Process(server.pid).children(recursive=True)

        server.kill()

        assert connection.info.backend_pid in [each.pid for each in family]
    assert [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []


def test_a_paused_server_is_silent_until_it_is_resumed(server):
    """Paused, it answers nobody and refuses nobody; resumed, it goes on."""
    server.pause()
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        psycopg.connect(server.url, connect_timeout=2)
    server.resume()

    assert server.answers()


def test_a_server_left_behind_is_ended_by_the_next_start(initialised):
    """Where a killed parent left its server running, the next start ends that one and takes its data over."""
    leftover = EmbeddedPostgres(initialised).start()

    with EmbeddedPostgres(initialised) as server:
        assert server.answers()
        wait_until(lambda: not leftover.is_running)


def test_data_of_another_version_is_refused(initialised):
    """A data folder that another major version made is left alone, and the message says how to get rid of it."""
    version = initialised / "data" / "PG_VERSION"
    ours = version.read_text()
    version.write_text("9\n")

    with pytest.raises(ServerFailedError, match=r"was made by PostgreSQL 9, .* \./run reset"):
        EmbeddedPostgres(initialised).start()

    version.write_text(ours)


def test_a_server_that_cannot_start_shows_its_log(initialised):
    """The error ends with what the server itself said."""
    server = EmbeddedPostgres(initialised)
    settings = initialised / "data" / "postgresql.auto.conf"
    before = settings.read_text()
    settings.write_text("no_such_setting = 1\n")

    with pytest.raises(ServerFailedError, match="no_such_setting"):
        server.start()

    settings.write_text(before)


def test_a_full_disk_is_one_line(tmp_path):
    """What the server says of it is ten lines; which disk it is, is what one needs."""
    said = 'FATAL:  could not extend file "base/1/2691": No space left on device\nPANIC: ...\nAborted'

    assert str(failure("PostgreSQL's initdb failed", said, tmp_path)) == (
        f"PostgreSQL's initdb failed: no space is left on the disk of {tmp_path}. Hint: free 100 MB."
    )


@pytest.mark.parametrize("name", ["$HOME", "a`b", 'a"b', "a\\b"])
def test_a_folder_whose_name_a_shell_would_read(tmp_path, name):
    """Initdb names its server to a shell between double quotes: what would happen there is not tried."""
    with pytest.raises(ServerFailedError, match=r"in its path: .* Hint: move the checkout"):
        refuse_path(tmp_path / name)

    refuse_path(tmp_path / "Ünser 'Ordner' & mehr")
