"""The checklist for PandaStack: the questions of its command line with their answers, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offbeat.deployment.exporters.environment import asked, purpose
from offbeat.deployment.exporters.first_steps import first_steps
from offbeat.deployment.exporters.pandastack_containers import (
    QUESTION,
    cronjob_name,
    cronjob_text,
    lines_to_paste,
    service_text,
)
from offbeat.deployment.exporters.texts import markdown_table
from offbeat.variables.weak_secrets import RECIPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.exporters.wakeups import WakeUp
    from offbeat.deployment.spec import Service

SITE = """ The name of the site
is not known yet: the step of web says what `ALLOWED_HOSTS` becomes."""
ENGINES = {"postgres": "PostgreSQL", "redis": "Redis"}


def checklist(target: Target) -> str:
    """Give the whole text, from a fork to a slot that ran, and what comes after."""
    sections = enumerate(_sections(target), start=1)
    steps = [f"## {number}. {title}\n\n{text}" for number, (title, text) in sections]
    last = first_steps(target.facts, target.platform.name, "../docs/offbeat")
    return "\n".join([_introduction(target), *steps, _optional(target), last])


def _sections(target: Target) -> Iterator[tuple[str, str]]:
    yield "Before you begin", _before(target)
    yield "Databases", _databases(target)
    yield "Variables of every container", _variables(target)
    for service in _ordered(target):
        yield f"Service {service.name}", service_text(target, service)
    if target.wake_ups:
        ticks = target.wake_ups[0].cronjob == "tick"
        yield "Cronjob tick" if ticks else "Cronjobs", cronjob_text(target, ticks=ticks)
        yield "See that a slot ran", _check(target, target.wake_ups[0])
    yield "Afterwards", _afterwards(target)


def _introduction(target: Target) -> str:
    return f"""\
# PandaStack, by hand

{target.header}

PandaStack (pandastack.io; pandastack.ai is another product) reads no file. Follow these steps in a terminal: they are the
questions of its command line, in its order. The dashboard asks for the same. Docker services and Docker cronjobs have no start
command there, and there is no one-off container: the variable `PROCESS` says what a container of the image runs.
"""


def _before(target: Target) -> str:
    return f"""\
- Your fork is `{target.repository}` on GitHub, and `{target.platform.branch}` is what you deploy. `./run manage
  check_platform` finds nothing wrong.
- Its Dockerfile knows `PROCESS`: `grep process.sh Dockerfile` prints its `CMD`, among others.
- In the dashboard, Settings → Integrations: connect GitHub. Settings → API Tokens: make a token, which `panda login` asks for.
- Choose a paid size: the free tier stops what is idle, and then no job runs.

```sh
npm install -g @pandastack/cli@0.1.18
panda login
panda status
```
"""


def _databases(target: Target) -> str:
    text = "".join(_database(target, kind) for kind in target.platform.resources.kinds)
    if not text:
        return "Nothing to do: the servers live elsewhere.\n"
    return f"""\
Run `panda db create` for each. It adds a hyphen and six characters to the name, and makes the smallest, free size:
choose a larger one in the dashboard.

{text}`panda db info NAME`, with the name that it printed, shows the connection strings. `privateUrl` is what the containers
use. Redis must keep
all keys (`maxmemory-policy noeviction`), if the dashboard lets you say so.
"""


def _database(target: Target, kind: str) -> str:
    version, engine = target.version_of(kind), ENGINES[kind]
    shown = version.partition(".")[0] if kind == "postgres" else version.rpartition(".")[0]
    rows = [
        ["Database name", f"`{target.platform.name}-{kind}`"],
        ["Database engine", engine],
        ["Version", f"{engine} {shown}, which is {version}"],
        ["Deployment architecture", "Single Zone, or Multiple Zone"],
    ]
    if kind == "postgres":
        rows += [["Database username", "`postgres`"]]
    rows += [["Password", "blank: it makes one"]]
    if kind == "postgres":
        rows += [["Database name (inside DB)", "`defaultdb`"]]
    return markdown_table(QUESTION, [*rows, ["Visibility", "Private"]]) + "\n"


def _variables(target: Target) -> str:
    platform = target.platform
    values = {
        resource.injects: f"<privateUrl of {platform.name}-{kind}-...>"
        for kind, resource in platform.resources.items()
    }
    values |= {each.name: f"<{each.help or 'yours'}>" for each in platform.env if each.required}
    values |= {"ALLOWED_HOSTS": "localhost"} if "ALLOWED_HOSTS" in values else {}
    values |= {
        each.name: each.default for each in platform.env if each.default is not None and not each.services
    }
    made = [f'echo "{each.name}=$({RECIPE})"' for each in platform.env if each.generated]
    secrets = "\n".join(
        [
            "Secrets, made once. Run this, and keep the lines that it prints:",
            "",
            "```sh",
            *made,
            "```",
            "",
            "",
        ]
    )
    site = SITE if target.first.port else ""
    return f"""\
Every service and every cronjob gets these, the same values everywhere; `<...>` is for you to fill in.{site}

{secrets if made else ""}{lines_to_paste(values)}"""


def _ordered(target: Target) -> list[Service]:
    """Give the services, the one that runs the release first."""
    return sorted(target.platform.services, key=lambda each: each != target.first)


def _check(target: Target, wake_up: WakeUp) -> str:
    name = cronjob_name(target, wake_up)
    return f"""\
```sh
panda cronjobs trigger {name} --stream
panda cronjobs logs {name} --stream
panda cronjobs logs {name}
panda monitor
```

The first line runs the cronjob now and shows its log: a line for each cronjob that was due (`... enqueued as job ...`), and
where it is a tick, `tick: 1 of 4 cronjobs were due`. Right after the first deploy none is due: slots begin when a worker first
starts that knows the cronjob. The second shows the log of the last run; the third the times and states
of the last ten, one for every time that the schedule names. The log of a worker shows each job as it begins and ends.
`https://.../healthz/cron` answers 200 while no slot is late, and 503 when one is: let a monitor outside ask it.
"""


def _afterwards(target: Target) -> str:
    names = [f"{target.platform.name}-{each.name}-xxxxx" for each in _ordered(target)]
    return f"""\
**Deploy again.** A push to `{target.platform.branch}` deploys every service. By hand, {target.first.name} first, as it migrates:

```sh
{chr(10).join(f"panda projects deploy {name}" for name in names)}
```

Old and new containers run side by side for a moment, with either state of the database: add columns first, use them later,
remove them last.

**Roll back.** No command does that: `git revert` the commit and push. Migrations are not undone, so the former code has to run
with the new tables.

{_later_cronjobs() if target.wake_ups else ""}\
**Change a variable.** `panda projects env set NAME KEY=VALUE`, then `panda projects deploy NAME`, for each service. The command
line cannot change those of a cronjob: use the dashboard, or delete it and create it again.
"""


def _later_cronjobs() -> str:
    return """\
**Add a cronjob.** Write it into platform.yaml, push, and make this file again. A tick runs it from then on: trigger the tick
once, and read how many cronjobs it knows. If the new one is missing, its image is old: `panda cronjobs delete NAME`, and
create it again. With a cronjob each, create the new one as in the step above.

**One cronjob each** in place of the tick: `./run manage export_platform pandastack --tick 0 --write`. Each costs a container
and a build.

"""


def _optional(target: Target) -> str:
    rows = [[each.name, purpose(each)] for each in asked(target.platform) if each.is_optional]
    if not rows:
        return ""
    return f"## Optional variables\n\nTo every container, where you want them:\n\n{markdown_table(['Variable', 'For'], rows)}"
