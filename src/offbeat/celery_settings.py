"""The settings of Celery, of its broker and of jobs, each number with its reason and the bound that it must keep."""

from __future__ import annotations

from offbeat.container import HINT, MOST, WORKER
from offbeat.env import env
from offbeat.identity import PREFIX, platform_name
from offbeat.jobs.conf import JobsConf
from offbeat.jobs.levels import LEVELS
from offbeat.variables import broker_url, rabbitmq_url, redis_url, sqs_url
from offbeat.variables.certificate_authority import authority_file
from offbeat.variables.values import LINE, choice

# The broker, where it is not the Redis of REDIS_URL.
BROKER_URL = env.parsed("BROKER_URL", broker_url.form, "", is_secret=True)
# False only where RabbitMQ's certificate is self-signed.
BROKER_TLS_VERIFY = env.boolean("BROKER_TLS_VERIFY", default=True)
BROKER_CA = env.parsed("BROKER_CA", authority_file, "", is_secret=True)  # a file, whatever was given
if BROKER_CA and not BROKER_URL.startswith("amqps:"):
    env.problem("BROKER_CA is for BROKER_URL=amqps://…, which is TLS.", "remove one, or change the other.")
if BROKER_CA and not BROKER_TLS_VERIFY:
    env.problem("BROKER_CA contradicts BROKER_TLS_VERIFY=false.", "remove one.")
BROKER_TLS = rabbitmq_url.tls(BROKER_URL, BROKER_CA, verify=BROKER_TLS_VERIFY)

# False only where the platform's certificates are self-signed (Heroku).
REDIS_TLS_VERIFY = env.boolean("REDIS_TLS_VERIFY", default=True)
REDIS_CA = env.parsed("REDIS_CA", authority_file, "", is_secret=True)  # a file, whatever was given
REDIS = redis_url.read(
    env.parsed(
        "REDIS_URL",
        redis_url.form,
        "",
        hint="set it on the platform, or run ./run up for an embedded Redis.",
        is_required=not env.is_set("BROKER_URL"),
        is_secret=True,
    ),
    verify=REDIS_TLS_VERIFY if env.is_set("REDIS_TLS_VERIFY") else None,
    authority=REDIS_CA,
    tell=env.problem,
)
REDIS_URL = REDIS.url

# What every key of this deployment begins with; two deployments on one Redis, staging beside production, need two.
REDIS_PREFIX = env.text("REDIS_PREFIX", platform_name(), form=PREFIX)

# Seconds between SIGTERM and SIGKILL, the same number as the worker's `grace` in platform.yaml.
WORKER_GRACE = env.integer("WORKER_GRACE", 60, minimum=10)
VISIBILITY_TIMEOUT = env.integer("VISIBILITY_TIMEOUT", 60, minimum=3)  # seconds; the same on every worker

IS_SQS = BROKER_URL.lower().startswith("sqs:")
CELERY_BROKER_URL = BROKER_URL or REDIS_URL
if REDIS.tls and not BROKER_URL:  # kombu verifies no certificate unless it is told to
    CELERY_BROKER_USE_SSL = REDIS.tls
elif BROKER_TLS:
    CELERY_BROKER_USE_SSL = BROKER_TLS

CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_CREATE_MISSING_QUEUES = True

CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]  # pickle would make write access to Redis the right to run code
# A result costs two more Redis commands a publish, five a task; jobs keep their state in PostgreSQL.
CELERY_TASK_IGNORE_RESULT = True

CELERY_TASK_ACKS_LATE = True  # acknowledged early, a killed task is gone
# A killed child gives its message back; the delivery cap of jobs ends the loop.
CELERY_TASK_REJECT_ON_WORKER_LOST = True
# A long task must not hold the messages of short ones; no cost in throughput.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT = 9 * 60  # raises SoftTimeLimitExceeded in the task, a minute before the kill
CELERY_TASK_TIME_LIMIT = 10 * 60  # a task that needs longer says so itself
# Else a dropped connection leaves two live copies.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
# Seconds to wait for a dead child's answer; the default of 10 is time in which nobody works on it.
CELERY_WORKER_LOST_WAIT = 0.5

