"""The channel between a worker's main process and the process of its lanes."""

import socket

from offbeat.jobs.worker.lane_channel import CHUNK, Channel, Interrupt, Run


def test_nobody_waits_for_a_process_that_reads_nothing():
    """A call with large arguments is kept until the process reads, and comes whole and in order."""
    one, other = (Channel(end) for end in socket.socketpair())
    large = Run(1, "call", "target", ("x" * 32 * CHUNK,))

    one.post(large)
    one.post(Interrupt(1, "call"))

    assert one.has_unsent()
    found = []
    while one.has_unsent():
        one.flush()
        found += other.receive()
    while len(found) < 2:
        found += other.receive()
    assert found == [large, Interrupt(1, "call")]
    one.close()
    other.close()


def test_what_has_come_is_not_copied_with_each_piece():
    """An error of 50 MB took the main process 14 s, in which it did nothing else."""
    one, other = (Channel(end) for end in socket.socketpair())
    one.post(Run(1, "call", "target", ("x" * 4 * CHUNK,)))
    read = other._read  # noqa: SLF001  what it has so far

    while not (found := other.receive()):
        one.flush()
        assert other._read is read  # noqa: SLF001  as above

    assert found == [Run(1, "call", "target", ("x" * 4 * CHUNK,))]
    one.close()
    other.close()
