"""Tools of others, for real: Prometheus scrapes and alerts, Grafana asks for what there is, Flower and celery-exporter attach."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from datetime import timedelta

import pytest
import yaml

from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.models import CronJob
from offbeat.dev.ports import LOOPBACK, free_port
from offbeat.jobs import broker
from offbeat.ops.metrics import page
from tests.offbeat.ops import peers
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import CHECKOUT
from tests.offbeat.support.stack import listens

MONITORING = CHECKOUT / "docs" / "offbeat" / "monitoring"
DASHBOARD = MONITORING / "grafana" / "dashboards" / "offbeat.json"
RULES = yaml.safe_load((MONITORING / "rules.yml").read_text())["groups"][0]["rules"]
TOKEN = "a-token-of-the-tests"
NAME = re.compile(r"\boffbeat_[a-z_]+")
SUFFIX = re.compile(r"_(bucket|count|sum|total)$")
needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is not installed: apt install prometheus"
)


def promtool(*arguments):
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)


def expressions():
    """Give every expression of the dashboard, its panel's title before it."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [(panel["title"], each["expr"]) for panel in panels for each in panel.get("targets", [])]


@pytest.fixture
def exported(ledger, carrier):
    """Give the names of the families that /metrics has."""
    return {SUFFIX.sub("", family.name) for family in page.families()}


@needs_promtool
def test_the_rules_are_well():
    """Prometheus' own tool accepts the alert rules, the configuration for scraping, and the rules' own tests."""
    for arguments in (
        ("check", "rules", MONITORING / "rules.yml"),
        ("check", "config", MONITORING / "prometheus.yml"),
        ("test", "rules", MONITORING / "rules_test.yml"),
    ):
        done = promtool(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_the_dashboard_speaks_promql(tmp_path):
    """Prometheus' own tool accepts every expression of the dashboard."""
    rules = [
        {"record": f"panel:{number}", "expr": expr.replace("$__rate_interval", "5m")}
        for number, (_, expr) in enumerate(expressions())
    ]
    path = tmp_path / "dashboard.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))

    done = promtool("check", "rules", path)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("where", "expr"), [*expressions(), *((rule["alert"], rule["expr"]) for rule in RULES)]
)
def test_nothing_asks_for_what_is_not_there(exported, where, expr):
    """A panel or a rule that names a metric which /metrics does not have would be silent for ever."""
    assert {SUFFIX.sub("", name) for name in NAME.findall(expr)} - exported == set()


def test_every_metric_is_documented(exported):
    """docs/offbeat/metrics.md has each metric by its name, and no other."""
    told = {
        SUFFIX.sub("", name)
        for name in NAME.findall((CHECKOUT / "docs" / "offbeat" / "metrics.md").read_text())
    }

    assert told == exported


def test_keda_scales_by_a_metric_that_is_there(exported):
    """The Kubernetes export asks Prometheus for the depth and the age of the queues by the names that they have."""
    source = (CHECKOUT / "src" / "offbeat" / "deployment" / "exporters" / "kubernetes_scalers.py").read_text()

    assert (
        set(NAME.findall(source)) == {"offbeat_queue_depth", "offbeat_queue_oldest_age_seconds"} <= exported
    )


@pytest.mark.skipif(
    not shutil.which("prometheus"), reason="prometheus is not installed: apt install prometheus"
)
def test_prometheus_fires_the_overdue_alert(stack, tmp_path):
    """A real Prometheus scrapes a running web process, and says that a cronjob which nobody wakes up is overdue."""
    stack.manage("tick")
    CronJob.objects.filter(pk="prune-jobs").update(cursor=database_now() - timedelta(days=8))
    web = stack.web(METRICS_TOKEN=TOKEN)
    address = prometheus(stack, web, tmp_path)

    alerts = wait_until(lambda: firing(address, "OffbeatCronjobOverdue"), seconds=60)

    assert [alert["labels"]["subject"] for alert in alerts] == ["prune-jobs"]
    assert alerts[0]["annotations"]["summary"] == "The cronjob prune-jobs is overdue"
    wait_until(
        lambda: [each["health"] for each in targets(address)] == ["up"]
    )  # a scrape may have been too slow


