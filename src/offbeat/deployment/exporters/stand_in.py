"""Our stand-in for a cron, for platforms that keep no schedule: one more process, made from the same image."""

COMMAND = "python src/offbeat/deployment/cron.py"


def note(place: str) -> str:
    """Say what hangs on the one process that keeps the schedules; `place` is what the platform calls it."""
    return (
        f"cronjobs: the {place} `cron` starts all of them. If it is down, "
        "a worker enqueues the missed slots, some minutes later"
    )
