"""docs/offbeat/platform-yaml.md, made of the declarations that read the file: it cannot say anything else than they do."""

from __future__ import annotations

from dataclasses import MISSING
from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters.texts import markdown_table
from offbeat.deployment.records import ByName, NamedList, Record, entries
from offbeat.deployment.spec import Platform
from offbeat.project import DOCS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from dataclasses import Field

REFERENCE_FILE = DOCS / "platform-yaml.md"
INTRODUCTION = """\
# platform.yaml, key by key

<!-- Made by `python manage.py check_platform --write` of the declarations in src/offbeat/deployment/spec.py and service.py. -->

`platform.yaml` says once what a platform has to run. It is this project's own format: no platform reads it. The
[exporters](deploy/README.md) print it in each platform's terms, the cronjobs take their schedules from it, and
`python manage.py check_platform` tells everything that is wrong with it at once, in lines like

```
platform.yaml: cronjobs/weekly-digest/schedule: should have 5 fields, got 4 ("0 9 * *")
```

An editor that understands YAML schemas completes and checks it while you type: its first line names the schema.
"""
RULES = """\
## Rules between keys

- A service with queues runs at least one instance: only a running worker runs jobs, and makes due again what was lost.
  It has at least 10 s of grace: handing jobs back takes a few seconds.
- The service with a port is called `web`: Heroku, Dokku and Scalingo send requests to no other name.
- Names of services and cronjobs differ from one another, and from `release`, `tick`, `cron`, `postgres` and `redis`.
- No two cronjobs have the same command: a wake-up knows its cronjob by it. `--name daily` at the end
  of one tells two apart.
- Where a command says `--queues`, they are those of the service's `queues`. A Celery worker with several has to say them:
  without, it consumes the default queue alone.
- A command is one program and its arguments. `&&`, pipes, `$NAME`, `*`, `~`, `#` and redirections need a shell, and not every
  platform starts one: without quotes they are refused. In quotes, single or double, they are text, and the program gets them
  as they are, `"$5"` too. No argument has a line break or another control character.
- A value may have any characters but U+0000, line breaks among them. A `help` is one line: line breaks become blanks.
- Names, branches, images and paths are of ASCII letters, digits and a few signs.
- A platform that takes shorter names gets the first characters and a hash of the whole name: Cloud Run, with its 49, knows a
  long one as `shop-weekly-...-3fa19c`. It depends on that name alone, and the export says what it is. A project may not be
  called like a thing of its platform: `kube-system` on Kubernetes, `multi-user` on systemd, `redis` on Upsun.
- A cronjob's command ends and gives its own exit code: no server, no `nohup`, no `sh -c`.
- Celery Beat is nowhere: the platform's cronjobs take its place.
- PostgreSQL is 15 or newer, Redis 6.2 or newer: older ones get no fixes, or lack commands that Celery needs.
- A worker's pool is prefork, Celery's default: in threads and greenlets a message may run twice, and time limits do not hold.
- A required or generated variable goes to every process: cronjobs and the release command read the same settings.

`check_platform` compares the file with the code, too, under these ids:

| Id | Refused |
| --- | --- |
| `offbeat_deployment.E001` | whatever is wrong with the file by itself |
| `offbeat_deployment.E002` | a cronjob whose command is not a management command that exists |
| `offbeat_deployment.E003` | Celery Beat in the Procfile, a compose file or the settings |
| `offbeat_deployment.E004` | a worker whose grace is not longer than it waits for its jobs |
| `offbeat_deployment.E005` | a queue that a task is routed to and no service consumes |
| `offbeat_deployment.E006` | a variable that the settings require and not every process gets |
| `offbeat_deployment.W007` | (a warning) a variable that nothing reads, and whose name is like that of one that is read, or ours |
| `offbeat_deployment.E008` | more connections than a server's plan allows, where `connections` says how many those are |
| `offbeat_deployment.E009` | a worker's pool other than prefork, in platform.yaml, the Procfile, a compose file or a variable |
| `offbeat_deployment.E011` | `gunicorn` as a command, and a `WEB_CONCURRENCY` that it cannot read |

It runs the cronjobs' own checks as well (`offbeat_cronjobs.E001` to `E005`, `W001`): commands that take no part in slots or have no
task, policies that are none, tasks that may run for ever, unknown settings, a secret that is short.

A time limit that outlasts Redis' visibility timeout is refused as `offbeat_jobs.E005`, where no lease renews the messages.
"""


def reference_text() -> str:
    """Give the text of docs/offbeat/platform-yaml.md."""
    return "\n".join([INTRODUCTION, *_sections(Platform, "The file", ""), RULES])


def _sections(cls: type, title: str, path: str) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"{cls.__doc__}\n"
    yield markdown_table(
        ["Key", "Value", "Default", "Meaning"], [_row(each, entry) for each, entry in entries(cls)]
    )
    for each, entry in entries(cls):
        record, shown = _record(entry.kind)
        if record:
            where = f"{path}{each.name}{shown}"
            yield from _sections(record.cls, f"`{where}`", f"{where}/")


def _record(kind: Any) -> tuple[Record | None, str]:
    if isinstance(kind, Record):
        return kind, ""
    if isinstance(kind, NamedList):
        return kind.record, "/<name>"
    if isinstance(kind, ByName):
        return kind.record, "/<NAME>"
    return None, ""


def _row(each: Field[Any], entry: Any) -> list[str]:
    return [f"`{each.name}`", _value(entry.kind), _default(each), entry.doc]


def _default(each: Field[Any]) -> str:
    if each.default is MISSING:
        return "required"
    if each.default in (None, (), ""):
        return ""
    return (
        f"`{str(each.default).lower() if isinstance(each.default, bool) else each.default}`"
        if _is_plain(each.default)
        else ""
    )


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool))


def _value(kind: Any) -> str:
    if isinstance(kind, Record):
        return "a number, or a mapping" if kind.short else "a mapping"
    if isinstance(kind, NamedList):
        return "a list of mappings"
    if isinstance(kind, ByName):
        return "a mapping by name"
    schema = kind.schema()
    if schema.get("type") == "array":
        return "a list of names"
    if "minimum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}"
    return {"boolean": "`true`, `false`"}.get(str(schema.get("type")), "text")
