"""`./run manage startapp NAME`: a new app where the project has its apps. With a directory or a template it is Django's own."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import startapp

from offbeat.dev.new_app import AppNameError, check_name, install_app, make_app


class Command(startapp.Command):
    help = "Make an app in src/, with its tests in tests/, and put it into INSTALLED_APPS."

    def handle(self, **options: Any) -> None:  # type: ignore[override]
        if options["directory"] or options["template"]:
            super().handle(**options)
            return
        name, root = options["name"], Path(settings.BASE_DIR)
        try:
            check_name(name, root)
        except AppNameError as error:
            raise CommandError(str(error), returncode=os.EX_USAGE) from None
        for path in make_app(name, root):
            self.stdout.write(f"wrote {path}")
        file = Path(str(import_module(settings.SETTINGS_MODULE).__file__))
        where = file.relative_to(root) if file.is_relative_to(root) else file
        if install_app(name, file):
            self.stdout.write(f"added to INSTALLED_APPS in {where}")
        else:
            self.stdout.write(f'Add it yourself: "{name}" in INSTALLED_APPS of {where}')
