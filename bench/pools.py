"""`./run bench pools`: jobs that wait for an HTTP answer, in each pool, at the same memory."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import time
from pathlib import Path

import psutil

from bench.report import Report
from bench.stand import CHECKOUT, percentile, process, say, stand, wait_until
from offbeat.dev.ports import LOOPBACK, free_port

ANSWER = 0.2  # seconds that the server takes
JOBS = 1_000
SLOW_JOBS = 100  # for prefork: the rate is the same with fewer
WARM_UP = 20
POOLS = {"prefork": 2, "threads": 50, "gevent": 100}  # with so many at a time
WORKER = "python manage.py worker --queues default --loglevel warning"
TARGET = 10


async def answer(reader, writer):
    """Answer one request, slowly; a thousand may wait at a time."""
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(ANSWER)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    writer.close()


def serve(port):
    async def run():
        server = await asyncio.start_server(answer, LOOPBACK, port, backlog=1_000)
        await server.serve_forever()

    asyncio.run(run())


@contextlib.contextmanager
def slow_server():
    port = free_port()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=[port], daemon=True)
    server.start()
    try:
        yield f"http://{LOOPBACK}:{port}/"
    finally:
        server.kill()
        server.join()


def megabytes(pid):
    """Return the memory of a worker with all its processes: shared pages are counted once (PSS)."""
    worker = psutil.Process(pid)
    family = [worker, *worker.children(recursive=True)]
    return sum(each.memory_full_info().pss for each in family) / 2**20


def finished():
    from offbeat.jobs.models import Job

    return Job.objects.filter(state="succeeded").count()


def measure(pool, slots, url):
    """Return jobs a second, and the memory while they ran."""
    from bench.tasks import fetch
    from offbeat.jobs.models import Job

    Job.objects.all().delete()
    count = SLOW_JOBS if pool == "prefork" else JOBS
    fetch.enqueue_many(((url,), {}) for _ in range(count + WARM_UP))
    with process(f"{WORKER} --pool {pool} --concurrency {slots}") as worker:
        wait_until(lambda: finished() >= WARM_UP)
        begun, before, memory = time.monotonic(), finished(), []
        while (done := finished()) < count + WARM_UP:
            memory.append(megabytes(worker.pid))
            time.sleep(0.1)
        rate = (done - before) / (time.monotonic() - begun)
    say(f"  {pool} with {slots}: {rate:.0f} jobs a second, {max(memory):.0f} MB")
    return rate, percentile(memory, 0.9)


def main():
    with stand(), slow_server() as url:
        found = {pool: measure(pool, slots, url) for pool, slots in POOLS.items()}
    write(found).write()


def write(found):
    report = Report(Path(CHECKOUT / "docs/offbeat/benchmarks-pools.md"), "Benchmark: pools")
    report.say(
        f"`./run bench pools` writes this page. {JOBS:,} jobs each wait {ANSWER * 1000:.0f} ms for an answer "
        "of a local HTTP server.\nThey are durable jobs: PostgreSQL commits each of them with fsync. "
        "[pools.md](pools.md) says which pool fits what."
    )
    report.say(
        "Memory is that of all processes of the worker, shared pages counted once (PSS). "
        "The last column is the rate for each megabyte, compared with prefork."
    )
    base = found["prefork"][0] / found["prefork"][1]
    factors = {pool: rate / memory / base for pool, (rate, memory) in found.items()}
    report.table(
        ["pool", "at a time", "jobs a second", "memory in MB", "times prefork at the same memory"],
        [
            [f"`{pool}`", str(POOLS[pool]), f"{rate:.0f}", f"{memory:.0f}", f"{factors[pool]:.1f}"]
            for pool, (rate, memory) in found.items()
        ],
    )
    report.picture("pools", {pool: rate for pool, (rate, _) in found.items()}, "jobs a second")
    best = max(factors["threads"], factors["gevent"])
    report.target(
        "threads or gevent, in units of two prefork processes at the same memory", best, TARGET, at_least=True
    )
    return report


if __name__ == "__main__":
    main()
