"""A web service where the machine refuses a file, a thread or a process, for a moment."""

from __future__ import annotations

import contextlib
import resource

import pytest

from tests.offbeat.faults.limits import ProcessLimit, needs_prlimit
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.raw_client import RawClient

pytestmark = pytest.mark.faults

NO_THREAD = "a thread for requests cannot be started"
NO_PROCESS = "a process of the web service cannot be started"


def answer(web):
    return web.browser.get("/healthz").status


def pids(web):
    return {each.pid for each in web.children()}


def processes(web, number):
    """Give them, once they are there."""
    wait_until(lambda: len(web.children()) == number)
    return web.children()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")
def test_no_more_files(stack):
    """Idle connections are closed for those that come; the process goes on, and says so once."""
    web = stack.web()
    (process,) = processes(web, 1)
    _, most = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (process.num_fds() + 10, most))

    with contextlib.ExitStack() as clients:
        for _ in range(40):
            clients.callback(RawClient(web.browser.address).close)
        answers = [answer(web) for _ in range(5)]

    assert (answers, pids(web)) == ([200] * 5, {process.pid})
    assert web.output.count("a connection cannot be accepted: Too many open files") == 1
    assert "Traceback" not in web.output


@needs_prlimit
def test_no_more_threads(stack):
    """Without any thread a request is refused, and the next one answered when there can be one; the process goes on."""
    limit = ProcessLimit(stack)
    web = stack.web()
    (process,) = processes(web, 1)

    limit.reach(process.pid)
    refused = [answer(web), answer(web)]
    limit.lift(process.pid)

    assert refused == [503, 503]
    assert (answer(web), pids(web)) == (200, {process.pid})
    assert web.output.count(NO_THREAD) == 1
    assert "Traceback" not in web.output


@needs_prlimit
def test_no_more_processes(stack):
    """What is left answers; the process that is missing is started when it can be."""
    limit = ProcessLimit(stack)
    web = stack.web(WEB_CONCURRENCY="2")
    lost, left = processes(web, 2)

    limit.reach(web.pid)
    lost.kill()
    web.wait_for(NO_PROCESS)
    answers = [answer(web) for _ in range(5)]
    limit.lift(web.pid)

    processes(web, 2)
    assert (answers, left.is_running(), web.is_running) == ([200] * 5, True, True)
