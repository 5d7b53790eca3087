"""What watches cronjobs from outside, for the tests."""

import http.server
import threading


class Watcher:
    """An HTTP server that remembers what it was told."""

    def __init__(self):
        self.told = []
        self.status = 200
        self.speaks_http = True
        watcher = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                watcher.told.append((self.path, body))
                if watcher.speaks_http:
                    self.send_response(watcher.status)
                    self.end_headers()
                else:
                    self.wfile.write(b"what?\n")

            def log_message(self, *args):
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def check_ins(self):
        return [path for path, _ in self.told if "/cron/" in path]
