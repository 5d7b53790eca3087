"""PandaStack's checklist, followed to the letter with the real image: no container has a command, and none is a one-off."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from offbeat.deployment import spec
from offbeat.deployment.exporters import export_platform
from tests.offbeat.deployment.pandastack_stand_in import PandaStack, status
from tests.offbeat.project.template.containers import podman, servers
from tests.offbeat.support.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.usefixtures("image"), pytest.mark.timeout(900)]

DUE = "update offbeat_cronjobs_cronjob set cursor = now() - interval '8 days' where name = 'prune-jobs'"
PASSWORD = "of-a-test"


class Machine:
    """Starts containers of the image with variables alone, each with an address of its own."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.stack = stack
        self.running: dict[str, str] = {}

    def start(self, name: str, variables: dict[str, str]) -> None:
        self.running[name] = self.stack.enter_context(podman.started(*podman.flags(variables), podman.IMAGE))

    def run(self, _name: str, variables: dict[str, str]) -> tuple[int, str]:
        done = podman.run("", variables)
        return done.returncode, done.stdout + done.stderr

    def status(self, name: str, port: int, path: str) -> int | None:
        return status(f"{address(self.running[name])}:{port}", path)

    def retire(self, container: str) -> None:
        """Ask an old container to stop; nobody waits for that."""
        podman.podman("kill", "--signal", "TERM", container)


def address(container: str) -> str:
    found = podman.podman("inspect", "--format", "{{.NetworkSettings.IPAddress}}", container)
    return found.stdout.strip()


@pytest.fixture
def panda() -> Iterator[PandaStack]:
    """A PandaStack with databases that are empty, and reached by their addresses."""
    if reason := podman.missing(podman.POSTGRES, podman.REDIS):
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        password = ("--env", f"POSTGRES_PASSWORD={PASSWORD}")
        database = stack.enter_context(
            podman.started("--pull", "never", *password, podman.find_local(podman.POSTGRES))
        )
        redis = stack.enter_context(podman.started("--pull", "never", podman.find_local(podman.REDIS)))
        addresses = {
            "POSTGRESQL": f"postgres://postgres:{PASSWORD}@{address(database)}:5432/postgres",
            "REDIS": f"redis://{address(redis)}:6379/0",
        }
        found = PandaStack(Machine(stack), addresses)
        found.query = lambda statement: servers.query(database, statement)
        yield found


def test_it_leads_from_an_image_to_a_slot_that_ran(panda: PandaStack) -> None:
    """All steps: databases, variables, web with its release, a worker, a tick; a slot is enqueued, and its job ends well."""
    (file,) = export_platform("pandastack", replace(spec.read(), repository="acme/shop")).files

    panda.follow(file.text)
    panda.query(DUE)
    panda.wake()

    ((code, output),) = panda.runs
    assert code == 0, output
    assert "enqueued as job" in output
    wait_until(lambda: panda.query("select state from offbeat_jobs_job") == "succeeded", 60)
    assert all(panda.is_well(name) for name in panda.projects)
