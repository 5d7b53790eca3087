"""A web service under hostile clients, beside its ordinary work: `./run bench web` writes docs/offbeat/benchmarks-web.md."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import os
import platform
import statistics
import sys
import threading
import time

import psutil

from bench.report import Report
from bench.stand import CHECKOUT, percentile, process, say, stand, wait_until
from bench.web_load import CLIENTS, SECRET, WAKE_UPS_A_MINUTE

COMMAND = "gunicorn --config src/offbeat/gunicorn.py config.wsgi --bind 127.0.0.1:{port}"
LOAD = f"{sys.executable} -m bench.web_load {{port}} {{kinds}} {{file}}"
PROCESSES = 2
SECONDS = 8.0  # of each load
PATIENCE = 3.0  # after which a probe gives up
P99 = 200.0  # ms
MEMORY = 512  # MiB, what platform.yaml gives to web
KINDS = {
    "nothing else": "",
    f"{CLIENTS} slow clients": "slow",
    f"{WAKE_UPS_A_MINUTE:,} wake-ups a minute": "wake-ups",
    "bodies of 10 MB, twenty at once": "bodies",
    "all of it": "slow,wake-ups,bodies",
}


def main():
    from offbeat.dev.ports import free_port

    found, rest = {}, {}
    with stand() as (postgres, _):
        for name, kinds in KINDS.items():
            found[name], rest[name] = measure(free_port(), kinds, postgres)
            say(f"  web, {name}: p99 {found[name]['p99']:.0f} ms, {found[name]['peak']:.0f} MiB")
        plain, _ = measure(free_port(), "slow", postgres, " --worker-class gthread", seconds=6)
    report = Report(CHECKOUT / "docs" / "offbeat" / "benchmarks-web.md", "What hostile clients cost")
    tell(report, found, rest, plain)
    report.write()
    sys.stdout.write(report.text)
    return 0 if report.all_met else 1


def measure(port, kinds, postgres, options="", seconds=SECONDS):
    """Return what /healthz took under a load, and what became of the load."""
    file = postgres.folder.parent / f"load-{port}.json"
    environment = {"DJANGO_SETTINGS_MODULE": "config.settings", "CRON_SECRET": SECRET, "PORT": str(port)}
    with process(COMMAND.format(port=port) + options, WEB_CONCURRENCY=str(PROCESSES), **environment) as web:
        wait_until(lambda: probe(port) is not None)
        if not kinds:
            return watch(web, port, seconds), {}
        with process(LOAD.format(port=port, kinds=kinds, file=file)) as load:
            wait_until(file.exists)  # the slow ones are there
            values = watch(web, port, seconds)
            load.terminate()
            load.wait(20)
        return values, json.loads(file.read_text())


def watch(web, port, seconds):
    """Ask for /healthz twenty times a second, on a connection of its own each; give up after PATIENCE."""
    times, peak, misses = [], [0.0], 0
    stop = threading.Event()
    threading.Thread(target=weigh, args=(web, peak, stop), daemon=True).start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        taken = probe(port)
        misses += taken is None
        times.append(PATIENCE * 1000 if taken is None else taken)
        time.sleep(0.05)
    stop.set()
    return {
        "p50": statistics.median(times),
        "p99": percentile(times, 0.99),
        "peak": peak[0],
        "asked": len(times),
        "misses": misses,
    }


def probe(port):
    """Return the milliseconds of an answer, None where there was none."""
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return (time.monotonic() - begun) * 1000


def weigh(web, peak, stop):
    """Keep the most memory that the service's processes have had, in MiB; a page that they share counts once."""
    while not stop.wait(0.25):
        family = [psutil.Process(web.pid), *psutil.Process(web.pid).children()]
        sizes = []
        for each in family:
            try:
                sizes.append(each.memory_full_info().pss)
            except psutil.Error:
                continue  # replaced, after its thousand requests
        peak[0] = max(peak[0], sum(sizes) / 2**20)


def tell(report, found, rest, plain):
    report.say(
        f"Written by `./run bench web` on {dt.datetime.now(dt.UTC):%Y-%m-%d}, Python {platform.python_version()}, "
        f"{os.cpu_count()} CPUs, everything on one machine, the clients included. {PROCESSES} processes with 4 threads each, "
        f"{SECONDS:.0f} s a load; what is measured is `/healthz`, on a new connection each time. "
        "Slow clients have sent half a head, half a body or a chunk, add a byte a second, and come back when they are thrown out."
    )
    rows = [
        [
            name,
            *(f"{value[key]:,.0f}" for key in ("p50", "p99", "peak")),
            f"{value['misses']} of {value['asked']}",
        ]
        for name, value in {**found, f"{CLIENTS} slow clients, gunicorn's own gthread": plain}.items()
    ]
    report.table(["beside", "p50, ms", "p99, ms", "memory, MiB", f"no answer in {PATIENCE:.0f} s"], rows)
    everything, load = found["all of it"], rest["all of it"]
    report.target("`/healthz` beside all of it, p99 in ms", everything["p99"], P99, at_least=False)
    report.target("memory beside all of it, MiB", everything["peak"], MEMORY, at_least=False)
    report.target("wake-ups answered with 200, %", share(load, "wake-ups", "200"), 99, at_least=True)
    report.target("bodies answered with 413, %", share(load, "bodies", "413"), 99, at_least=True)
    report.say(f"Answers by status, under all of these loads: `{json.dumps(load)}`.")


def share(load, kind, status):
    answers = load[kind]
    return 100 * answers.get(status, 0) / max(1, sum(answers.values()))


if __name__ == "__main__":
    sys.exit(main())