# One more try, at once: whoever publishes waits for it.
PUBLISH_RETRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.2}
# The lease that jobs renews makes a short timeout safe for tasks of any length; without it, it must exceed every time limit.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": f"{REDIS_PREFIX}:",  # of queues, of messages in hand, and of the channels of remote control
    "priority_steps": list(LEVELS),  # each queue has a list for each
    "visibility_timeout": VISIBILITY_TIMEOUT,  # seconds until a dead worker's message is delivered again; Celery's is an hour
    "unacked_restore_interval": 10,  # seconds between looks for such messages
    "unacked_restore_throttle": 1,
    # Seconds after which others look when a worker died while it looked; kombu's five minutes would keep all messages waiting.
    "unacked_mutex_expire": 10,
    "socket_connect_timeout": 2,  # seconds; without these two a publish to a silent server hangs for ever
    "socket_timeout": 3,  # above the one second for which BRPOP blocks
    "socket_keepalive": True,
    "health_check_interval": 5,  # seconds; a half-open socket is noticed within 20
    **PUBLISH_RETRY,
    **REDIS.transport,  # the sentinels' primary
}
if IS_SQS:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "queue_name_prefix": f"{REDIS_PREFIX}-",
        "visibility_timeout": VISIBILITY_TIMEOUT,
    }
# Quorum queues are replicated; classic ones know all priorities.
BROKER_QUEUE_TYPE = env.parsed(
    "BROKER_QUEUE_TYPE", choice(["quorum", "classic"], {"QUORUM": "quorum", "CLASSIC": "classic"}), "quorum"
)
if BROKER_URL.startswith("amqp"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "global_keyprefix": f"{REDIS_PREFIX}:",  # of queues and exchanges
        "queue_type": BROKER_QUEUE_TYPE,
        "confirm_publish": True,  # a plain message is in RabbitMQ when `.delay()` returns
    }
    CELERY_BROKER_HEARTBEAT = 10  # seconds; a half-open socket is noticed within 20
    # Our channel makes quorum queues, of which Celery knows nothing: else it made 28 more of them, for delayed messages.
    CELERY_WORKER_DETECT_QUORUM_QUEUES = False
    # After a lost connection Celery asks for fewer messages while jobs run. A quorum queue never hears that it may give more again.
    CELERY_WORKER_ENABLE_PREFETCH_COUNT_REDUCTION = BROKER_QUEUE_TYPE != "quorum"
CELERY_BROKER_CONNECTION_TIMEOUT = 1  # seconds
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for ever: the default gives up after 100
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # else the worker exits when Redis is full
# Connections that a process publishes through: small Redis plans allow about 20 in all.
CELERY_BROKER_POOL_LIMIT = 2
CELERY_TASK_PUBLISH_RETRY_POLICY = PUBLISH_RETRY

CELERY_WORKER_CONCURRENCY = (
    env.integer("WORKER_CONCURRENCY", 0, maximum=MOST, hint=HINT) or WORKER.fitting_here()
)
# A leak ends with its process. To replace a child takes about a tenth of a second, in which the others go on.
CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000
# Celery closes the database connection before and after each task; kept, they save two thirds of a small job's time.
# jobs checks a connection before a plain task uses it, and reconnects by itself where it was lost.
CELERY_DB_REUSE_MAX = 500
# Events cost 40 % of the throughput, and the ledger knows it all: for Flower and its like.
CELERY_WORKER_SEND_TASK_EVENTS = env.boolean("WORKER_TASK_EVENTS", default=False)
# Redis would carry commands to the worker.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = env.boolean(
    "WORKER_REMOTE_CONTROL", default=env.boolean("DEBUG", default=False) and not IS_SQS
)
if IS_SQS:
    sqs_url.refuse_broadcasts(
        {
            "WORKER_REMOTE_CONTROL": CELERY_WORKER_ENABLE_REMOTE_CONTROL,
            "WORKER_TASK_EVENTS": CELERY_WORKER_SEND_TASK_EVENTS,
        },
        env.problem,
    )
CELERY_WORKER_HIJACK_ROOT_LOGGER = False  # LOGGING below holds in the worker too

# Jobs: every interval and bound of the ledger is in jobs/conf.py, with its reason; a variable OFFBEAT_JOBS_<NAME> overrides one.

OFFBEAT_JOBS = {
    "drain": max(1, WORKER_GRACE - 10),
    "hold": env.boolean("MAINTENANCE", default=False),
    **env.numbers("OFFBEAT_JOBS_", JobsConf),
}
env.text(
    "OFFBEAT_JOBS_HEARTBEAT_FILE", "", form=LINE
)  # read where there are no settings: by the worker's probe
