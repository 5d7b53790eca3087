"""Every OnCalendar, expanded by systemd itself where calendars go wrong: at a month's end and where a clock is changed."""

import os
import re
import shutil
import subprocess
from collections import defaultdict
from datetime import UTC, datetime

import pytest

from offbeat.deployment.exporters import export_platform
from tests.offbeat.deployment.odd_schedules import ALL, slots, windows

MOMENT = re.compile(r"(?:Next elapse|Iter\. #\d+): \w+ ([\d-]+ [\d:]+) UTC")


def calendars(platform):
    """Give each cronjob with the calendars of its timers."""
    files = {file.path: file.text for file in export_platform("systemd", platform).files}
    for cronjob in platform.cronjobs:
        service = next(path for path in files if path.endswith(f"-{cronjob.name}.service"))
        command = re.search(r"^ExecStart=.*$", files[service], re.MULTILINE)[0]
        mine = [
            path.replace(".service", ".timer") for path, text in files.items() if f"\n{command}\n" in text
        ]
        yield cronjob, [re.search(r"^OnCalendar=(.*)$", files[path], re.MULTILINE)[1] for path in mine]


def expanded(texts, base, count):
    """Give what systemd says when each calendar elapses, in one process for all of them."""
    command = [
        "systemd-analyze",
        "calendar",
        f"--base-time={base:%Y-%m-%d %H:%M:%S} UTC",
        f"--iterations={count}",
    ]
    done = subprocess.run(
        [*command, *texts], capture_output=True, text=True, check=False, env=os.environ | {"TZ": "UTC"}
    )
    assert done.returncode == 0, done.stderr
    found = done.stdout.strip().split("\n\n")
    assert len(found) == len(texts), done.stdout
    return {
        text: [datetime.fromisoformat(each).replace(tzinfo=UTC) for each in MOMENT.findall(part)]
        for text, part in zip(texts, found, strict=True)
    }


def test_systemd_wakes_every_slot_at_its_minute():
    """No slot is lost at a month's end, in a repeated hour or at the end of a gap, whatever the schedule and its zone."""
    shutil.which("systemd-analyze") or pytest.skip("systemd-analyze is not installed")
    wanted = defaultdict(list)
    for case, platform in ALL.items():
        for cronjob, texts in calendars(platform):
            for window in windows(cronjob.timezone):
                if due := slots(cronjob, window):
                    wanted[window[0], len(due) > FEW].append((f"{case}: {cronjob.name}", texts, due))

    lost = [each for (base, _), entries in wanted.items() for each in missed(base, entries)]

    assert lost == [], "\n".join(lost[:20])
    assert len(wanted) > len(ALL)


FEW = 10


def missed(base, entries):
    """Give the slots at whose minute no calendar elapses; all calendars of a moment in one process."""
    texts = sorted({text for _, mine, _ in entries for text in mine})
    # In UTC a calendar may elapse twice as often as the schedule: once for each offset of its zone.
    moments = expanded(texts, base, 2 * max(len(due) for *_, due in entries) + FEW)
    for name, mine, due in entries:
        found = {moment for text in mine for moment in moments[text]}
        yield from (f"{name} ({', '.join(mine)}): {slot}" for slot in due if slot not in found)
