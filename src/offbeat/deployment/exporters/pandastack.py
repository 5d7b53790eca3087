"""PandaStack (pandastack.io): a checklist for its command line and its dashboard, which read no file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.pandastack_checklist import checklist
from offbeat.deployment.exporters.plans import Plan
from offbeat.deployment.exporters.versions import Offer

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target

FACTS = Facts(
    title="PandaStack",
    console=Console(
        where=(
            "PandaStack has no one-off container, and no container can be entered. Type the commands in your "
            "checkout, against the databases there. **This opens both databases to the internet for that time**: "
            "make them public in the dashboard, and make them private again afterwards. Write the variables of the "
            "checklist's step 3 into `~/<name>.env`, with the `publicUrl` of each database (`panda db info NAME`). "
            "Nobody else may read the file: `chmod 600 ~/<name>.env`. Then open a separate shell for the "
            "commands:"
        ),
        run=".venv/bin/python {arguments}",
        opens=(
            "bash",
            'eval "$(.venv/bin/python src/offbeat/deployment/env_file.py ~/<name>.env)"',
        ),
        after=(
            "Make both databases private in the dashboard, delete `~/<name>.env`, and leave the shell: `exit`. Its "
            "variables are those of production."
        ),
        fire="`panda cronjobs trigger NAME --stream`, with the name that `panda cronjobs list` shows.",
        state="`panda monitor`, and the dashboard's list of services",
        worker=(
            "Deploy the worker again: `panda projects deploy NAME`. Choose a paid size: the free tier stops it"
        ),
        logs="`panda projects logs NAME`",
        variables="the dashboard, Environment of each service",
        crons="`panda cronjobs list`, `panda cronjobs logs NAME`",
    ),
    files=("deploy/pandastack.md",),
    cron="a Docker cronjob without a command, PROCESS says what it runs: one `tick`, or one each with `--tick 0`",
    tick=10,
    overlap="not known",
    grace_unset="not known",
    release="web runs it when it starts: `PROCESS=release+web`",
    release_is_before=False,
    release_effect=(
        "release: {first} runs it when it starts, each instance under a lock. Until then worker and tick may find a database "
        "that is not migrated: the worker logs errors and tries again, and a tick ends with 69. "
        "A migration must fit the old code and the new."
    ),
    scales=False,
    asks_all=True,
    hosts="ALLOWED_HOSTS",
    resources="managed Postgres and Redis; a person copies their addresses",
    plans=(
        Plan("micro", 0.25, 256),
        Plan("mini", 0.5, 512),
        Plan("large", 1, 1024),
        Plan("xlarge", 2, 2048),
    ),
    versions={"postgres": Offer(("16.4.0", "14.8.0")), "redis": Offer(("7.2.4", "7.0.6"))},
    notes=(
        "Docker services and Docker cronjobs have no start command: the image reads PROCESS",
        "every container is asked for a health path: the worker answers on HEALTH_PORT",
        "the free tier stops what is idle: do not run the worker on it",
    ),
    assumed=frozenset({"zone", "floor", "overlap", "grace", "plans"}),
    unverified=(
        "the time zone of its cronjobs (UTC is assumed), their shortest interval, and what happens when two overlap",
        "the time between SIGTERM and SIGKILL: the worker counts on the grace of platform.yaml",
        "how long it waits for the first answer to the health path: a release that takes longer may be stopped and begun again",
        "the sizes of services: they are taken to be those that its cronjobs have",
        "whether a push builds a cronjob again: check after each deploy",
    ),
    sources=(
        "npm @pandastack/cli 0.1.18: commands, questions, sizes and versions",
        "pandastack.io/blog; an unrelated product has the name pandastack.ai",
    ),
    proved_by="its command line (npm's @pandastack/cli): every line, question and choice",
)


def files(target: Target) -> tuple[File, ...]:
    return (File("deploy/pandastack.md", checklist(target)),)
