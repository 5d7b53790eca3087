"""Concurrency follows what the container may use, not what the host has."""

from __future__ import annotations

import os

import pytest

from offbeat.container import MIB, cpus, memory, processes


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
    assert processes(each=110 * MIB, base=110 * MIB, root=root) == 3


def test_one_process_at_least(cgroup):
    """A container too small for one process gets one all the same: it may fit, and zero would do nothing."""
    assert processes(each=110 * MIB, base=110 * MIB, root=cgroup(memory_DOT_max=str(64 * MIB))) == 1
