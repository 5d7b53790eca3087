"""Celery 5.7.0: a worker exits when Redis dies under a task that is acknowledged late. Needs celery[redis] and redis-server."""

import os
import socket
import subprocess
import sys
import time

from celery import Celery

PORT = os.environ.get("PORT", "6399")
app = Celery("reproducer", broker=f"redis://127.0.0.1:{PORT}/0")
app.conf.update(task_acks_late=True, broker_connection_retry_on_startup=True)


@app.task(name="sleep")
def sleep():
    print("the task runs", flush=True)
    time.sleep(10)


def start_redis(program):
    server = subprocess.Popen(
        [program, "--port", PORT, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL
    )
    while socket.socket().connect_ex(("127.0.0.1", int(PORT))):
        time.sleep(0.1)
    return server


if __name__ == "__main__":
    redis = start_redis(sys.argv[1] if sys.argv[1:] else "redis-server")
    command = [
        sys.executable,
        "-m",
        "celery",
        "--app",
        "celery_5_7_0_redis_dies",
        "worker",
        "--concurrency",
        "1",
    ]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    sleep.delay()
    for line in worker.stdout:
        print(line, end="")
        if "the task runs" in line:
            redis.kill()  # and nobody starts it again: a worker should go on asking for it
        if "Trying again" in line:
            worker.kill()
            sys.exit("Not reproduced: the worker waits for Redis, as it should.")
    redis.kill()
    print(f"Reproduced: the worker exited with {worker.wait()}.")
