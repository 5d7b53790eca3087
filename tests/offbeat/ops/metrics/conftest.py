"""A token, and a scrape of /metrics as Prometheus makes it."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from offbeat.ops.metrics import counters

TOKEN = "a-token-of-the-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(autouse=True)
def token(settings):
    """Set METRICS_TOKEN."""
    settings.METRICS_TOKEN = TOKEN


@pytest.fixture
def scrape(client):
    """Read /metrics as Prometheus does: {(name, labels): value}."""

    def read(fold=True):
        if fold:
            counters.fold()
        text = client.get("/metrics", headers=BEARER).content.decode()
        return Scrape(text)

    return read


class Scrape:
    """The samples of one scrape."""

    def __init__(self, text):
        self.text = text
        self.samples = {
            (sample.name.removeprefix("offbeat_"), frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def __call__(self, name, **labels):
        return self.samples.get((name, frozenset(labels.items())))

    def names(self):
        return {name for name, _ in self.samples}
