"""The real cron daemon drives an exported crontab against a real worker."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from shlex import quote

import pytest

from offbeat.cronjobs.models import Slot
from offbeat.deployment import spec
from offbeat.deployment.exporters import Options, export_platform
from offbeat.jobs.models import Job
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import CHECKOUT

COMMAND = "python manage.py enqueue_prune_jobs --name every-minute --schedule '* * * * *'"
CRON = shutil.which("cron", path="/usr/sbin:/usr/bin")

# In a mount namespace of its own, cron sees our file and nothing of the machine's.
ISOLATED = """
mount --make-rprivate / && mount -t tmpfs none /etc/cron.d && mount -t tmpfs none /var/spool/cron && mkdir /var/spool/cron/crontabs
mount --bind /dev/null /etc/crontab && mount -t tmpfs none /run
install --mode 644 "$1" /etc/cron.d/offbeat && exec "$2" -f
"""


def may_isolate():
    return (
        os.geteuid() == 0
        and subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0
    )


@pytest.fixture
def crontab(faults, tmp_path):
    """The crontab that is exported for a cronjob of every minute, for this checkout and this test's servers."""
    entry = spec.CronJobSpec(name="every-minute", schedule="* * * * *", command=COMMAND)
    files = export_platform("crontab", replace(spec.read(), cronjobs=(entry,)), Options()).files
    exported, defaults = (file.text for file in files)
    (tmp_path / "crontab.env").write_text(defaults)
    variables = tmp_path / "offbeat.env"
    variables.write_text(
        "".join(f"{name}={quote(value)}\n" for name, value in faults.stack.environment.items())
    )
    text = exported
    for placeholder, ours in {
        "/srv/offbeat/.venv/bin/python": sys.executable,
        "/srv/offbeat": str(CHECKOUT),
        "/etc/offbeat.env": str(variables),
        "deploy/crontab.env": str(tmp_path / "crontab.env"),
        "* offbeat cd": "* root cd",
        "MAILTO=root": 'MAILTO=""',
        "'* * * * *'\n": f"'* * * * *' >>{tmp_path}/wake-ups.log 2>&1\n",
    }.items():
        assert placeholder in text
        text = text.replace(placeholder, ours)
    (tmp_path / "crontab").write_text(text)
    return tmp_path / "crontab"


def wake_ups(folder):
    log = folder / "wake-ups.log"
    return log.read_text().splitlines() if log.exists() else []


@pytest.mark.long
@pytest.mark.timeout(240)
@pytest.mark.skipif(not CRON, reason="cron is not installed: apt-get install cron")
@pytest.mark.skipif(not may_isolate(), reason="a mount namespace of its own needs root")
def test_cron_for_two_minutes(faults, crontab, tmp_path):
    """Two wake-ups by Debian's cron are two slots, seconds late, and two jobs that a worker runs once each."""
    faults.worker()

    cron = faults.stack.start("cron", ["unshare", "-m", "sh", "-ec", ISOLATED, "sh", str(crontab), CRON])
    wait_until(
        lambda: Job.objects.filter(state="succeeded").count() >= 2 or not cron.is_running, 150, pause=0.5
    )

    slots = list(Slot.objects.exclude(outcome="skipped").order_by("slot"))
    assert cron.is_running, cron.output
    assert [slot.trigger for slot in slots] == ["schedule"] * len(slots)
    assert slots[1].slot - slots[0].slot == timedelta(minutes=1)
    assert all(slot.decided_at - slot.slot < timedelta(seconds=30) for slot in slots)
    assert list(Job.objects.values_list("state", "attempt")) == [("succeeded", 1)] * len(slots)
    assert [line.split(" (")[0] for line in wake_ups(tmp_path)] == [
        f"every-minute: slot {slot.slot:%Y-%m-%d %H:%MZ} enqueued as job {slot.job_id}" for slot in slots
    ]
