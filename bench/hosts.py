"""`./run bench hosts`: workers on one, two and four hosts, a millisecond away from the servers; writes benchmarks-hosts.md.

The hosts are network namespaces of this machine (`bench.hosts_net`). They share its CPUs: what grows with hosts is measured by jobs
that wait, as for another server, and what a job costs by jobs that do nothing.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile

from bench.hosts_costs import cost_of_a_job
from bench.hosts_net import hosts, why_not
from bench.report import Report
from bench.stand import CHECKOUT, LEAN, WORKER, percentile, process, say, stand, wait_until

DELAY = 0.5  # ms each way
REST = 0.05  # seconds that a job waits
SLOTS = 2  # of each worker: see WORKER
PACE = 20  # jobs a second whose start is timed
SPAN = """
    SELECT count(*) / extract(epoch FROM max(finished_at) - min(started_at))
    FROM offbeat_jobs_job WHERE task = %s
"""
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"


def main():
    if reason := why_not():
        say(f"skipped: {reason}")
        return os.EX_UNAVAILABLE
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what is set up is removed
    found, costs = {}, {}
    with stand() as (postgres, redis):
        from offbeat.jobs import loss_token

        loss_token.check()  # else the first worker takes Redis for one that has lost its data
        costs = cost_of_a_job(postgres)
        for count, delay in ((1, 0), (1, DELAY), (2, DELAY), (4, DELAY)):
            found[count, delay] = measure(count, delay, postgres, redis)
            say(f"  {count} hosts, {2 * delay:g} ms: {found[count, delay]}")
    report = tell(found, costs)
    report.write()
    sys.stdout.write(report.text)
    return 0 if report.all_met else 1


def measure(count, delay, postgres, redis):
    """Return what so many hosts with a worker each do, beside one for the web."""
    from offbeat.jobs import broker
    from offbeat.jobs.models import Worker

    Worker.objects.all().delete()
    before = connections()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="offbeat-bench-"))
        web, *others = stack.enter_context(hosts(count + 1, delay, postgres.port, redis.port))
        for host in others:
            stack.enter_context(start_worker(host, postgres, redis, folder))
        wait_until(lambda: Worker.objects.count() == count, 120)
        idle = connections()
        found = {
            "waiting": rate("rest", count * 10 * SLOTS, REST) and rate("rest", count * 150 * SLOTS, REST)
        }
        found["nothing"] = rate("nothing", 1_500)
        busy = connections()
        broker.client().delete("bench:hosts")
        found |= produce(web, postgres, redis)
        times = [float(value) * 1000 for value in broker.client().lrange("bench:hosts", 20, -1)]
    found |= {"p50": percentile(times, 0.5), "p99": percentile(times, 0.99)}
    found |= {name: max(idle[name], busy[name]) - before[name] for name in before}
    return found


def start_worker(host, postgres, redis, folder):
    variables = {"OFFBEAT_JOBS_HEARTBEAT_FILE": f"{folder}/{host.name}"} | host.environment(
        postgres.url, redis.url
    )
    return process(host.command(f"{WORKER}{LEAN} --hostname worker@{host.name}"), **variables)


def rate(name, count, *args):
    """Return jobs a second, by the ledger's own times, of jobs that wait together for the workers."""
    from django.db import connection

    from bench import tasks
    from offbeat.jobs.models import Job

    # Not Redis, whose token would be missed: the workers that run would publish all jobs once more.
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE offbeat_jobs_job CASCADE")
    task = getattr(tasks, name)
    task.enqueue_many([(args, {})] * count)
    wait_until(lambda: not Job.objects.exclude(state__in=Job.FINISHED).exists(), pause=0.2)
    with connection.cursor() as cursor:
        cursor.execute(SPAN, [task.name])
        return float(cursor.fetchone()[0])


def produce(host, postgres, redis):
    """Let a host enqueue at a steady pace; return what it measured, once all jobs have begun."""
    from offbeat.jobs import broker

    count = 10 * PACE
    done = subprocess.run(
        host.command(f"{sys.executable} -m bench.hosts_web {count} {PACE}").split(),
        env=os.environ | host.environment(postgres.url, redis.url), cwd=CHECKOUT, check=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    wait_until(lambda: broker.client().llen("bench:hosts") == count, 60)
    return json.loads(done.stdout)


def connections():
    from django.db import connection

    from offbeat.jobs import broker

    with connection.cursor() as cursor:
        cursor.execute(CONNECTIONS)
        return {
            "postgres": cursor.fetchone()[0],
            "redis": broker.client().info("clients")["connected_clients"],
        }


def tell(found, costs):
    report = Report(CHECKOUT / "docs" / "offbeat" / "benchmarks-hosts.md", "Workers on several hosts")
    one, four = found[1, DELAY], found[4, DELAY]
    report.say(
        f"Written by `./run bench hosts` on {dt.datetime.now(dt.UTC):%Y-%m-%d}, Python {platform.python_version()}, "
        f"{os.cpu_count()} CPUs, PostgreSQL with fsync. Each host is a network namespace with one worker of {SLOTS} slots. "
        f"A program delays everything between a host and the servers by {DELAY:g} ms each way. All hosts share this machine's CPUs."
    )
    report.say("[scaling.md](scaling.md) says what follows from these figures.")
    tell_rates(report, found)
    report.target(
        "jobs that wait, on four hosts to one", four["waiting"] / one["waiting"], 3.5, at_least=True
    )
    report.target(
        "connections to PostgreSQL, four hosts to one", four["postgres"] / one["postgres"], 4, at_least=False
    )
    tell_costs(report, costs)
    return report


def tell_rates(report, found):
    report.head("Hosts")
    report.table(
        ["hosts, round trip", f"jobs that wait {REST * 1000:.0f} ms, jobs/s", "of the slots' limit", "empty jobs, jobs/s"],
        [
            [name(*key), f"{each['waiting']:.0f}", f"{each['waiting'] * REST / SLOTS / key[0]:.0%}", f"{each['nothing']:.0f}"]
            for key, each in found.items()
        ],
    )  # fmt: skip
    report.say("Empty jobs are bound by this machine's CPUs, so more hosts do not run more of them here.")
    report.table(
        ["hosts, round trip", "measured round trip to PostgreSQL, Redis, ms", "`enqueue`, ms", "start p50, ms", "start p99, ms",
         "connections to PostgreSQL", "to Redis"],
        [
            [name(*key), f"{each['PostgreSQL']:.1f}, {each['Redis']:.1f}", f"{each['enqueue']:.1f}", f"{each['p50']:.1f}",
             f"{each['p99']:.1f}", str(each["postgres"]), str(each["redis"])]
            for key, each in found.items()
        ],
    )  # fmt: skip


def tell_costs(report, costs):
    report.head("What one job costs")
    report.table(["", ""], [[what, value] for what, value in costs.items()])


def name(count, delay):
    return f"{count} host{'s' * (count > 1)}, {2 * delay:g} ms"


if __name__ == "__main__":
    sys.exit(main())
