"""Redis behind TLS, by every spelling of its address: publishing and consuming agree on whether it can be trusted."""

from __future__ import annotations

import json
import os

import pytest

from offbeat.deployment.spec import read
from offbeat.jobs.models import Job
from tests.offbeat.faults.tls import TLS, certificate, signed
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
def authority(faults, tmp_path):
    """A private authority, and a Redis whose certificate it has signed."""
    ours = certificate(tmp_path, "authority")
    return ours, TLS(faults.redis.url, *signed(tmp_path, "server", ours))


def doctor(stack):
    """Return what the doctor finds: level and text, by name."""
    found = json.loads(stack.manage("doctor", "--json").stdout)["findings"]
    return {each["name"]: (each["level"], each["found"]) for each in found}


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
    if options.endswith("NONE"):  # which the variable must say, too
        faults.stack.environment["REDIS_TLS_VERIFY"] = "false"
    faults.stack.environment["REDIS_URL"] = tls.url(options.format(ca=certificates[0][0]))
    faults.worker(
        OFFBEAT_JOBS_RELAY_INTERVAL="600", OFFBEAT_JOBS_LOST_MESSAGE_AFTER="600"
    )  # nobody else publishes it

    done = faults.stack.manage("shell", "-c", ENQUEUE, OFFBEAT_JOBS_PUBLISH_TIMEOUT="10")

    assert (done.returncode, done.stderr) == (0, "")
    wait_until(lambda: Job.objects.filter(state="succeeded").count() == 1, seconds=60)


@pytest.mark.pools(weekly=("threads",))
@pytest.mark.fault("Redis' certificate cannot be verified")
@pytest.mark.parametrize("mistake", ["another authority", "another name"])
def test_a_certificate_that_does_not_fit(faults, tls, certificates, mistake):
    """Neither library connects, and both say why: the job waits in PostgreSQL."""
    wrong = mistake == "another authority"
    level = "optional" if wrong else "CERT_REQUIRED"  # a client verifies with either
    query = f"ssl_cert_reqs={level}&ssl_ca_certs={certificates[wrong][0]}"
    faults.stack.environment["REDIS_URL"] = tls.url(query, host="127.0.0.1" if wrong else "localhost")
    with faults.redis.connect() as client:
        client.flushall()
    worker = faults.stack.start("worker", read().service("worker").argv)

    done = faults.stack.manage("shell", "-c", ENQUEUE)

    assert REFUSED in done.stderr
    worker.wait_for("Cannot connect to rediss://", seconds=60)
    wait_until(lambda: worker.output.count(REFUSED) > 1, seconds=30)
    assert "waits" in worker.output
    with faults.redis.connect() as client:
        assert client.keys("*") == []
    wait_until(lambda: Job.objects.get().state == "pending")


def test_an_authority_of_ones_own(faults, authority):
    """REDIS_CA names it, as a dashboard of one line holds it: a job is done, and the doctor says verified."""
    (certificate_file, _), server = authority
    given = certificate_file.read_text().replace("\n", "\\n")
    cache = TLS(faults.redis.url, *signed(certificate_file.parent, "cache", authority[0]))
    faults.stack.environment |= {"REDIS_URL": server.url(), "CACHE_URL": cache.url(), "REDIS_CA": given}
    faults.worker()

    done = faults.stack.manage("shell", "-c", ENQUEUE, OFFBEAT_JOBS_PUBLISH_TIMEOUT="10")

    assert (done.returncode, done.stderr) == (0, "")
    wait_until(lambda: Job.objects.filter(state="succeeded").count() == 1, seconds=60)
    found = doctor(faults.stack)
    assert found["Redis TLS"] == found["cache default TLS"] == ("green", "TLSv1.3, verified")


def test_an_authority_that_has_not_signed_it(faults, authority, certificates):
    """Nothing connects, and the doctor says why."""
    faults.stack.environment |= {"REDIS_URL": authority[1].url(), "REDIS_CA": certificates[1][0].read_text()}

    assert REFUSED in doctor(faults.stack)["Redis"][1]


@pytest.mark.parametrize(
    ("query", "variables", "found"),
    [
        ("", {"REDIS_TLS_VERIFY": "false"}, "its certificate is not verified"),
        ("ssl_check_hostname=false&ssl_ca_certs={ca}", {}, "its certificate is verified, its name is not"),
    ],
)
def test_the_doctor_says_what_is_in_force(faults, authority, query, variables, found):
    """What it reports is that of a connection, not of a setting."""
    (certificate_file, _), server = authority
    faults.stack.environment |= {"REDIS_URL": server.url(query.format(ca=certificate_file))} | variables

    assert doctor(faults.stack)["Redis TLS"] == ("yellow", f"TLSv1.3, {found}")


def test_an_address_does_not_switch_it_off(faults, authority):
    """Verification ends by the variable alone, for all to see; an address that says so ends the process with 78."""
    faults.stack.environment["REDIS_URL"] = authority[1].url("ssl_cert_reqs=none")

    done = faults.stack.manage("check")

    assert done.returncode == os.EX_CONFIG
    assert done.stderr.startswith("Error: REDIS_URL: ssl_cert_reqs=none contradicts REDIS_TLS_VERIFY=true")


def test_tls_to_a_server_that_speaks_none(faults):
    """Neither library connects, and neither hangs."""
    faults.stack.environment["REDIS_URL"] = faults.redis.url.replace("redis://", "rediss://")
    worker = faults.stack.start("worker", read().service("worker").argv)

    done = faults.stack.manage("shell", "-c", ENQUEUE)

    assert "jobs wait for Redis" in done.stderr
    worker.wait_for("Cannot connect to rediss://", seconds=60)
    assert Job.objects.get().state == "pending"
