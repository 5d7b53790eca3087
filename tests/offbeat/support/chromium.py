"""A real Chromium, and what a page of ours must not do in it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil

import pytest
from django.db import connection
from playwright.sync_api import Error, expect, sync_playwright

expect.set_options(timeout=20_000)  # milliseconds: four tests at once on two CPUs may keep a page waiting
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


class SharedChromium:
    """One browser for the tests of a process, by turns: a start of it is a second and a half of CPU.

    Playwright's loop runs in this thread for as long as the browser lives, so other tests must not see it.
    """

    def __init__(self, browser):
        self.browser = browser
        self.loop = asyncio.get_running_loop()
        self.show(None)

    @staticmethod
    def show(loop):
        asyncio._set_running_loop(loop)  # noqa: SLF001  as Playwright does between two of its calls

    @contextlib.contextmanager
    def lend(self):
        """Give the browser to a test, and close what of it the test has left open; Django is asked as if there was no loop."""
        self.show(self.loop)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
            yield self.browser
            for context in self.browser.contexts:
                context.close()
            connection.close()  # the one of Playwright's loop, which the next test would find dead
        self.show(None)


FITS = "(width) => innerWidth === width && document.documentElement.scrollWidth <= width"


def fits(page, width):
    """Tell whether the page is no wider than a window of so many pixels; the window may take a few frames to have them."""
    page.set_viewport_size({"width": width, "height": 800})
    try:
        page.wait_for_function(FITS, arg=width, timeout=5_000)
    except Error:
        return False
    return True


def watch(page, address, wrong):
    """Note in `wrong` every error and warning that a page logs, and every request to elsewhere."""
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: message.type in {"error", "warning"} and wrong.append(message.text))
    page.on("request", lambda asked: asked.url.startswith((address, "data:")) or wrong.append(asked.url))
