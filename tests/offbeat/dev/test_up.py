"""`./run up`, by real processes: what starts, what a developer can do meanwhile, and that it all stops."""

from __future__ import annotations

import re
import signal
import socket

import pytest

from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import CHECKOUT


@pytest.fixture(scope="module")
def up(shared_checkout):
    """Everything, running behind a proxy that knows nothing of this machine, for tests that leave it as it is."""
    shared_checkout.process = shared_checkout.up(http_proxy="http://127.0.0.1:1")
    return shared_checkout


def test_the_addresses_are_told_when_they_answer(up):
    """Every address that it prints opens."""
    paths = re.findall(rf"http://localhost:{up.port}(/\S*)", up.process.output)

    assert "/local/mail/" in paths
    assert [up.browser.get(path).status for path in paths] == [200] * len(paths)


def test_the_demo_user_can_sign_in(up):
    """Its name and password are printed, and open the admin."""
    name, password = re.search(r'as "(\w+)" with the password "(\w+)"', up.process.output).groups()

    page = up.browser.submit("/admin/login/?next=/admin/", {"username": name, "password": password})

    assert page.status == 200
    assert "/admin/logout/" in page.text


@pytest.mark.skipif(not (CHECKOUT / "src/newsletter").exists(), reason="the example is gone")
def test_a_visitor_subscribes_and_the_mail_can_be_read(up):
    """The page, the worker and the mail server work together: the mail is on the mails' page."""
    up.browser.submit("/", {"email": "alice@example.com"})

    wait_until(lambda: "alice@example.com" in up.browser.get("/local/mail/").text)


def test_a_cronjob_can_be_fired(up):
    """`./run fire` runs the command, which enqueues; the running worker does the job."""
    fired = up.run("fire", "prune-jobs")

    assert fired.returncode == 0, fired.stderr
    assert "prune-jobs: exit code 0" in fired.stdout
    wait_until(lambda: "succeeded" in jobs(up, "prune"))


def jobs(checkout, task):
    """Give the states of a task's jobs, as the database of the running servers has them."""
    question = f"SELECT state FROM offbeat_jobs_job WHERE task LIKE '%{task}%'"  # noqa: S608
    answer = checkout.run("psql", "--no-psqlrc", "--tuples-only", "--command", question)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_a_second_one_is_refused(up):
    """In the same checkout it names the first one's pid instead of starting servers on the same data."""
    second = up.run("up", PORT="1")

    assert second.returncode == 75
    assert f"./run up (pid {up.process.pid}) already runs the servers" in second.stderr


def test_ctrl_c_leaves_no_process(checkout):
    """After SIGINT the exit code is 130, and services, their children and the servers are gone."""
    running = checkout.up()
    running.wait_for(" ready.")  # the worker's, whose process is called python
    everything = {"postgres", "valkey-server"}
    wait_until(lambda: everything <= {process.info["name"] for process in checkout.processes()})
    assert any("src/offbeat/gunicorn.py" in process.info["cmdline"] for process in checkout.processes())

    running.signal(signal.SIGINT)
    code = running.wait()

    assert code == 130
    assert checkout.processes() == []


def test_a_stop_while_it_migrates_leaves_no_process(checkout):
    """A signal that comes before anything serves stops the servers that run already."""
    running = checkout.start("up")
    wait_until(lambda: "Migrating the database" in running.output)

    code = running.stop()

    assert code == 143
    assert checkout.processes() == []


def test_a_kill_leaves_no_process(checkout):
    """Killed, it cannot stop anything: its processes get a signal all the same, and stop by themselves."""
    running = checkout.up()

    running.process.kill()

    wait_until(lambda: checkout.processes() == [])


def test_a_crash_of_one_ends_all(checkout):
    """When one process dies the others are stopped; the last line says which, and the exit code is its own."""
    running = checkout.up()
    mailsink = next(
        process
        for process in checkout.processes()
        if "offbeat.dev.mail_sink" in (process.info["cmdline"] or [])
    )

    mailsink.kill()
    code = running.wait()

    assert code == 137
    assert "mail ended with exit code 137" in running.output
    assert checkout.processes() == []


def test_a_server_that_ends_ends_all(checkout):
    """Without its PostgreSQL nothing works: that is one line that names its log, and no stream of errors."""
    running = checkout.up()
    postgres = next(
        process
        for process in checkout.processes()
        if (process.info["cmdline"] or [""])[0].endswith("bin/postgres")
    )

    postgres.kill()
    code = running.wait()

    assert code == 1
    assert "PostgreSQL has ended, and " in running.output
    assert checkout.processes() == []


def test_a_busy_port_names_the_way_out(checkout):
    """Nothing is started when the port is taken, and the error says which one is free."""
    with socket.create_server(("127.0.0.1", checkout.port)):
        refused = checkout.run("up")

    assert refused.returncode == 75
    assert re.search(rf"Port {checkout.port} is used .* Hint: PORT=\d+ \./run up", refused.stderr)
    assert checkout.processes() == []


@pytest.mark.parametrize(
    ("variables", "code", "message"),
    [
        (
            {
                "REDIS_URL": "redis://:secret@127.0.0.1:1/0",
                "DATABASE_URL": "postgresql://me:secret@127.0.0.1:1/x",
            },
            69,
            "REDIS_URL (redis://127.0.0.1:1/0) does not answer",
        ),
        (
            {
                "DATABASE_URL": "postgresql://me:secret@db.example.com/x",
                "REDIS_URL": "redis://:secret@127.0.0.1:1/0",
            },
            64,
            "PostgreSQL at db.example.com:5432, database x, Redis at 127.0.0.1:1: PostgreSQL is not on this machine.",
        ),
        ({"DATABASE_URL": "sqlite:///x"}, 78, "Unexpected value DATABASE_URL=sqlite://…"),
        ({"REDIS_URL": "nonsense"}, 78, "Unexpected value REDIS_URL=…"),
        ({"PORT": "http"}, 78, "Unexpected value PORT=http"),
    ],
)
def test_what_cannot_work_is_one_message(checkout, variables, code, message):
    """One clear line, no traceback, no password, an exit code, and nothing left running."""
    refused = checkout.run("up", **variables)

    assert refused.returncode == code
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "secret" not in refused.stderr
    assert checkout.processes() == []
