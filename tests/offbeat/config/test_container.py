"""Concurrency follows what the container may use, not what the host has."""

from __future__ import annotations

import os

import pytest

from offbeat import container
from offbeat.container import MIB, WEB, WORKER, cpus, memory


@pytest.fixture
def cgroup(tmp_path):
    """Write a cgroup's files and return its folder."""

    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_DOT_", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"{text}\n")
        return tmp_path

    return write


def test_half_a_cpu(cgroup):
    """Half a CPU is one process: there is no half one."""
    assert cpus(cgroup(cpu_DOT_max="50000 100000")) == 1


def test_no_limit(cgroup):
    """Without limits the container has what the scheduler lets it use."""
    root = cgroup(cpu_DOT_max="max 100000", memory_DOT_max="max")

    assert cpus(root) == len(os.sched_getaffinity(0))
    assert memory(root) is None


def test_cgroup_version_one(cgroup):
    """Older hosts write other files, and a number near 2^63 for no limit."""
    root = cgroup(
        cpu__cpu_DOT_cfs_quota_us="100000",
        cpu__cpu_DOT_cfs_period_us="100000",
        memory__memory_DOT_limit_in_bytes="9223372036854771712",
    )

    assert cpus(root) == 1
    assert memory(root) is None


def test_no_cgroup_at_all(tmp_path):
    """A developer's machine without cgroups is no error."""
    assert cpus(tmp_path) >= 1
    assert memory(tmp_path) is None


def test_memory_decides_where_it_is_short(cgroup, monkeypatch):
    """512 MiB hold three processes of 110 MiB beside 110 MiB, although eight CPUs are there."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))

    root = cgroup(memory_DOT_max=str(512 * MIB))

    assert memory(root) == 512 * MIB
    assert WORKER.fitting(cpus(root), memory(root)) == 3


@pytest.mark.parametrize(
    ("cpu", "mib", "web", "jobs"),
    [
        (0.1, 64, 1, 1),  # too small for one: it may fit, and zero would do nothing
        (0.5, 256, 2, 1),
        (0.5, 512, 2, 2),
        (1, 512, 2, 2),
        (1.9, 1024, 2, 2),
        (2, 1024, 4, 4),
        (2, 512, 4, 3),
        (4, 4096, 8, 8),
    ],
)
def test_two_processes_a_cpu_as_far_as_the_memory_goes(cpu, mib, web, jobs):
    """More memory, or more CPU, makes room for more processes."""
    assert (WEB.fitting(cpu, mib * MIB), WORKER.fitting(cpu, mib * MIB)) == (web, jobs)


def test_a_machine_without_limits(monkeypatch, tmp_path):
    """Where nothing limits the memory, the machine is shared with others, and has one process a CPU."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))

    assert WORKER.fitting(cpus(tmp_path), memory(tmp_path)) == 8


def test_a_service_of_systemd(cgroup, monkeypatch, tmp_path):
    """Outside of containers, limits are those of the service's own cgroup and of the slices above it, the smallest of each."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    root = cgroup()
    own = root / "system.slice" / "shop-worker.service"
    own.mkdir(parents=True)
    (own / "memory.max").write_text(f"{512 * MIB}\n")
    (own / "cpu.max").write_text("300000 100000\n")
    (own.parent / "memory.max").write_text(f"{2048 * MIB}\n")
    (own.parent / "cpu.max").write_text("200000 100000\n")
    (tmp_path / "own").write_text("1:cpu:/ignored\n0::/system.slice/shop-worker.service\n")
    monkeypatch.setattr(container, "OWN", tmp_path / "own")

    assert (cpus(root), memory(root)) == (2, 512 * MIB)
