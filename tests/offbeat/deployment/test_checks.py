"""The system checks: platform.yaml against the code."""

import re
from types import SimpleNamespace

import pytest
import yaml
from django.core import checks as django_checks

from offbeat import pools
from offbeat.deployment import budget, checks, spec
from offbeat.deployment.env_use import read_variables, required_variables
from tests.offbeat.sample_project import celery_app as celery


def platform(change=None):
    """Read the shipped platform.yaml, after a change to its document."""
    document = yaml.safe_load(spec.PLATFORM_FILE.read_text())
    if change:
        change(document)
    return spec.parse(yaml.safe_dump(document))


def cronjob(command):
    return platform(lambda document: document["cronjobs"][0].update(command=command))


def test_the_template_passes_its_own_checks():
    """A fresh clone has nothing to mend."""
    assert django_checks.run_checks(tags=["deployment"]) == []


def test_a_broken_file_is_an_error_a_line(monkeypatch, tmp_path):
    """Django's own `check` tells what is wrong with platform.yaml (E001)."""
    broken = tmp_path / "platform.yaml"
    broken.write_text("name: x\nservces: []\n")
    read = spec.read
    monkeypatch.setattr(spec, "read", lambda: read(broken))

    found = checks.check_deployment()

    assert {each.id for each in found} == {"offbeat_deployment.E001"}
    assert "platform.yaml: servces: unknown key (did you mean services?)" in [each.msg for each in found]


def test_a_command_that_does_not_exist_is_refused():
    """A misspelt command would fail in the night, not in the review (E002)."""
    (error,) = checks.cronjob_commands(cronjob("python manage.py enqueue_prune_job"))

    assert error.id == "offbeat_deployment.E002"
    assert error.msg == (
        "platform.yaml: cronjobs/prune-jobs/command: should be a management command, "
        'got "enqueue_prune_job" (did you mean enqueue_prune_jobs?)'
    )


def test_a_command_of_an_app_that_is_not_installed(monkeypatch, tmp_path):
    """Where the command's file is there, the hint is what Django lacks: the app's name in the settings (E002)."""
    command = tmp_path / "src/shop/management/commands/enqueue_count_users.py"
    command.parent.mkdir(parents=True)
    command.touch()
    entries = [cronjob(f"python manage.py {name}") for name in ("enqueue_count_users", "enqueue_count_them")]
    monkeypatch.setattr(spec, "PLATFORM_FILE", tmp_path / "platform.yaml")

    there, missing = (next(checks.cronjob_commands(each)) for each in entries)

    assert there.hint == (
        "src/shop/management/commands/enqueue_count_users.py exists: "
        'add "shop" to INSTALLED_APPS in src/config/settings.py.'
    )
    assert missing.hint.startswith(
        "Add src/<app>/management/commands/enqueue_count_them.py, of an app in INSTALLED_APPS"
    )


def test_a_command_that_is_no_management_command_is_refused():
    """Only management commands take part in slots and exit codes (E002)."""
    (error,) = checks.cronjob_commands(cronjob("curl https://example.com/cron"))

    assert 'should be "python manage.py ...", got "curl https://example.com/cron"' in error.msg


@pytest.mark.parametrize("python", ["python", "python3", "python3.12", "/opt/venv/bin/python"])
def test_any_python_runs_a_management_command(python):
    """The name of the interpreter differs from place to place."""
    assert checks.management_command([python, "manage.py", "release"]) == "release"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("Procfile", "beat: celery -A config beat\n"),
        ("compose.yaml", "services:\n  beat:\n    command: celery -A config beat\n"),
        ("Procfile", "worker: /app/.venv/bin/celery -A config worker -B\n"),
        ("Procfile", "worker: python manage.py worker --queues default -B\n"),
        ("Procfile", "beat: sh -c 'cd src && celery -A config beat\n"),
        (
            "docker-compose.yml",
            'services:\n  worker:\n    command: ["celery", "-A", "config", "worker", "-B"]\n',
        ),
    ],
)
def test_beat_is_found_wherever_it_would_start(monkeypatch, tmp_path, file, text):
    """Beside the platform's cronjobs, Beat would do everything twice (E003)."""
    (tmp_path / file).write_text(text)
    shipped = platform()
    monkeypatch.setattr(spec, "PLATFORM_FILE", tmp_path / "platform.yaml")

    (error,) = checks.no_beat(shipped)

    assert error.id == "offbeat_deployment.E003"
    assert error.msg.startswith(f"{file}: ")
    assert "should not run Celery Beat" in error.msg


def test_a_beat_schedule_is_refused(settings):
    """An entry of CELERY_BEAT_SCHEDULE would never run here: nobody starts Beat (E003)."""
    settings.CELERY_BEAT_SCHEDULE = {"digest": {"task": "digest", "schedule": 60}}

    (error,) = checks.no_beat(platform())

    assert "CELERY_BEAT_SCHEDULE: should be empty" in error.msg


