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

`platform.yaml` describes what a platform must run. It is this project's own format: no platform reads it. The
[exporters](deploy/README.md) print it in the format of each platform. The cronjobs read their schedules from it.
`python manage.py check_platform` reports all its errors at once, in lines like

```
platform.yaml: cronjobs/weekly-digest/schedule: should have 5 fields, got 4 ("0 9 * *")
```

An editor that understands YAML schemas completes and checks the file while you type: its first line names the schema.
"""
WORKERS = """\
## Two workers

Jobs that compute need processes, and jobs that wait for other servers need threads. Give each kind a queue, and each
queue a service:

```yaml
services:
  - name: worker
    command: python manage.py worker --queues default,mail
    queues: [default, mail]
    instances: 1
  - name: io
    command: python manage.py worker --queues io --pool threads --concurrency 50
    queues: [io]
    health: python src/offbeat/jobs/probe.py
    instances: {min: 1, max: 4}
    cpu: 0.5
    memory: 512
    grace: 60
```

A task chooses its queue: `@shared_task(queue="io")`. [pools.md](pools.md) says which pool fits what.

- `--concurrency` in the command is for one service. `WORKER_CONCURRENCY` is for all workers without it, or for those in
  `services:` of the variable.
- Each process, thread or greenlet holds a connection to PostgreSQL, and each instance three more. Four instances of `io` hold
  212. `check_platform` compares the sum with `connections`, if you set it.
- A thread costs no 110 MiB, so `memory` does not limit their number. Without `--concurrency` it does.
- On Kubernetes, `export_platform kubernetes --keda prometheus` scales each worker by the depth of its queues and by how long
  the oldest job waits.
"""
RULES = """\
## Rules between keys

- A service with queues has at least one instance, because only a running worker runs jobs and finds lost ones.
  Its `grace` is at least 10 s, because it takes a few seconds to return jobs to the queue.
- The service with a port is called `web`: Heroku, Dokku and Scalingo send requests to no other name.
- Names of services and cronjobs differ from one another, and from `release`, `tick`, `cron`, `postgres`, `redis` and `rabbitmq`.
- Every cronjob has another command, because a wake-up finds its cronjob by the command. `--name daily` at the end
  makes two equal commands different.
- If a command has `--queues`, they are the service's `queues`. A Celery worker with several queues must have this option.
  Without it, the worker consumes only the default queue.
- A command is one program and its arguments. `&&`, pipes, `$NAME`, `*`, `~`, `#` and redirections need a shell, and not every
  platform starts one. Without quotes they are refused. In single or double quotes they are text, and the program gets them
  unchanged, `"$5"` too. No argument has a line break or another control character.
- A value may have any character except U+0000, also line breaks. A `help` is one line: line breaks become spaces.
- Names, branches, images and paths consist of ASCII letters, digits and a few other characters.
- Some platforms allow only shorter names. They get the first characters and a hash of the whole name. With the 49 characters of
  Cloud Run, a long name becomes `shop-weekly-...-3fa19c`. The result depends on that name alone, and the export prints it. A
  project may not have a name that its platform uses: `kube-system` on Kubernetes, `multi-user` on systemd, `redis` on Upsun.
- A cronjob's command ends and returns its own exit code: no server, no `nohup`, no `sh -c`.
- Celery Beat must not appear: the platform's cronjobs replace it.
- PostgreSQL is 15 or newer, Redis 6.2 or newer, RabbitMQ 3.10 or newer. Older versions get no fixes, or lack what Celery needs.
- Jobs need a broker: `redis` or `rabbitmq` among the resources, or `REDIS_URL` or `BROKER_URL` under `env` with a default or
  `required: true`. Amazon SQS (`BROKER_URL=sqs://`) needs no resource.
- A worker's [pool](pools.md) is prefork, threads, gevent or solo. `--autoscale` is refused.
- A required or generated variable goes to every process: cronjobs and the release command read the same settings.

`check_platform` also compares the file with the code, under these ids:

| Id | Refused |
| --- | --- |
| `offbeat_deployment.E001` | an error in the file itself |
| `offbeat_deployment.E002` | a cronjob whose command is not a management command that exists |
| `offbeat_deployment.E003` | Celery Beat in the Procfile, a compose file or the settings |
| `offbeat_deployment.E004` | a worker whose `grace` is not longer than the time that it waits for its jobs |
| `offbeat_deployment.E005` | a queue that a task is routed to and no service consumes |
| `offbeat_deployment.E006` | a variable that the settings require and not every process gets, or no broker at all |
| `offbeat_deployment.W007` | (a warning) a variable that nothing reads, and whose name is similar to one that is read |
| `offbeat_deployment.E008` | more connections than a server's plan allows, if `connections` is set |
| `offbeat_deployment.E009` | a worker's pool that is not supported, or lacks its package: in a file, or by a variable |
| `offbeat_deployment.E011` | `gunicorn` as a command, and a `WEB_CONCURRENCY` that it cannot read |

It also runs the cronjobs' own checks, `offbeat_cronjobs.…`: commands without slots,
commands without a task, invalid or renamed policies, tasks without a time limit, unknown settings, a short secret.

A time limit that is longer than Redis' visibility timeout is refused as `offbeat_jobs.E005`, unless a lease renews the messages.
"""


def reference_text() -> str:
    """Give the text of docs/offbeat/platform-yaml.md."""
    return "\n".join([INTRODUCTION, *_sections(Platform, "The file", ""), WORKERS, RULES])


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
