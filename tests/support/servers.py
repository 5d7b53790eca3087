"""A pytest plugin (`-p tests.support.servers`): private servers, and production's settings, before Django is set up.

Redis runs from the start; PostgreSQL starts with the first test that needs it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from local.embedded_postgres import EmbeddedPostgres
from local.embedded_redis import EmbeddedRedis
from local.environments import private
from local.servers import EXECUTABLES

folder = Path(tempfile.mkdtemp(prefix="offbeat-"))
folder.chmod(0o711)  # started by root, PostgreSQL runs as nobody
postgres = EmbeddedPostgres(folder / "postgres", durable=False)
redis = EmbeddedRedis(folder / "redis", durable=False, executables=EXECUTABLES)

settings = private(os.environ) | {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}
os.environ.clear()
os.environ.update(settings)


def pytest_sessionstart():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the line below runs
    redis.start()


def pytest_unconfigure():
    for server in (redis, postgres):
        server.resume()
        server.stop()
    shutil.rmtree(folder, ignore_errors=True)
