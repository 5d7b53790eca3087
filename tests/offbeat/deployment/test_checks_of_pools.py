"""The system checks of pools: which a worker may have, and whether PostgreSQL has the connections for all."""

import re

import pytest
import yaml

from offbeat import pools
from offbeat.deployment import budget, checks, spec
from tests.offbeat.deployment.shipped_file import platform


def test_more_connections_than_the_plan_allows_are_refused():
    """A full database refuses the cronjob first, because it comes last (E008)."""
    too_few = platform(lambda document: document["resources"]["postgres"].update(connections=20))

    (error,) = checks.connections_suffice(too_few)

    assert error.id == "offbeat_deployment.E008"
    assert re.search(
        r"resources/postgres/connections: should be at least \d+ \(web 24, worker 5, cronjobs \d+, release 1\), got 20",
        error.msg,
    )


def test_connections_follow_processes_threads_and_instances():
    """Three web instances of two processes with four threads hold twenty-four connections at most."""
    demand = {each.process: each for each in budget.demands(platform())}

    assert (demand["web"].postgres, demand["web"].redis) == (24, 12)
    assert (demand["worker"].postgres, demand["worker"].redis) == (5, 8)


def test_connections_follow_what_the_container_would_choose():
    """Without a number in the file, the budget is that of the containers: two processes a CPU, as far as the memory goes."""

    def larger(document):
        web, worker = document["services"]
        web.update(cpu=2, memory=1024)
        worker.update(cpu=2, memory=512)

    def with_numbers(document):
        larger(document)
        numbers = {"WEB_CONCURRENCY": 1, "WEB_THREADS": 2, "WORKER_CONCURRENCY": 8}
        document["env"].update({name: {"default": str(number)} for name, number in numbers.items()})

    chosen = {each.process: each.postgres for each in budget.demands(platform(larger))}
    said = {each.process: each.postgres for each in budget.demands(platform(with_numbers))}

    assert (chosen["web"], chosen["worker"]) == (3 * 4 * 4, 3 + 3)
    assert (said["web"], said["worker"]) == (3 * 1 * 2, 8 + 3)


def test_enough_connections_pass():
    """The check is silent when the plan suffices, and when the file does not say."""
    enough = platform(lambda document: document["resources"]["postgres"].update(connections=100))

    assert list(checks.connections_suffice(enough)) == []
    assert list(checks.connections_suffice(platform())) == []


@pytest.mark.parametrize(
    "command",
    [
        "celery --workdir src -A config worker -P eventlet",
        "celery -A config worker -Peventlet",
        "celery -A config worker -EP eventlet",
        "python -m celery -A config worker --pool=eventlet",
        "celery -A config worker --pool eventlet --queues default",
        "celery multi start w1 -A config -P:w1 eventlet",
        "python manage.py worker -P eventlet",
        "python manage.py worker --queues default --pool=eventlet",
        "CELERY_WORKER_POOL=eventlet celery -A config worker",
    ],
)
def test_a_pool_that_is_not_supported_is_found(monkeypatch, tmp_path, command):
    """Nobody knows whether it recovers its jobs: no file may start one (E009)."""
    (tmp_path / "Procfile").write_text(f"worker: {command}\n")
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump({"services": {"worker": {"command": command}}}))
    shipped = platform()
    monkeypatch.setattr(spec, "PLATFORM_FILE", tmp_path / "platform.yaml")

    found = list(checks.pools_are_supported(shipped))

    assert [each.id for each in found] == ["offbeat_deployment.E009"] * 2
    assert [each.msg.partition(": ")[0] for each in found] == ["Procfile", "compose.yaml"]
    assert (
        "should not have the pool eventlet, which is not supported: it is no longer maintained"
        in found[0].msg
    )
    assert f'got "{command}"' in found[0].msg


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("celery -A config worker -P custom", "should not have the pool custom, which is not supported: "),
        ("python manage.py worker --pool my.pools:Own", "should not have the pool my.pools:Own, which"),
        ("python manage.py worker -P thread", "Celery has no such pool"),
        ("python manage.py worker --autoscale=8,2", "should not have --autoscale, got"),
        ("python manage.py worker --pool threads --autoscale 8", "should not have --autoscale, got"),
        ("python manage.py worker --pool threads -c100000", "should have --concurrency 1000 at most, got"),
    ],
)
def test_a_services_pool_is_refused(command, said):
    """platform.yaml is refused with a pool that is not supported, or one whose size Celery would change."""
    with pytest.raises(spec.PlatformError) as refused:
        platform(lambda document: document["services"][1].update(command=command, queues=["default"]))

    assert "services/worker/command: " in str(refused.value)
    assert said in str(refused.value)


@pytest.mark.parametrize("pool", ["threads", "gevent", "solo"])
def test_a_pool_for_each_service(monkeypatch, pool):
    """A worker that waits for other servers has another pool than one that computes; a package that it needs must be there."""
    io = {
        "name": "io",
        "command": f"python manage.py worker --queues io --pool {pool} --concurrency=50",
        "queues": ["io"],
    }
    monkeypatch.setattr(pools, "find_spec", lambda _: None)

    changed = platform(lambda document: document["services"].append(io))
    found = [each.msg for each in checks.pools_are_supported(changed)]

    assert [each.partition(" is not installed")[0] for each in found] == (
        ["platform.yaml: services/io/command: gevent"] if pool == "gevent" else []
    )


def test_connections_are_counted_for_each_service():
    """Each thread has one of its own: the command says how many there are, or a variable of this service alone."""

    def two_workers(document):
        worker = {"queues": ["io"], "instances": 2}
        document["services"] += [
            worker | {"name": "io", "command": "python manage.py worker --queues io --pool threads -c 50"},
            worker | {"name": "slow", "command": "python manage.py worker --queues io"},
        ]
        document["env"]["WORKER_CONCURRENCY"] = {"default": "7", "services": ["slow"]}

    found = {each.process: each.postgres for each in budget.demands(platform(two_workers))}

    assert (found["worker"], found["io"], found["slow"]) == (2 + 3, 2 * (50 + 3), 2 * (7 + 3))


@pytest.mark.parametrize(
    "command", ["celery -A config worker -P prefork -n Piet", "python manage.py worker --pool=processes"]
)
def test_prefork_may_be_said(command):
    """Saying what holds anyway is no mistake."""
    platform(lambda document: document["services"][1].update(command=command, queues=["default"]))


def test_a_pool_by_a_variable_is_refused():
    """Celery reads its options from variables, too (E009)."""
    variables = {
        "CELERY_WORKER_POOL": {"default": "eventlet"}, "CELERY_CUSTOM_WORKER_POOL": {}, "CELERY_WORKER_AUTOSCALE": {},
    }  # fmt: skip
    changed = platform(lambda document: document["env"].update(variables))

    found = list(checks.pools_are_supported(changed))

    assert [each.msg.partition(", ")[0].partition(": Celery")[0] for each in found] == [
        "platform.yaml: env/CELERY_CUSTOM_WORKER_POOL: should be left out",
        "platform.yaml: env/CELERY_WORKER_AUTOSCALE: should be left out",
        "platform.yaml: env/CELERY_WORKER_POOL: should not be eventlet",
    ]
    threads = platform(lambda document: document["env"].update(CELERY_WORKER_POOL={"default": "threads"}))
    assert list(checks.pools_are_supported(threads)) == []
