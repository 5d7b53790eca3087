"""Static files: collected once a run of pytest, and read once a process. Each client of Django's makes the middleware anew."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from offbeat.web.static_files import StaticFilesMiddleware
from tests.offbeat.support.first_process import first_alone


def collect_once():
    """Collect the files, as the image's build does: the first of the processes side by side, the others wait for it."""
    root = Path(settings.STATIC_ROOT)
    with first_alone(root.with_suffix(".collected")):
        if not root.exists():
            call_command("collectstatic", interactive=False, verbosity=0)


@contextlib.contextmanager
def read_once():
    """Let a middleware take what one before it has read in the same folder, under the same settings."""
    read, found = StaticFilesMiddleware.update_files_dictionary, {}

    def update_files_dictionary(self, root, prefix):
        options = self.max_age, self.allow_all_origins, self.charset, self.index_file
        key = root, prefix, Path(root).stat().st_mtime_ns, *options
        if key not in found:
            self.files, before = {}, self.files
            read(self, root, prefix)
            self.files, found[key] = before, self.files
        self.files.update(found[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StaticFilesMiddleware, "update_files_dictionary", update_files_dictionary)
        yield
