"""Keeps the processes of `./run up` at what the files say: whatever is edited takes effect, or is reported."""

from __future__ import annotations

import sys
import time
import tomllib
from typing import TYPE_CHECKING

from offbeat.deployment.spec import PLATFORM_FILE, PlatformError
from offbeat.dev.code_error import describe_error
from offbeat.dev.debug_hold import HoldWatch
from offbeat.dev.local_variables import FILE as ENV_FILE
from offbeat.dev.local_variables import LocalVariablesError
from offbeat.dev.preparation import check_code
from offbeat.dev.processes import PAUSE
from offbeat.dev.python_environment import REQUIREMENTS, STAMP
from offbeat.dev.servers import CHECKOUT
from offbeat.dev.source_files import SourceFiles, unreadable
from offbeat.dev.with_servers import shell_code

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from offbeat.dev.embedded import EmbeddedServer
    from offbeat.dev.launch import Launch
    from offbeat.dev.local_setup import LocalSetup
    from offbeat.dev.processes import Member, Processes
    from offbeat.dev.readiness import Readiness

PROJECT = "pyproject.toml"
# Beside the code. Those of SETTINGS change how processes are started, and only then have they to be restarted.
SETTINGS = {str(ENV_FILE), PROJECT, REQUIREMENTS}
FILES = {PLATFORM_FILE.name, "manage.py", str(STAMP), *SETTINGS}
YOUNG = 60  # seconds: a process that ends so soon after a change ended by it, and waits for the next
MOST = 3  # errors that are shown at once
GO_ON = "Nothing was restarted; the next save is tried again."
AGAIN = "Hint: Ctrl-C, then ./run up again"


