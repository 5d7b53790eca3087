"""`manage.py tick`: one entry in a platform's cron for all cronjobs of platform.yaml."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from offbeat.cronjobs import output, tick_wakeup
from offbeat.cronjobs.exit_codes import AWAY_TEXT, SysexitsCommand, as_exit_codes
from offbeat.cronjobs.watchdog import bounded_time

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(SysexitsCommand):
    help = "Trigger every due cronjob of platform.yaml. Run it about every ten minutes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, **options: Any) -> None:
        with bounded_time("tick"), as_exit_codes("tick", AWAY_TEXT):
            result = tick_wakeup.tick()
        self.say(json.dumps(output.tick_as_json(result)) if options["json"] else output.tick_text(result))
        if result.code:
            sys.exit(result.code)
