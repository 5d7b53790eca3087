"""A copy of the checkout, with an app of its own, that a test may edit; it uses the packages that are installed here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.offbeat.support.running import CHECKOUT

FILES = ("manage.py", "platform.yaml", "pyproject.toml", "requirements.txt", "requirements-dev.txt", "run")
HALF_WRITTEN = shutil.ignore_patterns("*.pyc.*")
VIEWS = """\
import os
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render


def page(request):
    return HttpResponse(f"{os.environ.get('GREETING')} {getattr(settings, 'SIGN', None)} {os.environ.get('FAREWELL')}")
"""
URLS = """

from shop import views as shop_views

urlpatterns += [path("shop/", shop_views.page)]
"""
MODELS = """\
from django.db import models


class Cake(models.Model):
    name = models.TextField()
"""


def copy_checkout(folder):
    """Make the copy, and return its folder."""
    # What is compiled comes along, and is valid there too; what somebody compiles just now may be gone before it is copied.
    shutil.copytree(CHECKOUT / "src", folder / "src", ignore=HALF_WRITTEN)
    for name in FILES:
        shutil.copy(CHECKOUT / name, folder / name)
    environment = folder / ".venv"
    environment.mkdir()
    for each in Path(sys.prefix).iterdir():
        if not each.name.startswith("complete"):
            (environment / each.name).symlink_to(each)
    summed = subprocess.run(
        ["cksum", "requirements-dev.txt"], cwd=folder, capture_output=True, text=True, check=True
    )
    for stamp in ("complete", "complete-with-tools"):
        (environment / stamp).write_text(f"{folder.resolve()} {summed.stdout}")
    return folder


def make_shop(folder):
    """Make an app whose page tells a variable and a setting, beside the folder that is watched."""
    app = folder / "beside" / "shop"
    (app / "migrations").mkdir(parents=True)
    for name, text in {
        "__init__": "",
        "migrations/__init__": "",
        "models": MODELS,
        "views": VIEWS,
    }.items():
        (app / f"{name}.py").write_text(text)
    return app
