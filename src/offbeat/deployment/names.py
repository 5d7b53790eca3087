"""What names may be, so that every platform takes them."""

from offbeat.deployment.kinds import text

PLATFORM_NAME = text(
    "3 to 30 of a-z, 0-9 and hyphen, starting with a letter", r"[a-z][a-z0-9-]{1,28}[a-z0-9]"
)
# Scalingo's process types take no hyphen; 24 is the shortest limit among the platforms.
SERVICE_NAME = text("2 to 24 of a-z and 0-9, starting with a letter", r"[a-z][a-z0-9]{1,23}")
# DigitalOcean takes 32, Kubernetes 52 for a CronJob.
CRONJOB_NAME = text("2 to 32 of a-z, 0-9 and hyphen, starting with a letter", r"[a-z][a-z0-9-]{0,30}[a-z0-9]")
QUEUE_NAME = text("a queue's name of a-z, 0-9, hyphen and underscore", r"[a-z][a-z0-9_-]*")
ENV_NAME = text("a variable's name like LOG_LEVEL", r"[A-Z][A-Z0-9_]*")
ANY_NAME = text("a name", r"\S+")
REPOSITORY = text("owner/name on GitHub", r"[\w.-]+/[\w.-]+")
BRANCH = text("a branch's name", r"[\w./-]+")
IMAGE = text(
    "an image like registry.example/team/app:tag",
    r"[\w.-]+(:\d+)?(/[\w.-]+)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?",
)
