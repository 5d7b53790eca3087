"""Alice in front of a real Chromium, and the app as real processes behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.offbeat.support.chromium import watch
from tests.offbeat.support.operators import make_operator

PASSWORD = "alice has the pager"
AXE = Path(__file__).parent / "vendor" / "axe.min.js"


@pytest.fixture
def alice(stack):
    """Who is on call."""
    return make_operator("alice", password=PASSWORD)


@pytest.fixture
def log_in(stack, alice, chromium):
    """Logs Alice in and gives her page; fails the test for any error that a page logs, and any request to elsewhere."""
    address = stack.web().browser.address
    wrong = []

    def log_in(path="/ops/", **options):
        context = chromium.new_context(base_url=address, **options)
        page = context.new_page()
        page.goto(path)
        page.get_by_label("Username").fill("alice")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"**{path}")
        # From here on the pages are ours; the login is Django's.
        watch(page, address, wrong)
        page.reload()
        return page

    log_in.wrong = wrong
    yield log_in
    for context in chromium.contexts:
        context.close()
    assert wrong == []


def findings(page):
    """Give what axe-core finds serious or critical, as "rule: where"."""
    page.evaluate(AXE.read_text())
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{rule['id']}: {node['target']} {node.get('failureSummary', '')}"
        for rule in result["violations"]
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]
