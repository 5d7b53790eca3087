"""Gunicorn's settings, each number with its reason and the bound that it must keep; `python src/offbeat/gunicorn.py` starts it."""
# ruff: noqa: E402  as a program it begins before the imports

# ruff: noqa: E402  what is imported below needs the path that is set above

import gc
import logging
import os
import sys
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn


def start() -> NoReturn:
    """Run gunicorn with the settings below, in development under what starts it anew when a file changes.

    Gunicorn's own reload reads neither the settings again nor templates. Gunicorn reads WEB_CONCURRENCY
    while it is imported, and any word there is a traceback.
    """
    if os.environ.get("DEBUG", "").strip().lower() in {"1", "true"} and "UNDER_RELOADER" not in os.environ:
        reload_on_changes()
    given = os.environ.pop("WEB_CONCURRENCY", None)
    from gunicorn.app.wsgiapp import run  # noqa: PLC0415  only now

    if given is not None:
        os.environ["WEB_CONCURRENCY"] = given
    sys.argv[1:1] = ["--config", __file__]
    sys.exit(run())


def reload_on_changes() -> None:
    """Become the reloader of this program, where it is installed: no image for production holds it."""
    if find_spec("offbeat.dev") and find_spec("psutil"):
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([sys.path[0], os.environ.get("PYTHONPATH", "")])
        }
        command = [sys.executable, "-m", "offbeat.dev.reloader", sys.executable, __file__, *sys.argv[1:]]
        os.execve(sys.executable, command, environment)  # noqa: S606


if __name__ == "__main__":
    # Not this folder, which has modules of the names gunicorn and celery.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from offbeat.first_process import end_on_sigterm

    end_on_sigterm()  # before gunicorn and Django are imported, which takes a moment
    start()

# So that the project is found from anywhere.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings
from django.utils.log import configure_logging
from gunicorn.config import Config
from gunicorn.glogging import Logger

from offbeat.boot import read_settings
from offbeat.container import WEB
from offbeat.database.process_name import name_process
from offbeat.machine_limits import log_refusal

read_settings()

wsgi_app = settings.WSGI_APPLICATION.replace(".application", ":application")
address = f"[{settings.BIND}]" if ":" in settings.BIND else settings.BIND
bind = settings.BIND if settings.BIND.startswith("unix:") else f"{address}:{settings.PORT}"

# One thread waits on PostgreSQL while another works, so threads are cheap and processes are not: a process costs
# about 70 MiB, less when it shares the parent's pages. Threads x processes must stay below the database's connections.
worker_class = "offbeat.web.worker.ClientWorker"  # gthread, and slow clients hold no thread
workers = settings.WEB_CONCURRENCY or WEB.fitting_here()
threads = settings.WEB_THREADS
# Of a process, waiting ones included: with the files that it has open, below the 1,024 that many systems allow.
worker_connections = 500
sendfile = False  # it waits for the client on its own, without a deadline

# A process whose main loop is silent for so long is replaced. A slow request is not: it holds one thread, and the
# platforms' routers give up on it after 30 s (Heroku) to 100 s.
timeout = 30
# Below the web's grace in platform.yaml (30 s), so that a request under way is answered before SIGKILL.
graceful_timeout = 25
# Longer than the routers keep an idle connection (Heroku 90 s, AWS 60 s): one that sends a request just when we close
# the connection answers 502. An idle one holds no thread, and delays a stop by 2 s at most.
keepalive = 100

# A leak ends with the process that has it; the jitter keeps the processes from restarting together.
max_requests = 1000
max_requests_jitter = 100

# Who is believed is Django's to decide, by TRUSTED_PROXIES: nobody is here, whatever FORWARDED_ALLOW_IPS says. A proxy on the
# same machine, or behind a socket, would hand on a client's SCRIPT_NAME. Headers with an underscore are dropped: they could
# be taken for those with a hyphen.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
header_map = "drop"

# The processes share the memory of one import.
preload_app = True

# A heartbeat file on a disk that stalls (overlayfs under load) gets healthy workers killed.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  a memory file system
# It exposes a shutdown command to every process of the container, and fails on a read-only root.
control_socket_disable = True

# What it says of its start and its end, a developer has seen.
loglevel = "warning" if settings.DEBUG else "info"
accesslog = "-" if settings.DEBUG else None  # in production the platform's router logs every request already
access_log_format = "%(m)s %(U)s %(s)s %(M)sms"


class LineLogger(Logger):
    """Has gunicorn's lines printed as all others are: in JSON where those are, and without secrets."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
        if logging.getLogger().handlers:  # else the project has switched Django's configuration of logs off
            for log in (self.error_log, self.access_log):
                log.handlers.clear()
                log.propagate = True

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> None:
        """Log a request, unless it is a part of a page, or a probe, and went well."""
        is_small = environ.get("PATH_INFO", "").startswith((settings.STATIC_URL, "/healthz", "/readyz"))
        if not is_small or resp.status_code >= HTTPStatus.BAD_REQUEST:
            super().access(resp, req, environ, request_time)


logger_class = LineLogger


def on_starting(server: Any) -> None:
    """Have a process started a second later where the machine refuses it: gunicorn would end, and kill all others."""
    spawn_worker = server.spawn_worker

    def try_to_spawn() -> None:
        try:
            spawn_worker()
        except OSError as error:
            log_refusal("a process of the web service cannot be started", error)

    server.spawn_worker = try_to_spawn


def when_ready(_server: object) -> None:
    """Keep what is loaded out of the garbage collector's rounds: it stays, and each round would look at all of it."""
    gc.freeze()


def post_fork(_server: object, _worker: object) -> None:
    """Let each process present itself, and bound what requests ask of PostgreSQL."""
    from offbeat.database import statement_bounds  # noqa: PLC0415  what the processes share is loaded by now

    statement_bounds.bound_process(settings.WEB_STATEMENT_TIMEOUT, settings.WEB_IDLE_TIMEOUT)
    name_process(settings.DATABASES["default"])