def test_the_older_name_of_a_schedule_is_refused(settings):
    """Celery without a namespace reads CELERYBEAT_SCHEDULE: who brings it must not believe that it runs (E003)."""
    settings.CELERYBEAT_SCHEDULE = {"digest": {"task": "digest", "schedule": 60}}

    (error,) = checks.no_beat(platform())

    assert "CELERYBEAT_SCHEDULE: should be empty" in error.msg
    assert error.hint.startswith("Run python manage.py import_beat")


def test_a_schedule_that_the_code_sets_is_refused(monkeypatch):
    """beat_schedule of the Celery app, filled by code or by add_periodic_task, would never run either (E003)."""
    monkeypatch.setitem(celery.conf.beat_schedule, "digest", {"task": "digest", "schedule": 60})

    (error,) = checks.no_beat(platform())

    assert error.id == "offbeat_deployment.E003"
    assert "beat_schedule of the Celery app: should be empty" in error.msg


def test_a_grace_shorter_than_the_stop_is_refused(settings):
    """The platform would kill the worker before its jobs return to the queue (E004)."""
    settings.OFFBEAT_JOBS = {"drain": 75}

    (error,) = checks.grace_outlasts_stop(platform())

    assert error.id == "offbeat_deployment.E004"
    assert "services/worker/grace: should be more than the 75 s" in error.msg
    assert error.hint == "Set WORKER_GRACE=60, as exports do, or increase grace in platform.yaml."


def test_a_queue_that_nobody_consumes_is_refused():
    """Jobs of such a queue would wait for ever (E005)."""

    def without_mail(document):
        worker = document["services"][1]
        worker["command"] = worker["command"].replace("default,mail", "default")
        worker["queues"] = ["default"]

    (error,) = checks.queues_are_consumed(platform(without_mail))

    assert error.id == "offbeat_deployment.E005"
    assert re.search(r'no service consumes the queue "mail", which the task \S+ uses', error.msg)


def test_a_variable_that_the_settings_require_must_reach_every_process():
    """A worker without SECRET_KEY does not start, and nobody looks at it (E006)."""
    (error,) = checks.env_is_complete(platform(lambda document: document["env"].pop("SECRET_KEY")))

    assert error.id == "offbeat_deployment.E006"
    assert error.msg.startswith(
        "platform.yaml: env/SECRET_KEY: should be required, generated or with a default"
    )


def without_redis(document, **env):
    del document["resources"]["redis"]
    document["env"] |= env


@pytest.mark.parametrize(
    "broker",
    [
        {"rabbitmq": {"version": "4", "injects": "BROKER_URL"}},
        {"BROKER_URL": {"required": True, "secret": True}},
        {"BROKER_URL": {"default": "sqs://"}},
        {"REDIS_URL": {"required": True}},
    ],
)
def test_a_broker_may_come_from_anywhere(broker):
    """RabbitMQ of the platform, or the address of any broker, which a person sets or the file says."""

    def change(document):
        without_redis(document, **{name: each for name, each in broker.items() if name != "rabbitmq"})
        document["resources"] |= {name: each for name, each in broker.items() if name == "rabbitmq"}

    assert list(checks.env_is_complete(platform(change))) == []


@pytest.mark.parametrize(
    "env", [{}, {"BROKER_URL": {}}, {"BROKER_URL": {"default": "sqs://", "services": ["worker"]}}]
)
def test_a_broker_must_come_from_somewhere(env):
    """Without one, or where some processes get none, no job reaches a worker (E006)."""
    (error,) = checks.env_is_complete(platform(lambda document: without_redis(document, **env)))

    assert error.id == "offbeat_deployment.E006"
    assert (
        error.msg
        == "platform.yaml: resources: should have redis or rabbitmq: jobs need one to reach a worker"
    )
    assert "write REDIS_URL or BROKER_URL: {required: true, secret: true} under env" in error.hint


def test_a_variable_that_nothing_reads_is_a_warning():
    """A misspelt variable is set on every platform, and has no effect (W007)."""
    (warning,) = checks.env_is_used(platform(lambda document: document["env"].update(LOG_LEVL={})))

    assert warning.id == "offbeat_deployment.W007"
    assert warning.msg == "platform.yaml: env/LOG_LEVL: nothing reads it (did you mean LOG_LEVEL?)"


def test_a_variable_for_a_library_is_no_warning():
    """What boto3 or New Relic read is not in our source; a name that is like none of ours is theirs."""
    names = ("AWS_ACCESS_KEY_ID", "NEW_RELIC_LICENSE_KEY", "CRONJOBS_OWNER", "DATABASE_URL_OF_READS")
    others = platform(lambda document: document["env"].update({name: {} for name in names}))

    assert list(checks.env_is_used(others)) == []


def test_a_variable_that_is_read_by_its_beginning_is_no_warning():
    """OFFBEAT_JOBS_<NAME> overrides an interval of the ledger, whatever its name."""
    override = platform(lambda document: document["env"].update(OFFBEAT_JOBS_RELAY_INTERVAL={"default": "2"}))

    assert list(checks.env_is_used(override)) == []


