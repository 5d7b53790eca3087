"""A ledger that is empty before each test: the ends of other tests' attempts must not be counted."""

import pytest

from offbeat.jobs import broker


@pytest.fixture
def ledger(transactional_db):
    """The database in autocommit, as processes see it."""
    from offbeat.ops.metrics.models import Counter, JobEnd  # noqa: PLC0415  the tests of models come after their apps

    JobEnd.objects.all().delete()
    Counter.objects.all().delete()


@pytest.fixture
def carrier(redis):
    """A client of an empty Redis; whatever a test does to Redis, the next one finds it well."""
    redis.start()
    broker.breaker.close()
    with redis.connect() as client:
        client.flushall()
        yield client
    redis.start()
    with redis.connect() as client:
        client.flushall()  # a test that does not empty it must not find another ledger's sign
    broker.breaker.close()
