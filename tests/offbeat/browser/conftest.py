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


# What of axe-core's rules looks at pixels, so that light and dark differ; the rest is of elements.
OF_COLOUR = ("color-contrast",)
# It reads style sheets, which all pages share: to load them takes longer than all other rules.
OF_STYLE_SHEETS = ("css-orientation-lock",)


def findings(page, rules=None):
    """Give what axe-core finds serious or critical, as "rule: where"; by some of its rules, or by all but those of style sheets."""
    if page.evaluate("typeof axe === 'undefined'"):  # it is half a megabyte, and stays until the next page
        page.evaluate(AXE.read_text())
    options = {"resultTypes": ["violations"], "preload": rules == OF_STYLE_SHEETS}
    result = page.evaluate(
        "options => axe.run(document, options)", options | ({"runOnly": rules} if rules else {})
    )
    return [
        f"{rule['id']}: {node['target']} {node.get('failureSummary', '')}"
        for rule in result["violations"]
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]
