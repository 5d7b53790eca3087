"""Every public name of Celery's tasks, by kind, and what it is to a job: the tables of docs/offbeat/celery-names.md.

A row is `name: (what, says)`. What "works" or is "refused" is shown by a check of the same name in test_celery_interface; what is
"ignored" changes nothing, and says what to look at instead.
"""

from itertools import groupby

from offbeat.jobs.celery_options import INSTEAD

WORKS, REFUSED, IGNORED, PLAIN = "works", "refused", "ignored", "plain"

ATTRIBUTES = {
    "name": (WORKS, "the job's `task`"),
    "max_retries": (
        WORKS,
        "how often `self.retry` and `autoretry_for` may ask; `max_attempts` bounds attempts without an answer",
    ),
    "default_retry_delay": (WORKS, "seconds until a retry that names no time"),
    "time_limit": (WORKS, "seconds of one attempt; what is killed counts towards `max_attempts`"),
    "soft_time_limit": (
        WORKS,
        "raises `SoftTimeLimitExceeded` in the task, never in the recording of its end, nor in a hook after it",
    ),
    "throws": (
        WORKS,
        "an expected error is logged as a line of INFO; the job is a dead letter, as a task of Celery's has failed",
    ),
    "expires": (WORKS, "the job's `not_after`, from its enqueueing on; `using(not_after=...)` is stronger"),
    "priority": (WORKS, "Celery's 0 to 9, 0 first; `using(priority=...)` takes -100 to 100, higher first"),
    "typing": (
        WORKS,
        "`False`: a call that does not fit is not refused when it is enqueued; the job then waits for code that takes it",
    ),
    "rate_limit": (REFUSED, "by `enqueue`: use `concurrency_key`, or `run_at` for each job"),
    "Request": (
        REFUSED,
        "by `manage.py check` (`offbeat_jobs.E012`), unless it derives from `offbeat.jobs.request.JobRequest`",
    ),
    "ignore_result": (
        WORKS,
        "`False` keeps what the task returns in `job.result`; the default keeps nothing",
    ),
    "store_errors_even_if_ignored": (
        IGNORED,
        "the ledger keeps the last traceback, and the reason of each attempt",
    ),
    "backend": (IGNORED, "the ledger has what it would have"),
    "track_started": (IGNORED, "`job.state` is `running` from the start on"),
    "trail": (IGNORED, "a job has no children"),
    "serializer": (IGNORED, "arguments are JSON in PostgreSQL"),
    "acks_late": (IGNORED, "the ledger decides whether a job runs again, independent of its message"),
    "acks_on_failure": (IGNORED, "as `acks_late`"),
    "acks_on_timeout": (IGNORED, "as `acks_late`"),
    "acks_on_failure_or_timeout": (IGNORED, "as `acks_late`"),
    "reject_on_worker_lost": (IGNORED, "a job whose process died runs again, up to `max_attempts`"),
    "retry_on_worker_lost": (IGNORED, "as `reject_on_worker_lost`"),
    "send_events": (WORKS, "with `WORKER_TASK_EVENTS`; events of a job have no arguments"),
    "resultrepr_maxsize": (WORKS, "how much of a result the worker's log has"),
    "request": (WORKS, "see below"),
    "request_stack": (WORKS, "as in Celery"),
    "app": (WORKS, "as in Celery"),
    "abstract": (WORKS, "as in Celery"),
    "from_config": (WORKS, "settings are the defaults of these attributes"),
    "Strategy": (WORKS, "as in Celery"),
    "MaxRetriesExceededError": (WORKS, "raised by `self.retry` when no retry is left"),
    "OperationalError": (
        WORKS,
        "raised by `delay` while Redis is down; `enqueue` writes the row all the same",
    ),
}
DECORATOR = {
    "bind": (WORKS, "as in Celery"),
    "base": (
        WORKS,
        "also a class that derives from `celery.Task` and no more; of exactly `celery.Task` it is a plain task without `enqueue`",
    ),
    "pydantic": (
        WORKS,
        "models are dumped by `enqueue`, and validated when the task is called; with `pydantic_strict` and the rest",
    ),
    "autoretry_for": (WORKS, "waits in PostgreSQL"),
    "dont_autoretry_for": (WORKS, "as in Celery"),
    "retry_backoff": (WORKS, "as in Celery; with `retry_backoff_max` and `retry_jitter`"),
    "retry_kwargs": (
        REFUSED,
        "by `manage.py check` (`offbeat_jobs.E011`), what `self.retry` of a job does not take",
    ),
}
METHODS = {
    "delay": (PLAIN, "sends a plain message, as Celery does"),
    "apply_async": (PLAIN, "sends a plain message, with all of Celery's options"),
    "delay_on_commit": (
        PLAIN,
        "`delay` after the commit, as in Celery's class for Django; `enqueue` needs no such thing",
    ),
    "apply_async_on_commit": (PLAIN, "`apply_async` after the commit"),
    "apply": (PLAIN, "runs at once, here, without the ledger"),
    "run": (PLAIN, "the function"),
    "s": (
        PLAIN,
        "signatures, chains, groups and chords send plain messages: use a batch for a job after many others",
    ),
    "si": (PLAIN, "as `s`"),
    "signature": (PLAIN, "as `s`"),
    "subtask": (PLAIN, "as `s`"),
    "chunks": (PLAIN, "as `s`; `enqueue_many` writes thousands of jobs at once"),
    "map": (PLAIN, "as `s`"),
    "starmap": (PLAIN, "as `s`"),
    "retry": (
        WORKS,
        "with `args`, `kwargs`, `exc`, `throw`, `eta`, `countdown` and `max_retries`; any other option is refused",
    ),
    "replace": (REFUSED, "in a job: enqueue the other job, and return"),
    "add_to_chord": (REFUSED, "by Celery: a job is in no chord"),
    "AsyncResult": (
        REFUSED,
        "by an `AttributeError` of Celery's when asked for a state: there is no result backend, `Job.objects.get(pk=...)` says it",
    ),
    "update_state": (IGNORED, "there is no result backend: use `self.progress`"),
    "shadow_name": (IGNORED, "pages and logs show the name of the task"),
    "add_trail": (IGNORED, "a job has no children"),
    "send_event": (WORKS, "as in Celery"),
    "before_start": (WORKS, "what it raises is the job's answer, as if the task had raised it"),
    "on_success": (WORKS, "after the success is recorded, and the transaction of an `atomic` task committed"),
    "on_retry": (WORKS, "after the retry is recorded"),
    "on_failure": (
        WORKS,
        "after the dead letter is recorded; of a job whose process was killed for the last time, in the worker's main process",
    ),
    "after_return": (WORKS, "as `on_success` and `on_failure`"),
    "on_replace": (REFUSED, "as `replace`"),
    "add_around": (WORKS, "as in Celery"),
    "annotate": (WORKS, "by `CELERY_TASK_ANNOTATIONS`, as in Celery"),
    "bind": (WORKS, "as in Celery"),
    "on_bound": (WORKS, "as in Celery"),
    "push_request": (WORKS, "as in Celery"),
    "pop_request": (WORKS, "as in Celery"),
    "signature_from_request": (WORKS, "what `retry` sends; of a job it goes into the ledger"),
    "subtask_from_request": (WORKS, "as `signature_from_request`"),
    "start_strategy": (WORKS, "as in Celery"),
}
OPTIONS = {
    "queue": (WORKS, "`using(queue=...)`"),
    "priority": (WORKS, "`using(priority=...)`: -100 to 100, higher first"),
} | {name: (REFUSED, says) for name, says in INSTEAD.items() if name != "max_retries"}
REQUEST = {
    "id": (WORKS, "the job's id, as text"),
    "root_id": (WORKS, "the same"),
    "correlation_id": (WORKS, "the same, in a worker"),
    "args": (WORKS, "the job's, as its row has them"),
    "kwargs": (WORKS, "the job's"),
    "retries": (WORKS, "how often the task has asked for another attempt"),
    "hostname": (WORKS, "the worker's"),
    "delivery_info": (WORKS, "`routing_key` is the queue"),
    "properties": (WORKS, "of the message, in a worker"),
    "called_directly": (WORKS, "`False`"),
    "is_eager": (WORKS, "`False`"),
    "headers": (WORKS, "`{}`: a job has none"),
    "shadow": (WORKS, "the job's `task`"),
    "origin": (WORKS, '`"jobs"`'),
    "children": (WORKS, "what the task has sent by `delay`"),
    "stamps": (WORKS, "`{}`: a job has none"),
    "as_execution_options": (WORKS, "as in Celery"),
    "get": (WORKS, "as in Celery"),
    "update": (WORKS, "as in Celery"),
    "clear": (WORKS, "as in Celery"),
} | dict.fromkeys(
    ["callbacks", "errbacks", "chain", "chord", "group", "group_index", "parent_id", "taskset", "stamped_headers",
     "eta", "expires", "reply_to", "logfile", "loglevel", "time_limit", "soft_time_limit", "utc"],
    (IGNORED, "`None`: its message has none"),
) | {
    "ignore_result": (IGNORED, "`True`: the message asks for no result"),
    "replaced_task_nesting": (IGNORED, "`0`"),
    "timelimit": (IGNORED, "`[None, None]`: the limits are the task's"),
}  # fmt: skip
SIGNALS = {
    "task_prerun": (WORKS, "after the attempt has begun; a duplicate message sends nothing"),
    "task_postrun": (WORKS, "after the end is recorded"),
    "task_success": (WORKS, "after the success is recorded"),
    "task_retry": (WORKS, "after the retry is recorded"),
    "task_failure": (
        WORKS,
        "after the dead letter is recorded, also of a process that was killed for the last time",
    ),
    "task_internal_error": (WORKS, "as in Celery, for a hook that raises"),
    "task_received": (
        WORKS,
        "in the worker's main process; its request has no arguments: they are in the ledger",
    ),
    "task_revoked": (
        WORKS,
        "for a running job that is [cancelled](pauses.md#cancel), in the worker's main process; one that waits sends nothing",
    ),
    "task_unknown": (WORKS, "the job waits for a worker that knows its task"),
    "task_rejected": (IGNORED, "for messages that are none of jobs"),
    "task_sent": (IGNORED, "the relay sends jobs, many at once"),
    "before_task_publish": (IGNORED, "as `task_sent`"),
    "after_task_publish": (IGNORED, "as `task_sent`"),
}
EXCEPTIONS = {
    "Ignore": (WORKS, "there was nothing to do: the job has succeeded, and no hook is called"),
    "Reject": (WORKS, "a dead letter; with `requeue=True` another attempt, as `self.retry()` asks for"),
    "Retry": (WORKS, "as `self.retry()`"),
    "MaxRetriesExceededError": (WORKS, "a dead letter"),
    "SoftTimeLimitExceeded": (
        WORKS,
        "a dead letter, unless the task handles it, waited for a lock or had not begun",
    ),
    "TimeLimitExceeded": (IGNORED, "its process no longer exists: see `time_limit`"),
    "WorkerLostError": (WORKS, "what `on_failure` is given after the last kill"),
    "Terminated": (IGNORED, "its process no longer exists: the job is cancelled"),
    "TaskRevokedError": (IGNORED, "of Celery's main process"),
}
TABLES = {
    "Attributes of a task": ATTRIBUTES,
    "Options of `@shared_task`": DECORATOR,
    "Methods and hooks": METHODS,
    "Options of `apply_async`, given to `using`": OPTIONS,
    "`self.request`": REQUEST,
    "Signals": SIGNALS,
    "Exceptions": EXCEPTIONS,
}


def as_markdown() -> str:
    return "\n".join(_table(title, rows) for title, rows in TABLES.items())


def _table(title, rows):
    """Give a table that has one row for neighbours of which the same is true."""
    groups = groupby(rows.items(), key=lambda row: row[1])
    lines = [
        f"| {', '.join(f'`{name}`' for name, _ in group)} | {what} | {says} |"
        for (what, says), group in groups
    ]
    return "\n".join([f"## {title}", "", "| name | for a job | |", "|---|---|---|", *lines, ""])