def targets(address):
    return ask(f"{address}/api/v1/targets")["data"]["activeTargets"]


def prometheus(stack, web, folder):
    """Start a Prometheus with the shipped configuration, in a hurry and for this web process."""
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "3s", "evaluation_interval": "1s", "scrape_timeout": "3s"}
    (scrape,) = config["scrape_configs"]
    scrape["authorization"]["credentials"] = TOKEN
    scrape["static_configs"] = [{"targets": [web.browser.address.removeprefix("http://")]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    shutil.copy(MONITORING / "rules.yml", folder)
    port = free_port()
    stack.start(
        "prometheus",
        [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={LOOPBACK}:{port}",
        ],
    )
    address = f"http://{LOOPBACK}:{port}"
    wait_until(lambda: answers(f"{address}/-/ready"))
    return address


def answers(url):
    try:
        return bool(read(url))
    except OSError:  # not listening, or not ready yet
        return False


def firing(address, name):
    alerts = ask(f"{address}/api/v1/alerts")["data"]["alerts"]
    return [each for each in alerts if each["labels"]["alertname"] == name and each["state"] == "firing"]


def ask(url, user=None):
    return json.loads(read(url, user))


def read(url, user=None):
    headers = {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()} if user else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:  # noqa: S310  a process of ours
        return answer.read().decode()


def beside(stack, folder):
    """Put a peer's packages behind the project's."""
    return {"PYTHONPATH": os.pathsep.join([stack.environment["PYTHONPATH"], str(folder)])}


def test_flower_attaches(stack):
    """A real Flower, behind a password, shows a worker with remote control and events, and the tasks that it runs."""
    stack.worker(WORKER_REMOTE_CONTROL="true", WORKER_TASK_EVENTS="true")
    port, user = free_port(), "flower:offbeat"
    stack.start(
        "flower",
        [sys.executable, "-m", "celery", "--workdir", "src", "--config", "offbeat.flower", "flower",
         f"--address={LOOPBACK}", f"--port={port}", f"--basic-auth={user}"],
        **beside(stack, peers.flower()),
    )  # fmt: skip
    wait_until(lambda: listens(port), seconds=60)
    wait_until(lambda: ask(f"http://{LOOPBACK}:{port}/api/workers", user))

    stack.manage("enqueue_prune_jobs", "--now")
    tasks = wait_until(lambda: succeeded(ask(f"http://{LOOPBACK}:{port}/api/tasks", user)))

    assert [task["name"] for task in tasks] == ["offbeat.jobs.tasks.prune"]
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        ask(f"http://{LOOPBACK}:{port}/api/workers")
    refused.value.close()


def succeeded(tasks):
    return [task for task in tasks.values() if task["state"] == "SUCCESS"]


def test_celery_exporter_attaches(stack):
    """A real celery-exporter counts the tasks of a worker that sends events."""
    stack.worker(WORKER_TASK_EVENTS="true")
    port = free_port()
    stack.start(
        "celery-exporter",
        [sys.executable, "-m", "celery_exporter", "--broker-url", stack.environment["REDIS_URL"],
         "--transport-options", json.dumps({"global_keyprefix": broker.prefix()}), "--listen-address", f"{LOOPBACK}:{port}"],
        **beside(stack, peers.exporter()),
    )  # fmt: skip
    wait_until(lambda: listens(port), seconds=60)
    with stack.redis.connect() as client:
        wait_until(lambda: client.scard(broker.key("_kombu.binding.celeryev")))

    stack.manage("enqueue_prune_jobs", "--now")

    counted = re.compile(
        r'^celery_tasks_total\{[^}]*name="offbeat\.jobs\.tasks\.prune"[^}]*state="SUCCESS"[^}]*\} 1\.0$',
        re.MULTILINE,
    )
    assert wait_until(lambda: counted.search(read(f"http://{LOOPBACK}:{port}/metrics")))
