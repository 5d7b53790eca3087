"""What a peer loses and doubles of 500 jobs when its worker is killed, its Redis emptied, its PostgreSQL restarted at once."""

from __future__ import annotations

import contextlib
import signal
import time
from dataclasses import dataclass

from bench.peer_setups import POSTGRES, REDIS, SLOTS
from bench.peer_stand import Effects, PeerStand
from bench.stand import say, wait_until

JOBS = 500
REST = 0.05  # seconds that each runs
BEFORE = 100  # jobs that have ended before the fault, which comes when every slot is running one
GIVE_UP = 120

FAULTS = {"kill": None, "flush": REDIS, "restart": POSTGRES}  # with the server that it is about


@dataclass
class Loss:
    """What became of the jobs by the end of the wait."""

    missing: int
    doubled: int
    repeated: int  # ran when the fault came, and once more
    complete: float | None  # seconds from the fault to the last first end; None where some are missing

    def __str__(self) -> str:
        what = [f"{self.missing} missing"] if self.missing else []
        what += [f"{self.doubled} doubled"] if self.doubled else []
        what += [f"{self.repeated} repeated"] if self.repeated else []
        told = f"**{', '.join(what)}**" if self.missing or self.doubled else ", ".join(what) or "none"
        return told + (f"; {self.complete:.0f} s" if self.complete is not None else "")


class LossTrial:
    """One fault to one peer, from the first job to the verdict."""

    def __init__(self, peer, fault: str, stack: contextlib.ExitStack) -> None:
        self.peer, self.fault = peer, fault
        self.stand = PeerStand(peer, stack)
        self.at = 0.0
        self.hit: set[int] = set()

    def strike(self) -> None:
        """Let a worker do some of the jobs, then break what is to be broken, and let things go on."""
        effects = self.stand.effects
        self.stand.enqueue(JOBS, rest=REST)
        self.stand.start_worker()
        wait_until(lambda: effects.ended() >= BEFORE, GIVE_UP, pause=0.05)
        wait_until(
            lambda: len(effects.open()) >= SLOTS, GIVE_UP, pause=0.002
        )  # else there is nothing to lose
        self.hit = effects.running(SLOTS)
        getattr(self, f"_{self.fault}")()

    def _kill(self) -> None:
        """Kill the worker with a job in each slot: it is stopped first, as the jobs end while it would be killed."""
        self.stand.signal_worker(signal.SIGSTOP)
        while len(self.stand.effects.open()) < SLOTS:
            self.stand.signal_worker(signal.SIGCONT)
            time.sleep(0.002)
            self.stand.signal_worker(signal.SIGSTOP)
        self.stand.kill_worker()
        self._note()
        self.stand.start_worker()

    def _flush(self) -> None:
        self.stand.flush_redis()
        self._note()

    def _restart(self) -> None:
        self.stand.break_postgres()
        self._note()
        self.stand.restart_postgres()

    def _note(self) -> None:
        self.at = time.time()
        self.hit |= self.stand.effects.running(SLOTS)
        say(f"  {self.fault}: {self.peer.name}, after {self.stand.effects.ended()} of {JOBS} jobs")

    def verdict(self, wait: float) -> Loss:
        """Wait until the time is over, and count."""
        time.sleep(max(0.0, self.at + wait - time.time()))
        found = judge(self.stand.effects, self.hit, self.at, self.at + wait)
        self.stand.kill_worker()
        return found


def judge(effects: Effects, hit: set[int], fault: float, end: float) -> Loss:
    """Count what became of the jobs; what came after the end does not count."""
    ends = {number: at for number, at in effects.times("end").items() if at <= end}
    again = {number for number, times in effects.begins(end).items() if times > 1}
    missing = set(effects.times("sent")) - set(ends)
    complete = None if missing else max(0.0, max(ends.values()) - fault)
    return Loss(len(missing), len(again - hit), len(again & hit), complete)


def measure(peers, wait: float) -> dict[str, dict[str, Loss]]:
    """Return the losses by peer and fault. They wait side by side, each with servers of its own."""
    with contextlib.ExitStack() as stack:
        trials = []
        for peer in peers:
            for fault, server in FAULTS.items():
                if server is None or server in peer.servers:
                    trials.append(LossTrial(peer, fault, stack))
                    trials[-1].strike()
        found: dict[str, dict[str, Loss]] = {peer.name: {} for peer in peers}
        for trial in trials:
            found[trial.peer.name][trial.fault] = trial.verdict(wait)
            say(f"  {trial.fault}: {trial.peer.name}: {found[trial.peer.name][trial.fault]}")
        return found
