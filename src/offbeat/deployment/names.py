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
ANY_NAME = text("a name", r"[\w.-]+")
REPOSITORY = text("owner/name on GitHub", r"\w[\w.-]*/\w[\w.-]*")
BRANCH = text("a branch's name", r"\w[\w./-]*")
IMAGE = text(
    "an image like registry.example/team/app:tag, its path in lower case",
    r"[\w.-]+(:\d+)?(/[a-z0-9_.-]+)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?",
)
# What stands in addresses, in YAML, in shell and in Python programs alike.
PATH = text("a path like /readyz, of letters, digits and _.~%:@!+,;=?&/-", r"/[\w.~%:@!+,;=?&/-]*")
