"""Every ops page in a real Chromium: can be read, used by keyboard and by thumb, with and without JavaScript."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from offbeat.jobs import unreadable_store
from offbeat.jobs.models import Batch, Worker
from offbeat.ops.metrics import counters
from offbeat.ops.models import AuditEntry
from tests.offbeat.browser import stage
from tests.offbeat.browser.conftest import OF_COLOUR, OF_STYLE_SHEETS, findings
from tests.offbeat.support.chromium import fits

pytestmark = pytest.mark.browser

# The innermost elements that reach beyond the window.
BEYOND = """() => [...document.querySelectorAll("body *")]
  .filter((element) => !element.children.length && element.getBoundingClientRect().right > innerWidth)
  .map((element) => `${element.tagName} ${element.textContent}`.slice(0, 60))"""

REACHES = "(selector) => Math.ceil(document.querySelector(selector).getBoundingClientRect().right)"
HIGHEST = "Math.max(0, ...[...document.querySelectorAll('.jobs > li')].map((row) => row.offsetHeight))"
TWO_LINES = 64  # pixels
LAST_LINE = """(() => {
  const shown = document.querySelector(".traceback").getBoundingClientRect();
  return document.querySelector(".traceback code").getBoundingClientRect().bottom <= shown.bottom + 1 ? "is seen" : "is hidden";
})()"""

LONG_NAME = "subscriptions.tasks.send_the_yearly_statement_of_account"
LONG_QUEUE = "q" * 100


@pytest.fixture
def pages(stack):
    """The addresses of all pages, with a lot to show."""
    stage.set_up(incident=True)
    counters.fold()
    traceback = stage.TRACEBACK * 20
    job = stage.job(
        LONG_NAME,
        "dead",
        timezone.now(),
        args=["x" * 90],
        reason="y " * 250,
        traceback=traceback,
        queue=LONG_QUEUE,
    )
    batch = Batch.objects.get()
    Worker.objects.bulk_create(  # more than their list shows at once
        Worker(hostname=f"batch-{number}", pid=1, queues=["batch"], concurrency=8) for number in range(12)
    )
    Worker.objects.create(hostname="h" * 255, pid=1, queues=["batch"], concurrency=8)
    silent = timezone.now() - timedelta(minutes=2)  # what has not been heard of, and is not yet removed
    Worker.objects.filter(hostname="h" * 255).update(heartbeat_at=silent)
    unreadable_store.put_aside(
        '{"headers": "%s"}' % ("x" * 500), f"no task {LONG_NAME} is known to the worker", LONG_QUEUE
    )
    return [
        "/ops/",
        "/ops/jobs/",
        "/ops/jobs/?state=dead",
        "/ops/dead-letters/",
        f"/ops/jobs/{job.pk}/",
        f"/ops/jobs/{job.pk}/discard/",
        "/ops/cronjobs/",
        "/ops/cronjobs/signup-report/",
        "/ops/cronjobs/signup-report/backfill/?since=2026-01-01T00:00&until=2026-01-02T00:00",
        "/ops/trends/",
        "/ops/incidents/acknowledge/?kind=no_success&subject=signup-report",
        "/ops/batches/",
        f"/ops/batches/{batch.pk}/",
        "/ops/messages/",
        "/ops/messages/drop/",
        "/ops/pauses/new/?kind=queue&name=default",
        "/ops/audit/",
    ]


@pytest.mark.long
def test_axe_finds_nothing_serious(pages, log_in):
    """Names, roles, contrast, order: axe-core has nothing serious or critical to say about any page, on a desk and on a phone.

    In the dark it is asked about colours only: the elements are the same.
    """
    page = log_in(color_scheme="light", reduced_motion="reduce")

    found = {}
    for path in pages:
        page.goto(path)
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 850})
            for scheme, rules in (("light", None), ("dark", OF_COLOUR)):
                page.emulate_media(color_scheme=scheme)
                found[f"{path} {width} {scheme}"] = findings(page, rules)

    assert {where: what for where, what in found.items() if what} == {}


def test_no_page_is_held_upright(log_in):
    """A phone on its side shows the pages, too: their style sheet turns nothing back."""
    page = log_in(bypass_csp=True)

    assert findings(page, OF_STYLE_SHEETS) == []
    page.add_style_tag(content="@media (orientation: portrait) { html { transform: rotate(90deg) } }")
    assert "css-orientation-lock" in str(findings(page, OF_STYLE_SHEETS))


def test_the_pages_fit(pages, log_in):
    """From a small phone to a wide screen no page is wider than it; a row has two lines, and a traceback shows its end."""
    page = log_in()
    too_wide, too_high = [], []
    for path in pages:
        page.goto(path)
        for width in (320, 390, 768, 1024, 1440):
            if not fits(page, width):
                too_wide.append((path, width, page.evaluate(BEYOND)))
            elif width in {390, 1440}:
                too_high.append((path, width, page.evaluate(HIGHEST)))

    assert too_wide == []
    assert [found for found in too_high if found[2] > TWO_LINES] == []
    page.goto(next(path for path in pages if path.count("-") == 4 and path.startswith("/ops/jobs/")))
    assert page.evaluate(LAST_LINE) == "is seen"


def test_a_phone_shows_where_one_is(log_in):
    """The menu has its current page within the window: nobody scrolls a menu to see what is open."""
    page = log_in("/ops/audit/")

    for width in (320, 390):
        assert fits(page, width)
        assert page.evaluate(REACHES, "nav [aria-current]") <= width


def test_a_long_name_hides_no_act(stack, log_in):
    """What somebody typed at the login as their name leaves the columns behind it in sight."""
    AuditEntry.objects.create(who="w" * 150, act="discard", subject="s" * 255, link="/", result="done")
    page = log_in("/ops/audit/")
    assert fits(page, 1280)

    assert page.evaluate(REACHES, ".scroll table") <= page.evaluate(REACHES, ".scroll")


def test_a_phone_shows_the_whole_time(log_in):
    """Date and time stand below each other: half of the width cuts off the time."""
    page = log_in("/ops/cronjobs/prune-jobs/backfill/")
    assert fits(page, 390)

    since, until = (page.get_by_label(name).bounding_box() for name in ("From", "Until"))

    assert since["x"] == until["x"]
    assert since["width"] > 300


def test_the_keyboard_is_enough(pages, log_in):
    """Tab goes from the skip link through the navigation to the first condition, each with a visible outline."""
    page = log_in()
    seen = []
    for _ in range(20):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        seen.append((page.evaluate("document.activeElement.textContent").strip(), outline))

    assert [name for name, _ in seen[:3]] == ["Skip to the content", "Offbeat", "Overview"]
    assert {outline for _, outline in seen} == {"solid"}
    assert "signup-report" in [name for name, _ in seen], seen


def test_nothing_moves_for_those_who_asked_for_that(pages, log_in):
    """With reduced motion no animation runs."""
    page = log_in(reduced_motion="reduce")

    assert page.evaluate("document.getAnimations().length") == 0


def test_without_javascript(stack, pages, log_in):
    """Every page shows the same, and every act can be done: retry, discard, run now, pause, resume."""
    page = log_in(java_script_enabled=False)
    for path in pages:
        assert page.goto(path).status == 200
        expect(page.get_by_role("heading", level=1)).to_be_visible()

    page.goto("/ops/")
    page.get_by_role("button", name="Retry").first.click()
    expect(page.get_by_text("Retried: the job is due again.")).to_be_visible()
    page.get_by_role("link", name="Dead letters", exact=True).click()
    page.get_by_role("link", name="send_confirmation").first.click()
    page.get_by_role("link", name="Discard").click()
    page.get_by_role("button", name="Discard the job").click()
    expect(page.get_by_text("Discarded.", exact=True).first).to_be_visible()
    page.goto("/ops/cronjobs/prune-jobs/")
    page.get_by_role("link", name="Run now").click()
    page.get_by_role("button", name="Run it now").click()
    expect(page.get_by_text("Enqueued as job").first).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Resumed: it continues").first).to_be_visible()
    page.goto("/ops/audit/")

    acts = page.get_by_role("row").filter(has_text="alice")
    expect(acts).to_have_count(6)  # the login is one
    page.goto("/ops/")
    page.get_by_role("link", name="I am looking at it").first.click()
    page.get_by_label("Note for the others").fill("cron is down")
    page.get_by_role("button", name="I am looking at it").click()
    expect(page.get_by_text("alice is looking at it").first).to_be_visible()


def test_a_strip_by_mouse_by_thumb_and_by_keyboard(pages, log_in):
    """A bar leads to its job; on a phone, and for Tab, the strip is one link to the list of slots, whose bars are big enough."""
    page = log_in()
    strip = page.locator("#cronjob-signup-report")
    strip.locator("svg a").last.click(position={"x": 4, "y": 20})
    page.wait_for_url("**/ops/jobs/*/")
    page.goto("/ops/")
    strip.locator(".whole").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/ops/cronjobs/signup-report/#slots")
    page.set_viewport_size({"width": 390, "height": 850})

    sizes = [bar.bounding_box() for bar in page.locator(".bars a").all()]

    assert len(sizes) == 30
    assert all(size["width"] >= 24 and size["height"] >= 24 for size in sizes)
    page.goto("/ops/")
    strip.locator(".past").click()
    page.wait_for_url("**/ops/cronjobs/signup-report/#slots")


def test_the_door_is_shut_without_the_session(pages, log_in):
    """Whose session ends while a page is open is led to the login by the next refresh."""
    page = log_in()

    page.context.clear_cookies()

    expect(page.get_by_label("Password")).to_be_visible(timeout=20_000)
    assert all(
        "401" in each or "404" in each for each in log_in.wrong
    )  # told by Chromium: the refresh, the login's own icon
    log_in.wrong.clear()
