"""Gunicorn's threaded worker for the open internet: a client gets a thread once its request is complete, and not before.

Gunicorn gives a new connection to a thread at once, which then waits for the client: as many slow clients as there are threads
stop a process. Here the main loop gathers what arrives, without waiting for anybody. What a client may still delay in a
thread (a large upload, an answer that it does not read) has a deadline: client_socket.py.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import time
from functools import partial
from http import HTTPStatus
from selectors import EVENT_READ
from typing import TYPE_CHECKING, Any

from gunicorn.workers.gthread import ThreadWorker

from offbeat.machine_limits import NO_FILE, log_refusal
from offbeat.web.client import Client
from offbeat.web.client_socket import ClientSocket
from offbeat.web.threads import RequestThreads

if TYPE_CHECKING:
    from collections.abc import Callable

BUDGET = 32 * 1024 * 1024  # bytes that large requests on their way in may take, all together, of a process
SMALL = 16 * 1024  # bytes of a request that count for nothing: all connections together have room for them
LINGER = 2.0  # seconds that a client has to read its answer while it still sends, and to finish when we stop
DRAINED = (
    1024 * 1024
)  # bytes of a refused body that are thrown away meanwhile; the rest stays with the client
PATIENCE = 1.0  # seconds without a byte after which a client has to give its thread to those who wait for one
LOOK_EVERY = 0.5  # seconds between two looks for those who are late
SPARE_FILES = 8  # idle connections that are closed where the process can open no more files
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
GONE = {errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK}


STOPPING = {signal.SIGINT, signal.SIGQUIT, signal.SIGTERM}


def let_stop() -> None:
    """Let in what asks this process to stop."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


# Also where the fork fails. The new process does so by itself.
os.register_at_fork(after_in_parent=let_stop)


