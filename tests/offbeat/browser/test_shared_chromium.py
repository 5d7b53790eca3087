"""One Chromium for all tests of a process: what those that do not use it see of it."""

import asyncio

import pytest

pytestmark = pytest.mark.browser


def test_it_is_seen_only_while_it_is_lent(shared_chromium):
    """Playwright's loop is this thread's while a test has the browser, and nothing of that test is left to the next."""
    for _ in range(2):
        with shared_chromium.lend() as browser:
            assert asyncio.get_running_loop() is shared_chromium.loop
            assert browser.contexts == []
            page = browser.new_context().new_page()
            page.set_content("<h1>Here</h1>")
            assert page.get_by_role("heading").inner_text() == "Here"

        assert asyncio.run(asyncio.sleep(0, "a loop of its own")) == "a loop of its own"
