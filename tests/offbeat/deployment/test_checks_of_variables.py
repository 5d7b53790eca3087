"""The system checks of platform.yaml's env: what the settings require, and what nothing reads."""

import pytest

from offbeat.deployment import checks
from offbeat.deployment.env_use import read_variables, required_variables
from tests.offbeat.deployment.shipped_file import platform


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