class ClientWorker(ThreadWorker):
    """Its main loop owns `arriving` and `closing`; threads see complete requests only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.arriving: dict[Client, None] = {}  # the oldest first
        self.closing: dict[Client, float] = {}  # until when
        self.busy: dict[Client, None] = {}  # those that have a thread, or wait for one
        self.streams: dict[Client, None] = {}  # those that somebody else goes on answering
        self.look_at = 0.0
        # The parent forks now. Until the new process has handlers of its own it has those of its parent, which would only
        # note that it is asked to stop: it would go on, and be killed when the grace is over.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)

    def init_signals(self) -> None:
        super().init_signals()
        let_stop()

    def get_thread_pool(self) -> RequestThreads:
        return RequestThreads(max_workers=self.cfg.threads)

    # Connections

    def accept(self, listener: Any) -> None:
        try:
            accepted, address = listener.accept()
        except OSError as error:
            if error.errno in NO_FILE:
                self.make_files(error)
            elif error.errno not in GONE:
                raise
            return
        self.make_room()
        self.nr_conns += 1
        self.enqueue_req(Client(self, ClientSocket.adopt(accepted), address, listener.getsockname()))

    def make_room(self) -> None:
        """Close a connection where there are too many: the oldest of what there is most of, which none that acts is for long."""
        if self.nr_conns >= self.worker_connections - 1:
            self.forget_oldest()

    def make_files(self, error: OSError) -> None:
        """Do with fewer connections for a moment: a request that has begun needs files, too. What comes waits in the backlog.

        So an error that lasts is not met in each turn of the loop.
        """
        log_refusal("a connection cannot be accepted", error)
        self.worker_connections = self.nr_conns
        for _ in range(SPARE_FILES):
            self.forget_oldest()

    def forget_oldest(self) -> None:
        groups = [list(self.arriving), list(self.closing), list(self.keepalived_conns)]
        if oldest := max(groups, key=len)[:1]:
            self.forget(oldest[0])

    def forget(self, client: Client, *, graceful: bool = False) -> None:
        """Close a connection that the main loop watches."""
        self.release(client)
        self.nr_conns -= 1
        client.close(graceful)

    def release(self, client: Client) -> None:
        """Watch a connection no more."""
        with contextlib.suppress(KeyError, ValueError, OSError):
            self.poller.unregister(client.sock)
        self.arriving.pop(client, None)
        self.closing.pop(client, None)
        with contextlib.suppress(ValueError):
            self.keepalived_conns.remove(client)

    # Requests

    def enqueue_req(self, conn: Client) -> None:
        """Gather a request; gunicorn calls this where it would give the connection to a thread."""
        conn.expect()
        self.arriving[conn] = None
        self.watch(conn, self.receive)
        if conn.arrival.data:
            self.proceed(conn)

    def watch(self, client: Client, callback: Callable[[Client, bytes], None]) -> None:
        """Call back with what a client sends, and with b"" once it has gone."""
        self.poller.register(client.sock, EVENT_READ, partial(self.read, client, callback))

    def read(self, client: Client, callback: Callable[[Client, bytes], None], sock: ClientSocket) -> None:
        try:
            data = sock.take()
        except BlockingIOError:
            return
        callback(client, data)

    def receive(self, client: Client, data: bytes) -> None:
        if not data:
            self.forget(client)
            return
        client.arrival.add(data)
        self.proceed(client)

    def proceed(self, client: Client) -> None:
        """Give a request to a thread as soon as it is complete, and refuse it as soon as it cannot be."""
        if len(client.arrival.data) > SMALL:
            self.make_memory()
        if client not in self.arriving:
            return  # it was the one to give way
        refusal = client.arrival.refusal()
        if refusal is None and client.arrival.is_complete():
            refusal = self.submit(client)
        elif refusal is None and client.arrival.is_asked_for():
            with contextlib.suppress(OSError):
                client.sock.offer(CONTINUE)
        if refusal is not None:
            self.refuse(client, refusal)

    def submit(self, client: Client) -> HTTPStatus | None:
        """Give a request to a thread. Uploads, which occupy one as long as they last, get half of them."""
        uploads = sum(each.arrival.is_upload for each in self.busy)
        if client.arrival.is_upload and uploads >= max(1, self.cfg.threads // 2):
            return HTTPStatus.SERVICE_UNAVAILABLE
        self.release(client)
        self.busy[client] = None
        try:
            super().enqueue_req(client)
        except RuntimeError:  # no thread can be started
            del self.busy[client]
            return HTTPStatus.SERVICE_UNAVAILABLE
        return None

    def make_memory(self) -> None:
        """Refuse the oldest of the large requests on their way where they, and those that wait for a thread, take too much.

        Whoever is slow has been here longest.
        """
        waiting, arriving = (
            [each for each in group if len(each.arrival.data) > SMALL] for group in (self.busy, self.arriving)
        )
        if sum(len(each.arrival.data) for each in (*waiting, *arriving)) > BUDGET and arriving:
            self.refuse(arriving[0], HTTPStatus.SERVICE_UNAVAILABLE)

    def refuse(self, client: Client, status: HTTPStatus) -> None:
        """Answer without a thread, as far as the connection takes it at once."""
        with contextlib.suppress(OSError):
            client.sock.offer(client.refusal(status))
        self.log.debug("Refused a request with %s.", status.value)
        self.forget(client, graceful=True)

    # Threads

    def handle(self, conn: Client) -> Any:
        conn.hand_over()
        return super().handle(conn)

    def handle_request(self, req: Any, conn: Client) -> Any:
        if not conn.arrival.is_upload:
            req._expected_100_continue = False  # noqa: SLF001  it was told, or there is no use for its body
        if not conn.is_whole:
            req.force_close()  # gunicorn would wait for the rest of a body that nobody has read
        return super().handle_request(req, conn)

    def finish_request(self, conn: Client, fs: Any) -> None:
        self.busy.pop(conn, None)
        if conn.sock.is_handed_over:
            self.streams[conn] = None
            conn.sock.setblocking(False)
            conn.sock.follower.begin(conn.sock, partial(self.method_queue.defer, self.finish_stream, conn))
        else:
            super().finish_request(conn, fs)

    def finish_stream(self, client: Client) -> None:
        """Close a connection that was handed over, and has come back."""
        del self.streams[client]
        self.nr_conns -= 1
        client.close(graceful=True)

    # The end of a connection

    def linger(self, client: Client) -> None:
        """Close for writing and, for a moment, read what still comes: a client that gets a reset may lose its answer."""
        try:
            client.sock.shutdown(socket.SHUT_WR)
            client.sock.setblocking(False)
            self.watch(client, self.drain)
        except (OSError, ValueError, KeyError):
            client.close()
            return
        self.nr_conns += 1
        self.closing[client] = time.monotonic() + LINGER

    def drain(self, client: Client, data: bytes) -> None:
        client.drained += len(data)
        if not data or client.drained > DRAINED:
            self.forget(client)

    def murder_pending(self) -> None:
        """Close the connections of those who are late; gunicorn calls it about once a second, also while it stops."""
        now = time.monotonic()
        if now < self.look_at:
            return
        self.look_at = now + LOOK_EVERY
        self.worker_connections = self.cfg.worker_connections
        if not self.alive:
            for client in self.streams:
                client.sock.follower.stop()
        for client in list(self.arriving):
            self.end_if_late(client, now)
        for client, until in list(self.closing.items()):
            if until < now:
                self.forget(client)
        if len(self.busy) > self.cfg.threads:
            for client in self.busy:
                client.sock.cut_off(PATIENCE)

    def end_if_late(self, client: Client, now: float) -> None:
        arrival = client.arrival
        if not self.alive:
            arrival.deadline = min(arrival.deadline, now + LINGER)
        if arrival.deadline >= now:
            return
        if arrival.data:
            self.refuse(client, HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.forget(client)
