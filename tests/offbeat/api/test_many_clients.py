"""Many clients that follow jobs on one real web process, also through outages and its stop."""

from __future__ import annotations

import selectors
import socket
from uuid import UUID

import psutil
import pytest
from django.db import connection

from offbeat.jobs.models import Job
from tests.offbeat.api.conftest import END, Program, finish
from tests.offbeat.support.polling import wait_until

CLIENTS = 200
JOBS = 10


class Clients:
    """Many connections that read what comes."""

    def __init__(self, port, token):
        self.port, self.token = port, token
        self.selector = selectors.DefaultSelector()
        self.read = {}

    def open(self, url):
        client = socket.create_connection(("127.0.0.1", self.port))
        request = f"GET {url} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.token}\r\n\r\n"
        client.sendall(request.encode())
        client.setblocking(False)
        self.read[client] = b""
        self.selector.register(client, selectors.EVENT_READ)
        return client

    def receive(self):
        """Read what has come; return how many have something."""
        for key, _ in self.selector.select(0.1):
            if data := key.fileobj.recv(65536):
                self.read[key.fileobj] += data
            else:
                self.selector.unregister(key.fileobj)

    def wait_for(self, text):
        """Wait until every client has got a text."""

        def have_all():
            self.receive()
            return all(text in each for each in self.read.values())

        wait_until(have_all, 60)

    def close(self):
        for client in self.read:
            client.close()


@pytest.mark.faults
def test_two_hundred_clients_on_one_process(stack):
    """All get each change and the end; no thread is kept, memory is bounded, others are served, a stop ends the streams."""
    program = Program("followers")
    web = stack.web(OFFBEAT_API_BURST="1000")
    port = int(web.browser.address.rpartition(":")[2])
    job_ids = [UUID(program.enqueue("count", args=[1]).json()["id"]) for _ in range(JOBS)]
    urls = [f"/api/jobs/{job_id}/events" for job_id in job_ids]
    clients = Clients(port, program.token)
    one = Clients(port, program.token)
    one.open(urls[0])
    one.wait_for(b"event: state")  # all that is imported once is there
    process = psutil.Process(web.process.pid).children()[0]
    threads, before = process.num_threads(), process.memory_info().rss

    for number in range(CLIENTS - 1):
        clients.open(urls[number % JOBS])
    clients.wait_for(b"event: state")
    Job.objects.update(progress_done=1, progress_total=2)
    clients.wait_for(b"event: progress")
    answer = web.browser.get("/api/queues", Authorization=f"Bearer {program.token}")
    grown = process.memory_info().rss - before
    held = process.num_threads() - threads
    Job.objects.filter(pk__in=job_ids[1:]).update(state="succeeded", result=1)
    ended = [client for number, client in enumerate(clients.read) if number % JOBS]
    wait_until(lambda: clients.receive() or all(clients.read[each].endswith(END) for each in ended), 60)

    assert answer.status == 200
    assert grown < 24 * 2**20
    assert held <= 4  # the pool's own, which begin as they are needed
    assert all(b"event: end" in clients.read[each] for each in ended)
    web.process.terminate()
    clients.wait_for(END)
    assert web.process.wait(20) == 0
    clients.close()
    one.close()


@pytest.mark.faults
def test_outages(stack):
    """Without Redis a job is accepted; without PostgreSQL the client is told to come again, and its stream goes on later."""
    program = Program("followers")
    web = stack.web()
    port = int(web.browser.address.rpartition(":")[2])
    clients = Clients(port, program.token)
    bearer = {"Authorization": f"Bearer {program.token}"}

    stack.redis.kill()
    body = {"task": "tests.offbeat.faults.effects.tasks.work", "args": ["x"]}
    answer = web.browser.post_json("/api/jobs", body, **bearer)
    assert answer.status == 202
    clients.open(answer.json()["events_url"])
    clients.wait_for(b"event: state")
    connection.close()
    stack.postgres.kill()
    away = web.browser.get("/api/queues", **bearer)
    stack.postgres.start()

    assert (away.status, away.headers["Content-Type"]) == (503, "application/problem+json")
    wait_until(lambda: web.browser.get("/api/queues", **bearer).status == 200)
    finish()
    clients.wait_for(END)
    clients.close()
