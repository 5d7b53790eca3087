"""A path in a row leads to a task, and to nothing else."""

import sys

import pytest
from django.utils import timezone

from offbeat.jobs import Job, code, refusal
from offbeat.jobs.tasks_backend import UnknownTaskError, registry
from offbeat.jobs.tasks_backend.interface import task
from tests.offbeat.jobs.tasks_backend import samples
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.usefixtures("ledger", "carrier")
other_name = samples.add


@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "subprocess.check_output",
        "offbeat.jobs.tasks.prune",
        "tests.offbeat.jobs.tasks_backend.samples.note",
        "tests.offbeat.jobs.tasks_backend.samples.gone",
        f"{__name__}.other_name",
        "add",
        "",
        "...",
        "a b.c",
    ],
)
def test_only_a_task_is_found(path):
    """Whatever else can be imported, and a task under another name than its own, is refused."""
    with pytest.raises(UnknownTaskError):
        registry.find(path)


@pytest.mark.parametrize("module", ["antigravity", "this", "idlelib.idle"])
def test_nothing_else_is_imported(module):
    """A row in the ledger makes no process import a module that is not the project's."""
    with pytest.raises(UnknownTaskError, match="in no installed app"):
        registry.find(f"{module}.task")

    assert module not in sys.modules


def test_a_module_of_an_app_is_imported():
    """Not every task is in a module that was imported when the worker started."""
    path = "tests.offbeat.jobs.tasks_backend.late_samples.add_late"
    sys.modules.pop(path.rpartition(".")[0], None)

    assert registry.find(path).module_path == path


def test_a_module_that_fails_is_another_versions():
    """The job waits for a worker that can import it."""
    with pytest.raises(UnknownTaskError, match="cannot be imported here: ZeroDivisionError"):
        registry.find("tests.offbeat.jobs.tasks_backend.broken_samples.task")


@pytest.mark.parametrize(
    "change",
    [
        {"task": "tests.offbeat.jobs.tasks_backend.samples.gone"},
        {"task": "tests.offbeat.jobs.tasks_backend.samples.note"},
        {"kwargs": {"three": 3}},
    ],
)
def test_a_job_waits_for_code_that_knows_it(change):
    """An older worker makes it wait, without an attempt; one that knows the same code does not take it again."""
    result = samples.add.enqueue(1)
    Job.objects.update(**change)

    assert run_jobs() == 0

    job = Job.objects.get(pk=result.id)
    assert (job.state, job.attempt) == ("pending", 0)
    assert job.reason.startswith("waits for a worker that knows it: ")
    assert refusal.claim(["default"], 10) == []


def test_other_code_takes_it(monkeypatch):
    """A worker of another version has the same runner, and takes from the ledger what this one has refused."""
    result = samples.add.enqueue(1)
    Job.objects.update(task="tests.offbeat.jobs.tasks_backend.samples.gone")
    run_jobs()
    Job.objects.update(task=samples.add.module_path)
    monkeypatch.setattr(refusal, "_own_code", lambda: '["another"]')

    (claimed,) = refusal.claim(["default"], 10)

    assert (str(claimed.id), claimed.task) == (result.id, "offbeat.jobs.tasks.run_task")


def test_it_is_buried_when_nobody_knows_it(let_time_pass):
    """As any job whose task no worker has."""
    result = samples.add.enqueue(1)
    Job.objects.update(task="tests.offbeat.jobs.tasks_backend.samples.gone")
    run_jobs()
    let_time_pass(4000, "refused_at")

    assert refusal.bury_unknown_jobs(timezone.now()) == 1
    assert Job.objects.get(pk=result.id).state == "dead"


def test_a_version_with_another_task_is_other_code(monkeypatch):
    """What a process can run is told from what another version can."""
    before = code.fingerprint.__wrapped__()
    monkeypatch.setitem(registry.known, "shop.tasks.new", samples.add)
    task(samples.add.func)

    assert code.fingerprint.__wrapped__() != before
