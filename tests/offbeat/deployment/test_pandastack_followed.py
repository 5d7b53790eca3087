"""PandaStack's checklist, followed to the letter on a stand-in for it: from nothing to a slot that ran, and its job."""

import os
import re
import shutil
import sys
from pathlib import Path

import psycopg
import pytest

from offbeat.deployment import process, spec
from offbeat.deployment.exporters import export_platform
from tests.offbeat.deployment.pandastack_stand_in import PandaStack, Processes
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import CHECKOUT

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
OWN = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ALLOWED_HOSTS", "PROCESS", "PORT")
"""What no image brings: a container has it from the checklist, or not at all."""


@pytest.fixture
def panda(postgres, redis, tmp_path):
    """A PandaStack with an empty database and the script of an image, whose one cronjob runs every minute."""
    root = tmp_path / "image"
    root.mkdir()
    source = spec.PLATFORM_FILE.read_text().replace('"H 2 * * *"', '"* * * * *"')
    (root / "platform.yaml").write_text(
        source.replace("name: offbeat\n", "name: offbeat\nrepository: acme/shop\n")
    )
    shutil.copy(spec.PLATFORM_FILE.parent / "Procfile", root)
    script = root / "process.sh"
    script.write_text(process.make_script(spec.read(root / "platform.yaml"), CHECKOUT))
    image = {name: value for name, value in os.environ.items() if name not in OWN}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    machine = Processes(script, image | {"OFFBEAT_ROOT": str(root), "PATH": path}, tmp_path)
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("create database panda")
    address = postgres.url.rpartition("/")[0] + "/panda"
    with redis.connect() as client:
        client.flushall()
    yield PandaStack(machine, {"POSTGRESQL": address, "REDIS": redis.url})
    machine.kill()
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("drop database panda with (force)")


def checklist(panda):
    platform = spec.read(Path(panda.machine.environment["OFFBEAT_ROOT"]) / "platform.yaml")
    (file,) = export_platform("pandastack", platform).files
    return file.text


def ask(panda, statement):
    with psycopg.connect(panda.addresses["POSTGRESQL"], autocommit=True) as connection:
        return connection.execute(statement)


def let_a_slot_pass(panda):
    """Move the ledger's clock, in place of a minute's wait, as soon as a process has made the cronjob's row."""
    moved = "update offbeat_cronjobs_cronjob set cursor = cursor - interval '90 seconds' returning name"
    wait_until(lambda: ask(panda, moved).fetchall(), 60)


def has_succeeded(panda):
    (count,) = ask(panda, "select count(*) from offbeat_jobs_job where state = 'succeeded'").fetchone()
    return count > 0


def test_it_leads_to_a_slot_that_ran(panda):
    """Databases, variables, web with its release, a worker, one tick: the tick enqueues a slot, and the worker runs its job."""
    panda.follow(checklist(panda).partition(". Afterwards\n")[0])
    let_a_slot_pass(panda)

    panda.wake()

    ((code, output),) = panda.runs
    assert code == 0, output
    assert "enqueued as job" in output
    assert "tick: 1 of 1 cronjob were due" in output
    wait_until(lambda: has_succeeded(panda), 60)
    assert sorted(name.rpartition("-")[0] for name in panda.projects) == ["offbeat-web", "offbeat-worker"]


def test_a_worker_waits_for_the_release(panda):
    """A worker that starts on an empty database, before web, lives on, and runs jobs when web's release has ended."""
    before, web, worker, cronjob, *_ = _parts(checklist(panda))
    workers = []

    def meet_an_empty_database(name):
        if "worker" in name:
            workers.append(panda.machine.running[name])
            wait_until(lambda: "does not exist" in workers[0].output or not workers[0].is_running, 60)
            assert workers[0].is_running, workers[0].output
        else:
            wait_until(lambda: panda.is_well(name), 120)

    panda.after_start = meet_an_empty_database
    panda.follow(before + worker + web + cronjob)
    let_a_slot_pass(panda)
    panda.wake()

    wait_until(lambda: has_succeeded(panda), 60)
    assert workers[0].is_running


def _parts(text):
    """Give what comes before web, and the steps of web, worker, cronjob, and the rest."""
    return re.split(r"(?=^## \d+\. (?:Service|Cronjob|See) )", text, flags=re.MULTILINE)