def test_a_misspelt_number_of_ours_is_a_warning():
    """With the name that is meant: every process would refuse to start (W007)."""
    misspelt = platform(lambda document: document["env"].update(OFFBEAT_JOBS_DRAN={"default": "2"}))

    (warning,) = checks.env_is_used(misspelt)

    assert warning.msg.endswith("OFFBEAT_JOBS_DRAN: nothing reads it (did you mean OFFBEAT_JOBS_DRAIN?)")


def test_a_project_may_live_in_a_folder_of_any_name(tmp_path):
    """Only this package is left out of the source that is searched, not a project under .../deployment/."""
    source = tmp_path / "deployment" / "src"
    (source / "deployment").mkdir(parents=True)
    (source / "deployment" / "own.py").write_text('env.text("OF_A_PROJECT")')

    assert "OF_A_PROJECT" in read_variables(source)
    assert "OF_A_PROJECT" not in read_variables()


def test_the_settings_are_those_of_the_core_and_of_the_project(tmp_path, monkeypatch):
    """A variable that the project's own settings require is required, beside those of the core."""
    (tmp_path / "shop_settings.py").write_text(
        'from offbeat.settings import *\n\nSHOP_KEY = env.text("SHOP_KEY")\nSHOP = env.text("SHOP", "")\n'
    )
    monkeypatch.syspath_prepend(tmp_path)

    assert required_variables("shop_settings") - required_variables() == {"SHOP_KEY"}
    assert "SECRET_KEY" in required_variables("shop_settings")


def test_the_settings_tell_what_they_require():
    """Required is what the settings read without a default, or with one that is None in production."""
    assert required_variables() == {"ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL", "SECRET_KEY"}
    assert {"SENTRY_DSN", "WEB_THREADS"} <= read_variables()


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


def test_a_compose_file_of_another_name_is_a_warning(monkeypatch, tmp_path):
    """Renamed in platform.yaml alone, a project would share containers and volumes with the one of its old name (W010)."""
    (tmp_path / "compose.yaml").write_text("name: other\nservices: {}\n")
    ours = platform()
    monkeypatch.setattr(spec, "PLATFORM_FILE", tmp_path / "platform.yaml")

    (warning,) = checks.compose_has_the_name(ours)
    (tmp_path / "compose.yaml").write_text(f"name: {ours.name}\nservices: {{}}\n")

    assert warning.id == "offbeat_deployment.W010"
    assert warning.msg == f'compose.yaml: name: should be "{ours.name}", as platform.yaml has it, got "other"'
    assert list(checks.compose_has_the_name(ours)) == []


def test_an_image_that_does_not_know_process(monkeypatch, tmp_path):
    """Where an export counts on PROCESS, and the Dockerfile is one of before (W012)."""
    monkeypatch.setattr(spec, "PLATFORM_FILE", tmp_path / "platform.yaml")
    (tmp_path / "Dockerfile").write_text('CMD ["python", "src/offbeat/gunicorn.py"]\n')
    assert list(checks.image_knows_process(platform)) == []

    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "pandastack.md").write_text("| `PROCESS` | `worker` |\n")
    (warning,) = checks.image_knows_process(platform)
    made = "RUN python src/offbeat/deployment/process.py > process.sh\n"
    (tmp_path / "Dockerfile").write_text(
        f'{made}# CMD process.sh\nCMD ["python", "src/offbeat/gunicorn.py"]\n'
    )
    (half,) = checks.image_knows_process(platform)
    (tmp_path / "Dockerfile").write_text(
        f'{made}CMD ["sh", \\\n  "/app/process.sh"]\nENTRYPOINT ["tini", "--"]\n'
    )

    assert "Dockerfile: does not start process.sh by its CMD, and deploy/pandastack.md" in half.msg
    assert warning.id == "offbeat_deployment.W012"
    assert "Dockerfile: does not make process.sh, and deploy/pandastack.md relies on PROCESS" in warning.msg
    assert list(checks.image_knows_process(platform)) == []


@pytest.mark.parametrize(("given", "refused"), [("auto", 1), ("", 1), ('"2"', 1), ("2", 0), (None, 0)])
def test_what_gunicorn_cannot_read(monkeypatch, given, refused):
    """A command that begins with gunicorn hands it WEB_CONCURRENCY as it is (E011); ours does not."""
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    if given is not None:
        monkeypatch.setenv("WEB_CONCURRENCY", given)
    ours, theirs = (
        SimpleNamespace(services=[SimpleNamespace(name="web", argv=command.split())])
        for command in ("python src/offbeat/gunicorn.py", ".venv/bin/gunicorn config.wsgi")
    )

    assert list(checks.gunicorn_starts(ours)) == []
    assert len(list(checks.gunicorn_starts(theirs))) == refused
