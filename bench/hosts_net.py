"""Hosts of one machine: network namespaces, each with a link of its own to the servers, on which everything takes its time."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.stand import process, wait_until

NAME = "offbeat-bench-"
NETWORK = "10.213.{number}.{end}"
FOLDER = Path("/run/netns")


def why_not():
    """Say why this machine can have no hosts, or nothing."""
    if sys.platform != "linux" or not shutil.which("ip"):
        return "it needs Linux and iproute2"
    if os.geteuid():
        return "it needs root, for network namespaces"
    probe = f"{NAME}{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    remove(probe)
    return f"ip netns: {made.stderr.strip()}" if made.returncode else ""


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


def remove(name):
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def remove_leftovers():
    """Remove the hosts of runs that were killed. A namespace takes its link with it."""
    for left in FOLDER.glob(f"{NAME}*") if FOLDER.exists() else ():
        pid = left.name.removeprefix(NAME).partition("-")[0]
        if not Path(f"/proc/{pid}").exists():
            remove(left.name)


class Host:
    """A namespace whose only way out leads to the servers."""

    def __init__(self, number):
        self.number = number
        self.name = f"{NAME}{os.getpid()}-{number}"
        self.link = f"ob{os.getpid()}-{number}"  # of 15 characters at most
        self.gateway, self.address = (NETWORK.format(number=number, end=end) for end in (1, 2))

    def connect(self):
        ip("netns", "add", self.name)
        ip("link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("addr", "add", f"{self.gateway}/24", "dev", self.link)
        ip("link", "set", self.link, "up")
        ip("-n", self.name, "addr", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            ip("-n", self.name, "link", "set", device, "up")

    def disconnect(self):
        """Remove both; the kernel takes its time to remove the link of a namespace that is gone."""
        subprocess.run(["ip", "link", "del", self.link], capture_output=True, check=False)
        remove(self.name)

    def command(self, command):
        return f"ip netns exec {self.name} {command}"

    def environment(self, *urls):
        """Return the addresses of PostgreSQL and Redis as this host sees them."""
        database, redis = (url.replace("127.0.0.1", self.gateway) for url in urls)
        return {"DATABASE_URL": database, "REDIS_URL": redis, "HOSTNAME": self.name}


@contextlib.contextmanager
def hosts(count, delay, *ports):
    """Make so many hosts, each `delay` ms away from the servers at the ports; they are gone after the block, whatever happens."""
    remove_leftovers()
    made = [Host(number) for number in range(1, count + 1)]
    with contextlib.ExitStack() as stack:
        for host in made:
            stack.callback(host.disconnect)
            host.connect()
            words = " ".join(str(port) for port in ports)
            stack.enter_context(
                process(f"{sys.executable} -m bench.delay_proxy {delay} {host.gateway} {words}")
            )
            wait_until(lambda host=host: listens(host.gateway, ports[0]), 10)
        yield made


def listens(address, port):
    import socket

    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False
