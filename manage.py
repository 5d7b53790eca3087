#!/usr/bin/env python
"""Django's command line, the same line in a Dockerfile deploy, a buildpack deploy, a dashboard and a terminal."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from offbeat.boot import clear_errors, read_settings  # noqa: PLC0415  src is on the path only now

    read_settings()
    with clear_errors():
        from django.core.management import execute_from_command_line  # noqa: PLC0415

        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
