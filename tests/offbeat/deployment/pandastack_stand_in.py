"""A stand-in for PandaStack, as far as it is documented: containers of one image, without a command, told apart by variables.

There is no one-off container. A service has to answer its health path; a cronjob's container has to end.
"""

import re
import shlex
import signal
import subprocess
import urllib.error
import urllib.request

from offbeat.dev.ports import free_port
from tests.offbeat.deployment.pandastack_tool import ask_tool, read_steps
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import CHECKOUT, Running


class PandaStack:
    """Follows a checklist to the letter; `machine` starts containers, `addresses` are those of the databases by engine."""

    def __init__(self, machine, addresses):
        self.machine = machine
        self.addresses = addresses
        self.after_start = lambda name: wait_until(lambda: self.is_well(name), 120)
        """What is waited for when a container of a service has started; by default, that it answers."""
        self.databases, self.projects, self.cronjobs, self.printed = {}, {}, {}, {}
        self.runs = []
        """(exit code, output) of each run of a cronjob."""

    def follow(self, text):
        """Do what a checklist says, step by step: its wizards as the tool itself answers them, then its lines."""
        steps = list(read_steps(text))
        _, results = ask_tool([form for step in steps for form in step.forms])
        sent = iter(results)
        for step in steps:
            for form in step.forms:
                getattr(self, f"create_{form.command[0]}")(next(sent)["sent"])
            for line in step.lines:
                self.type(line)

    def create_db(self, payload):
        self.databases[payload["name"]] = self.addresses[payload["type"]]

    def create_projects(self, payload):
        self.projects[payload["name"]] = payload | {"env": self._filled(payload["env"])}
        self.deploy(payload["name"])

    def create_cronjobs(self, payload):
        assert "startCmd" not in payload
        self.cronjobs[payload["name"]] = self._filled(payload["env"])

    def deploy(self, name):
        """Start a new container of a service, wait for it, then stop the old one: both run side by side for a moment."""
        old = self.machine.running.get(name)
        self.machine.start(name, self.projects[name]["env"])
        self.after_start(name)
        if old:
            self.machine.retire(old)

    def is_well(self, name):
        """Ask a container for its health path; on 9999 where it has no PORT."""
        project = self.projects[name]
        port = int(project["env"].get("PORT", "9999"))
        return self.machine.status(name, port, project["health_check_path"]) == 200

    def wake(self):
        """Run every cronjob once, as its schedule would."""
        self.runs = [self.machine.run(name, variables) for name, variables in self.cronjobs.items()]

    def type(self, line):
        """Do what a line of the checklist does when a person types it."""
        if line.startswith("echo "):
            done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
            name, _, value = done.stdout.strip().partition("=")
            self.printed[name] = value
            return
        match shlex.split(line):
            case ["npm", *_] | ["panda", "login" | "status" | "monitor"] | ["panda", _, "logs", *_]:
                pass
            case ["panda", "projects", "env", "set", name, pair]:
                key, _, value = pair.partition("=")
                self.projects[self._named(name)]["env"][key] = value
            case ["panda", "projects", "deploy", name]:
                self.deploy(self._named(name))
            case ["panda", "cronjobs", "trigger", name, "--stream"]:
                self.runs.append(self.machine.run(name, self.cronjobs[name]))
            case words:
                raise AssertionError(f"nobody knows what this does: {words}")

    def _named(self, name):
        """Give the project that a line means, whose suffix the person has filled in."""
        (found,) = [each for each in self.projects if each.startswith(name.removesuffix("xxxxx"))]
        return found

    def _filled(self, variables):
        """Fill in what the checklist leaves to the person."""
        return {each["name"]: self._value(each["name"], each["value"]) for each in variables}

    def _value(self, name, value):
        if value == "<printed>":
            return self.printed[name]
        if match := re.fullmatch(r"<privateUrl of (.*)\.\.\.>", value):
            (address,) = [url for database, url in self.databases.items() if database.startswith(match[1])]
            return address
        assert not value.startswith("<"), f"nobody says what {name} is"
        return value


class Processes:
    """Containers as processes of this machine, started by the script that is the image's command.

    Processes share their ports, which containers do not: each gets free ones in place of those that it is told.
    """

    def __init__(self, script, environment, folder):
        self.script, self.environment, self.folder = script, environment, folder
        self.running, self.ports, self.retired = {}, {}, []

    def start(self, name, variables):
        # Processes of one machine would share the file of the heartbeat, too.
        mapped = {"OFFBEAT_JOBS_HEARTBEAT_FILE": str(self.folder / f"{name}.heartbeat")}
        port = self.ports[name] = free_port()
        mapped |= {each: str(port) for each in ("PORT", "HEALTH_PORT") if each in variables}
        log = self.folder / f"{name}-{port}.log"
        self.running[name] = Running(
            name, ["sh", self.script], self.environment | variables | mapped, log, CHECKOUT
        )
        return self.running[name]

    def run(self, name, variables):
        process = self.start(name, variables)
        code = process.wait(60)
        del self.running[name]
        return code, process.output

    def status(self, name, _port, path):
        return status(f"127.0.0.1:{self.ports[name]}", path)

    def retire(self, process):
        """Ask an old container to stop; nobody waits for that."""
        process.signal(signal.SIGTERM)
        self.retired.append(process)

    def kill(self):
        for process in (*self.running.values(), *self.retired):
            process.kill()


def status(address, path):
    """Give the status that a health path answers with; None where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None
