"""The load, in a process of its own: `python -m bench.web_load PORT KIND,KIND FILE` counts answers by status until SIGTERM."""

from __future__ import annotations

import http.client
import json
import selectors
import signal
import socket
import sys
import threading
import time
from collections import Counter, defaultdict
from itertools import cycle
from pathlib import Path

CLIENTS = 200
WAKE_UPS_A_MINUTE = 1_000
SECRET = "a-secret-of-the-bench-0123456789abcdef"  # noqa: S105  of this bench alone
BODY = 10 * 1000 * 1000
AT_ONCE = 20
HOST = b"Host: localhost\r\n"
BEGINNINGS = (
    b"GET /healthz HTTP/1.1\r\nHost: local",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 900000\r\n\r\nemail=",
    b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nfffff\r\nab",
)

stop = threading.Event()
counts = defaultdict(Counter)


def slow(port):
    """Keep CLIENTS connections open, with a byte more each second."""
    beginnings = cycle(BEGINNINGS)
    selector = selectors.DefaultSelector()

    def connect():
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(next(beginnings))
        client.setblocking(False)
        selector.register(client, selectors.EVENT_READ)

    for _ in range(CLIENTS):
        connect()
    while not stop.wait(1):
        gone = {key.fileobj for key, _ in selector.select(0)}
        for client in [key.fileobj for key in selector.get_map().values()]:
            try:
                if client not in gone:
                    client.send(b"x")
                    continue
                counts["slow"][status_of(client.recv(1000))] += 1
            except OSError:
                counts["slow"]["reset"] += 1
            selector.unregister(client)
            client.close()
            connect()


def status_of(data):
    words = data.split(b" ", 2)
    return words[1].decode() if len(words) > 1 else "closed"


def wake_ups(port):
    """Call a cronjob's address so often, evenly."""
    due = time.monotonic()
    while not stop.is_set():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request(
                "POST", "/cron/prune-jobs", headers={"Host": "localhost", "Authorization": f"Bearer {SECRET}"}
            )
            counts["wake-ups"][str(connection.getresponse().status)] += 1
        except OSError:
            counts["wake-ups"]["no answer"] += 1
        finally:
            connection.close()
        due += 60 / WAKE_UPS_A_MINUTE
        time.sleep(max(0, due - time.monotonic()))


def bodies(port):
    """Send large bodies, one after another: announced and in chunks in turns; a client stops when it is answered."""
    piece = b"x" * 65_536
    for is_chunked in cycle((False, True)):
        if stop.wait(0.2):
            return
        head = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: %d" % BODY
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.settimeout(20)
            try:
                client.sendall(b"POST / HTTP/1.1\r\n" + HOST + head + b"\r\n\r\n")
                for _ in range(BODY // len(piece)):
                    client.sendall(b"10000\r\n" + piece + b"\r\n" if is_chunked else piece)
            except OSError:
                pass  # it is refused: the answer is there to be read
            try:
                counts["bodies"][status_of(client.recv(1000))] += 1
            except OSError:
                counts["bodies"]["reset"] += 1


KINDS = {"slow": (slow, 1), "wake-ups": (wake_ups, 1), "bodies": (bodies, AT_ONCE)}


def main():
    port, kinds, file = int(sys.argv[1]), sys.argv[2].split(","), Path(sys.argv[3])
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    for kind in kinds:
        act, threads = KINDS[kind]
        for _ in range(threads):
            threading.Thread(target=act, args=(port,), daemon=True).start()
    time.sleep(2)
    file.write_text("{}")
    stop.wait()
    time.sleep(1)
    file.write_text(json.dumps(counts, sort_keys=True))


if __name__ == "__main__":
    main()
