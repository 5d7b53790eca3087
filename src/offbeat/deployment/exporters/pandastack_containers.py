"""The containers of PandaStack's checklist: a table of answers and the variables of each service and cronjob."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from offbeat.deployment.exporters.environment import particular_values
from offbeat.deployment.exporters.texts import fenced, markdown_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.exporters.wakeups import WakeUp
    from offbeat.deployment.spec import Service

# The image's own, and what answers the health path of a service without a port.
PORT, PROBE = 8000, "/healthz"
# Kubernetes' bound for the name of a CronJob, which PandaStack's are.
LONGEST_CRONJOB = 52
QUESTION = ["Question", "Answer"]
EARLY = """ It may start before {first} has migrated the database: then it logs
errors and keeps trying, and runs jobs when the release has ended. No job is lost."""
VARIABLES = ["Add environment variables?", "y, then a line each"]


def service_text(target: Target, service: Service) -> str:
    name = f"{target.platform.name}-{service.name}"
    rows = [
        ["Project name", f"`{name}`"],
        ["Deployment type", "Container"],
        *_source(target),
        ["Runtime / Language", "Docker"],
        *_build(),
        ["Health check path", f"`{service.health or '/' if service.port else PROBE}`"],
        VARIABLES,
    ]
    dashboard = [["Instance type", target.plan_of(service).name], ["Instances", _instances(service)]]
    return f"""\
Run `panda projects create`. It adds a hyphen and five characters to the name (here `{name}-xxxxx`), and prints it.

{markdown_table(QUESTION, rows)}
The lines are those of step 3, and:

{lines_to_paste(process_values(target, service))}
Then in the dashboard, which the command line does not ask for:

{markdown_table(["Field", "Value"], dashboard)}
{_released(target, service)}{_first_deploy(name) if service.port else _without_port(target, service, name)}"""


def process_values(target: Target, service: Service) -> dict[str, str]:
    """Give what one service gets beyond the variables of every container."""
    values = {"PROCESS": _process(target, service)}
    values |= particular_values(target, service)
    if not service.port:
        values["PORT"] = str(PORT)
    return values | ({"HEALTH_PORT": str(PORT)} if service.queues else {})


def _process(target: Target, service: Service) -> str:
    return f"release+{service.name}" if target.releases(service) else service.name


def _instances(service: Service) -> str:
    least = max(service.instances.min, 1)
    return f"{least}, never scaled to zero" if service.queues or least == 1 else str(least)


def _released(target: Target, service: Service) -> str:
    if not target.releases(service):
        return ""
    name = service.name
    return f"""\
{name.capitalize()} runs the release first, and answers afterwards. Several instances wait for one another.
When the release fails, {name} ends with its code, and is started again (not verified).
Look for `Released: the database is up to date.` in its log.

"""


def _first_deploy(name: str) -> str:
    return f"""\
Now the site has its name. Set it, and deploy once more. If you have a domain of your own, write it behind, with a comma:

```sh
panda projects env set {name}-xxxxx ALLOWED_HOSTS={name}-xxxxx.pandastack.app
panda projects deploy {name}-xxxxx
panda projects logs {name}-xxxxx --type application
```

`curl https://{name}-xxxxx.pandastack.app/readyz` prints `{{"status": "ok"...`. The containers of the next steps get the same
`ALLOWED_HOSTS`.
"""


def _without_port(target: Target, service: Service, name: str) -> str:
    log = f"```sh\npanda projects logs {name}-xxxxx --type application\n```\n"
    if not service.queues:
        return f"It answers no health path: nothing of ours listens in `{service.command}`. PandaStack may stop it.\n\n{log}"
    early = EARLY.format(first=target.first.name) if service != target.first else ""
    return f"""\
It answers the health path on `HEALTH_PORT` while it is alive.{early} Never the free tier: a worker that is stopped
runs no job.

{log}"""


def _source(target: Target) -> list[list[str]]:
    return [["GitHub repository", f"`{target.repository}`"], ["Branch", f"`{target.platform.branch}`"]]


def _build() -> list[list[str]]:
    return [["Dockerfile path", "`./Dockerfile`"], ["Build context dir", "`./`"]]


def cronjob_text(target: Target, *, ticks: bool) -> str:
    why = (
        f"One cronjob wakes all of platform.yaml's: {', '.join(each.name for each in target.platform.cronjobs)}."
        if ticks
        else "One for each row. With `--tick 10` the export has one for all."
    )
    rows = [
        [
            f"`{cronjob_name(target, each)}`",
            f"`{each.line}`",
            f"`PROCESS={each.cronjob}`",
            f"`{each.command}`",
        ]
        for each in target.wake_ups
    ]
    questions = [
        *_source(target),
        ["Runtime / Language", "Docker"],
        ["Cron schedule", "of the row"],
        ["Cronjob name", "of the row"],
    ]
    questions += [*_build(), ["Instance type", "micro"], VARIABLES]
    return f"""\
{why} Run `panda cronjobs create`:

{markdown_table(["Cronjob name", "Cron schedule", "Variable", "Runs"], rows)}
{markdown_table(QUESTION, questions)}
The lines are those of step 3, with the site's `ALLOWED_HOSTS`, and the row's variable. Without `PROCESS` it would be one
more web, which never ends.
"""


def cronjob_name(target: Target, wake_up: WakeUp) -> str:
    """Name a cronjob so that two deployments differ: the tool adds no suffix here, and wants three characters."""
    name = f"{target.platform.name}-{wake_up.name}"
    return name if len(name) <= LONGEST_CRONJOB else wake_up.name


def lines_to_paste(values: Mapping[str, str]) -> str:
    """Give variables as lines to paste; a value that no line holds is apart, as JSON."""
    values = {
        name: " ".join(value.split()) if value.startswith("<") else value for name, value in values.items()
    }
    odd = {name: value for name, value in values.items() if not value.isprintable() or value != value.strip()}
    lines = [f"{name}={value}" for name, value in values.items() if name not in odd]
    text = fenced(lines, "env") + "\n"
    if odd:
        text += "\nValues that are no line of text, for the dashboard. They are written as JSON, where `\\n` is a line break:\n\n"
        text += fenced([json.dumps(odd, indent=2)], "json") + "\n"
    return text
