"""In the place of their `manage.py db_worker`, which the tests start: our worker; with --batch, until nothing is left to do."""

import os
import sys

COMMAND = [sys.executable, "manage.py", "worker", "--queues", "default", "--loglevel", "info"]


def main():
    os.chdir(os.environ["CONFORMANCE_CHECKOUT"])
    if "--batch" not in sys.argv:
        os.execv(sys.executable, COMMAND)  # noqa: S606
    import subprocess

    import django

    django.setup()
    from bench.conformance.worker import wait_until_idle

    worker = subprocess.Popen(COMMAND)
    wait_until_idle(["default"])
    worker.terminate()
    sys.exit(worker.wait())


if __name__ == "__main__":
    main()
