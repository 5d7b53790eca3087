"""Redis behind TLS, by every spelling of its address: publishing and consuming agree on whether it can be trusted."""

from __future__ import annotations

import pytest

from offbeat.deployment.spec import read
from offbeat.jobs.models import Job
from tests.offbeat.faults.tls import TLS, certificate
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.faults

ENQUEUE = "from tests.offbeat.faults.effects import tasks; tasks.work.enqueue('over TLS')"
REFUSED = "CERTIFICATE_VERIFY_FAILED"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """That of the server, and one that has nothing to do with it."""
    folder = tmp_path_factory.mktemp("tls")
    return certificate(folder, "ours"), certificate(folder, "another")


@pytest.fixture
def tls(faults, certificates):
    return TLS(faults.redis.url, *certificates[0])


@pytest.mark.parametrize(
    "options",
    [
        "ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs={ca}",
        "ssl_cert_reqs=required&ssl_ca_certs={ca}",
        "ssl_ca_certs={ca}",
        "ssl_cert_reqs=CERT_NONE",
    ],
)
def test_a_job_over_tls(faults, tls, certificates, options):
    """It is published, taken and done, whichever library's spelling the address has."""
    faults.stack.environment["REDIS_URL"] = tls.url(options.format(ca=certificates[0][0]))
    faults.worker(
        OFFBEAT_JOBS_RELAY_INTERVAL="600", OFFBEAT_JOBS_LOST_MESSAGE_AFTER="600"
    )  # nobody else publishes it

    done = faults.stack.manage("shell", "-c", ENQUEUE)

    assert (done.returncode, done.stderr) == (0, "")
    wait_until(lambda: Job.objects.filter(state="succeeded").count() == 1, seconds=60)


@pytest.mark.parametrize("mistake", ["another authority", "another name"])
def test_a_certificate_that_does_not_fit(faults, tls, certificates, mistake):
    """Neither library connects, and both say why: the job waits in PostgreSQL."""
    wrong = mistake == "another authority"
    query = f"ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs={certificates[wrong][0]}"
    faults.stack.environment["REDIS_URL"] = tls.url(query, host="127.0.0.1" if wrong else "localhost")
    worker = faults.stack.start("worker", read().service("worker").argv)

    done = faults.stack.manage("shell", "-c", ENQUEUE)

    assert REFUSED in done.stderr
    worker.wait_for("Cannot connect to rediss://", seconds=60)
    wait_until(lambda: worker.output.count(REFUSED) > 1, seconds=30)
    assert "waits" in worker.output
    with faults.redis.connect() as client:
        assert client.keys("*") == []
    wait_until(lambda: Job.objects.get().state == "pending")


def test_tls_to_a_server_that_speaks_none(faults):
    """Neither library connects, and neither hangs."""
    faults.stack.environment["REDIS_URL"] = faults.redis.url.replace("redis://", "rediss://")
    worker = faults.stack.start("worker", read().service("worker").argv)

    done = faults.stack.manage("shell", "-c", ENQUEUE)

    assert "jobs wait for Redis" in done.stderr
    worker.wait_for("Cannot connect to rediss://", seconds=60)
    assert Job.objects.get().state == "pending"
