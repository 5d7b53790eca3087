"""The newsletter in a browser: what changes by itself, what can be read and pressed, and what must not be there."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.offbeat.support.chromium import fits, watch
from tests.offbeat.support.polling import wait_until

# The contrast of an element's text with the page, by WCAG 2's formula.
CONTRAST = """(selector) => {
  const parts = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
  const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const of = (element, property) => luminance(parts(getComputedStyle(element)[property]));
  const pair = [of(document.querySelector(selector), "color"), of(document.body, "backgroundColor")];
  return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
}"""


@pytest.fixture
def open_page(stack, chromium):
    """Opens a page of the site; fails the test for any error that a page logs, and any request to elsewhere."""
    stack.mail_sink()
    address = stack.web().browser.address
    wrong = []

    def open_page(**options):
        context = chromium.new_context(base_url=address, **options)
        page = context.new_page()
        watch(page, address, wrong)
        page.goto("/")
        return page

    yield open_page
    for context in chromium.contexts:
        context.close()
    assert wrong == []


def subscribe_on(page):
    page.get_by_label("Email address").fill("alice@example.com")
    page.get_by_role("button", name="Subscribe").click()


@pytest.mark.browser
def test_the_page_follows_the_mail_by_itself(open_page, stack):
    """Without a reload the page goes from the note in the ledger to the mail that is sent."""
    page = open_page()
    subscribe_on(page)
    expect(page.get_by_role("heading", name="On its way")).to_be_visible()
    page.evaluate("window.wasNotReloaded = true")

    stack.worker()

    expect(page.get_by_role("heading", name="Look into your inbox")).to_be_visible(timeout=20_000)
    assert page.evaluate("window.wasNotReloaded")
    assert page.locator(".beats").get_attribute("data-state") == "succeeded"


@pytest.mark.browser
def test_without_script_a_link_looks_again(open_page, stack):
    """A browser that runs no script gets the same states, one click at a time."""
    page = open_page(java_script_enabled=False)
    subscribe_on(page)
    expect(page.get_by_role("heading", name="On its way")).to_be_visible()
    stack.worker()
    wait_until(stack.mails)

    def look_again():
        page.get_by_role("link", name="Look again").click()
        return page.get_by_role("heading", name="Look into your inbox").is_visible()

    wait_until(look_again)


@pytest.mark.browser
def test_the_page_fits(open_page):
    """From a small phone to a wide screen nothing is cut off, and what is pressed is large enough for a thumb."""
    page = open_page()
    for width in (320, 390, 768, 1024, 1440):
        assert fits(page, width)
        assert page.get_by_role("button", name="Subscribe").bounding_box()["height"] >= 44


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_text_can_be_read(open_page, scheme):
    """By day and by night the quiet text keeps the contrast of 4.5 to 1 that WCAG asks for."""
    page = open_page(color_scheme=scheme)

    ratio = page.evaluate(CONTRAST, ".lead")

    assert ratio >= 4.5


@pytest.mark.browser
def test_the_keyboard_is_enough(open_page):
    """Tab reaches the skip link, the brand, the field and the button, each with a visible outline."""
    page = open_page()
    outlines = []
    for _ in range(4):
        page.keyboard.press("Tab")
        outlines.append(page.evaluate("getComputedStyle(document.activeElement).outlineStyle"))

    assert page.evaluate("document.activeElement.textContent") == "Subscribe"
    assert outlines == ["solid"] * 4


@pytest.mark.browser
def test_the_trap_is_for_programs_only(open_page):
    """Whoever listens to the page hears of one field, and whoever sees it sees one."""
    page = open_page()

    assert page.get_by_role("textbox").count() == 1
    assert "Leave this empty" not in page.locator("main").aria_snapshot()
    trap = page.locator("input[name=website]").bounding_box()
    assert trap["x"] + trap["width"] < 0
