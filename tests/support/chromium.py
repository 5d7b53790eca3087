"""A real Chromium, and what a page of ours must not do in it."""

from __future__ import annotations

import contextlib
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

expect.set_options(timeout=20_000)  # milliseconds: three tests at once on two CPUs may keep a page waiting
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextlib.contextmanager
def launched():
    """Give a browser; skip the test where there is none. While it lives, Django takes this thread for an asynchronous one."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no Chromium here. Hint: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


def watch(page, address, wrong):
    """Note in `wrong` every error and warning that a page logs, and every request to elsewhere."""
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: message.type in {"error", "warning"} and wrong.append(message.text))
    page.on("request", lambda asked: asked.url.startswith((address, "data:")) or wrong.append(asked.url))
