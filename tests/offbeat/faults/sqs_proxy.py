"""A proxy before the server of SQS' protocol that answers in its place: as Amazon does when it refuses, or is overloaded."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from offbeat.dev.ports import LOOPBACK


class SqsProxy(ThreadingHTTPServer):
    """`refuse` returns, for the name of a queue, the code of an error, "" for none; `seen` counts requests."""

    daemon_threads = True

    def __init__(self, server):
        super().__init__((LOOPBACK, 0), Forwarder)
        self.server_of_sqs = server
        self.refuse = lambda _: ""
        self.seen = Counter()
        server.doors.add(self.server_port)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://{LOOPBACK}:{self.server_port}"

    def handle_error(self, request, client_address):
        """Say nothing of clients that were killed."""


class Forwarder(BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = json.loads(body or b"{}")
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        queue = asked.get("QueueName") or asked.get("QueueUrl", "").rpartition("/")[2]
        self.server.seen[operation, queue] += 1
        if code := self.server.refuse(queue):
            text = json.dumps(
                {"__type": f"com.amazonaws.sqs#{code}", "message": f"no {operation} of {queue}"}
            )
            self.answer(500 if code == "InternalError" else 400, text.encode())
        else:
            self.forward(body)

    def forward(self, body):
        connection = http.client.HTTPConnection(LOOPBACK, self.server.server_of_sqs.port, timeout=60)
        try:
            connection.request("POST", self.path, body, dict(self.headers))
            found = connection.getresponse()
            self.answer(found.status, found.read(), found.getheader("x-amzn-query-error"))
        except OSError:  # the server is down: so is the proxy, for this client
            self.close_connection = True
        finally:
            connection.close()

    def answer(self, status, body, query_error=None):
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        if query_error:
            self.send_header("x-amzn-query-error", query_error)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing of each request."""