class Supervisor:
    def __init__(
        self,
        processes: Processes,
        setup: LocalSetup,
        readiness: Readiness,
        servers: Collection[EmbeddedServer] = (),
    ) -> None:
        self.processes, self.setup, self.readiness, self.servers = processes, setup, readiness, servers
        self.files = SourceFiles(CHECKOUT, FILES)
        self.dependencies = self._dependencies()
        self.pending: set[str] = set()  # what has changed, and has not taken effect
        self.last_report = ""
        self.young_until = float("-inf")
        self.debug = HoldWatch()

    def run(self) -> int:
        """Start the processes and wait; returns when one has ended by itself, with its exit code or 1."""
        launches = self.launches()
        self.apply(launches, set(launches))
        while True:
            self.processes.settle()
            ended = self.processes.ended()
            if ended and (code := self.code_of(ended)):
                return code
            if lost := [server for server in self.servers if not server.is_running]:
                self.processes.say(
                    f"{lost[0].name} has ended, and {lost[0].log} may say why: stopping the others."
                )
                return 1
            if changed := self.files.changes():
                self.follow(changed)
            if self.debug.has_changed():
                self.follow_debug_worker()
            time.sleep(PAUSE)

    def code_of(self, ended: Member) -> int:
        """Return the code to exit with, 0 where we go on because the last change may be why it has ended."""
        code = shell_code(ended.process.returncode)
        if time.monotonic() < self.young_until:
            self.processes.say(
                f"{ended.name} ended with exit code {code} after the change. It is started again at the next one."
            )
            return 0
        self.processes.say(f"{ended.name} ended with exit code {code}: stopping the others.")
        return code or 1

    def follow(self, changed: list[str]) -> None:
        """Let a change take effect, or say why it does not."""
        if changed == [str(STAMP)] and not (CHECKOUT / STAMP).exists():
            return  # another task installs requirements just now
        more = f" and {len(changed) - 1} more" if changed[1:] else ""
        self.processes.say(f"Changed: {changed[0]}{more}")
        self.pending |= set(changed)
        try:
            for line in self.notices(changed):
                self.processes.say(line)
            launches = self.launches()
        except (PlatformError, LocalVariablesError) as error:
            self.hold(str(error))
            return
        except (OSError, tomllib.TOMLDecodeError) as error:
            self.hold(f"{PROJECT}: {error}")
            return
        if not (chosen := self.choose(launches, self.pending - SETTINGS)):
            self.pending.clear()
            return
        if errors := list(unreadable(CHECKOUT, sorted(self.pending))):
            more = f"\nand {len(errors) - MOST} more files" if errors[MOST:] else ""
            self.hold("\n".join(map(describe_error, errors[:MOST])) + more)
            return
        if any(name.endswith(".py") or name in FILES for name in self.pending):
            code, said = check_code([], self.setup.environment())
            if code:
                self.hold(said)
                return
            self.report(said)
        self.pending.clear()
        self.apply(launches, chosen)

    def launches(self) -> dict[str, Launch]:
        """Give what is to run now. Raises as LocalSetup does."""
        return {
            name: each for name, each in self.setup.launches().items() if not self.debug.stops(each.command)
        }

    def follow_debug_worker(self) -> None:
        """Let the worker pause, or go on; files that cannot be read just now are another matter."""
        self.processes.say(self.debug.text)
        try:
            launches = self.launches()
        except (PlatformError, LocalVariablesError, OSError, tomllib.TOMLDecodeError) as error:
            self.hold(str(error))
            return
        self.apply(launches, self.choose(launches, set()))

    def hold(self, reason: str) -> None:
        self.processes.say(f"{reason}\n{GO_ON}")

    def report(self, said: str) -> None:
        """Print what the check of the code says, unless it said the same the last time."""
        if said != self.last_report:
            self.last_report = said
            self.processes.say(said)

    def choose(self, launches: dict[str, Launch], read: set[str]) -> set[str]:
        """Return the names of those to start, restart or stop; `read` are the changed files that processes may have read."""
        members = self.processes.members
        return (members.keys() - launches.keys()) | {
            name
            for name, launch in launches.items()
            if name not in members
            or launch.differs_from(members[name].successor or members[name].launch)
            or any(map(launch.reads, read))
        }

    def apply(self, launches: dict[str, Launch], chosen: set[str]) -> None:
        if restarted := sorted(chosen & launches.keys() & self.processes.members.keys()):
            self.young_until = time.monotonic() + YOUNG
            self.processes.say(f"Restarting {', '.join(restarted)}.")
        for name in [*launches, *(self.processes.members.keys() - launches.keys())]:
            if name in chosen:
                self.processes.replace(name, launches.get(name))
        waited = [
            name
            for name, launch in launches.items()
            if launch.is_ready and (self.readiness.first or name in chosen)
        ]
        if waited or self.readiness.first:
            self.readiness.expect(waited)

    def notices(self, changed: list[str]) -> Iterator[str]:
        """Give a line for each thing that cannot take effect while we run."""
        if names := self.setup.unfulfilled() if str(ENV_FILE) in changed or PROJECT in changed else []:
            verb = "needs" if len(names) == 1 else "need"
            yield f"{', '.join(names)} {verb} a new start. {AGAIN}."
        if REQUIREMENTS in changed:
            yield f"{REQUIREMENTS} has changed. {AGAIN} installs what is new."
        elif PROJECT in changed and self.dependencies != (found := self._dependencies()):
            self.dependencies = found
            yield f"{PROJECT} has other requirements. Hint: ./run lock pins them; then Ctrl-C, and ./run up installs them."
        if any(name.startswith("src/") and str(CHECKOUT / name) in self._loaded() for name in changed):
            yield f"./run up itself has changed, and goes on as it was. {AGAIN}."

    @staticmethod
    def _loaded() -> set[str]:
        return {str(getattr(module, "__file__", "")) for module in list(sys.modules.values())}

    @staticmethod
    def _dependencies() -> object:
        """Return what pyproject.toml requires."""
        found = tomllib.loads((CHECKOUT / PROJECT).read_text(encoding="utf-8"))
        core = found.get("tool", {}).get("offbeat", {}).get("django")
        return found.get("project", {}).get("dependencies"), found.get("dependency-groups"), core
