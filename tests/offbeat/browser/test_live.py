"""The ops pages in a real Chromium, with JavaScript: what happens is seen without a reload."""

import re
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone
from playwright.sync_api import expect

from offbeat.cronjobs.models import CronJob, Slot
from offbeat.jobs.models import Job
from offbeat.jobs.tasks import prune
from tests.offbeat.browser import stage
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.browser

SOON = 25_000  # milliseconds: five refreshes


@pytest.fixture
def fire(stack):
    """Does what a platform does each minute, for a ticker that has no slot after this minute.

    A wake-up in the last half of a minute would claim the next one's, whose job waits until then.
    """
    now = timezone.now().minute
    minutes = ",".join(str((now - ago) % 60) for ago in range(10))
    ticker = ["enqueue_prune_jobs", "--schedule", f"{minutes} * * * *", "--name", "ticker"]

    def fire():
        answer = stack.manage(*ticker)
        assert answer.returncode == 0, answer.stderr

    return fire


def three_minutes_later():
    """Move what the ticker has done into the past, so that the next wake-up has slots to claim."""
    earlier = timedelta(minutes=3)
    Slot.objects.update(slot=F("slot") - earlier, decided_at=F("decided_at") - earlier)
    CronJob.objects.update(cursor=F("cursor") - earlier)
    Job.objects.update(key=None)  # those of the slots before: this minute has a job of its own


def not_reloaded(page):
    page.evaluate("window.isTheSame = true")
    return lambda: page.evaluate("window.isTheSame === true")


def test_a_strip_grows_while_one_watches(stack, fire, log_in):
    """A cronjob fires, its slot appears in the strip and turns green when the job has succeeded; nobody reloads."""
    stack.worker()
    fire()
    wait_until(lambda: Job.objects.filter(state="succeeded").exists())
    three_minutes_later()
    page = log_in()
    is_the_same = not_reloaded(page)
    green = page.locator("#cronjob-ticker .slot.succeeded")
    expect(green).to_have_count(1)

    fire()

    expect(green).to_have_count(2, timeout=SOON)
    expect(page.locator("#cronjob-ticker .whole")).to_have_text(
        re.compile("^The last 4 slots: 2 succeeded, 2 skipped.")
    )
    assert is_the_same()


def test_a_dead_letter_is_retried(stack, log_in):
    """One click on the overview, and the worker runs it; the page that was open counts none any more by itself.

    Who works with the keyboard is at what was done, and not at the top of a page that has come anew.
    """
    job = stage.job(prune.name, "dead", timezone.now() - timedelta(minutes=4), reason="SMTPError: no")
    page = log_in()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("All quiet.")
    is_seen = page.get_by_text("1 dead letter waits for your decision")
    expect(is_seen).to_be_visible()

    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("Retried: the job is due again.")).to_be_focused()
    stack.worker()

    expect(is_seen).to_have_count(0, timeout=SOON)
    wait_until(lambda: Job.objects.get(pk=job.pk).state == "succeeded")


def test_pause_and_resume(stack, fire, log_in):
    """A paused cronjob enqueues nothing, as its page and its strip say; resumed, it goes on."""
    stack.worker()
    fire()
    page = log_in("/ops/cronjobs/ticker/")

    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status").get_by_text("paused", exact=True)).to_be_visible()
    three_minutes_later()
    fire()
    expect(page.locator(".bars .skipped").nth(2)).to_be_attached(timeout=SOON)
    page.get_by_role("button", name="Resume").click()

    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    reasons = Slot.objects.filter(outcome="skipped").values_list("reason", flat=True)
    assert list(reasons) == ["paused by alice"] * 3


def test_run_now(stack, fire, log_in):
    """After a question the job runs at once, and the page shows it among the slots by itself."""
    stack.worker()
    fire()
    page = log_in("/ops/cronjobs/ticker/")

    page.get_by_role("link", name="Run now").click()
    page.get_by_role("button", name="Run it now").click()

    row = page.get_by_role("row").filter(has_text="run now by alice")
    expect(row).to_contain_text("succeeded", timeout=SOON)


# Presses twice, keeps the form here, and tells whether each press was stopped before it got that far.
PRESS_TWICE = """() => {
  const stopped = [];
  addEventListener("submit", (event) => { stopped.push(event.defaultPrevented); event.preventDefault(); });
  for (let press = 0; press < 2; press++) document.querySelector(".question button").click();
  return stopped;
}"""


def test_who_presses_twice_acts_once(stack, log_in):
    """While the server is slow to answer, the same button pressed again sends nothing more."""
    job = stage.job(prune.name, "succeeded", timezone.now())
    page = log_in(f"/ops/jobs/{job.pk}/again/")

    assert page.evaluate(PRESS_TWICE) == [False, True]


def test_the_page_of_a_job_follows_it(stack, log_in):
    """A job that waits is seen to succeed, and its title says so where only the tab is seen."""
    job = prune.enqueue()
    page = log_in(f"/ops/jobs/{job.pk}/")
    is_the_same = not_reloaded(page)

    stack.worker()

    expect(page.locator(".state-of.big")).to_have_text("succeeded", timeout=SOON)
    expect(page).to_have_title("offbeat.jobs.tasks.prune, succeeded · Offbeat")
    assert is_the_same()


def test_the_clocks_tick(stack, log_in):
    """The countdown to the next slot moves every second, without asking the server."""
    stage.known(timezone.now())
    page = log_in()
    page.get_by_role("button", name="Live").click()
    countdown = page.locator("#cronjob-signup-report .countdown")
    before = countdown.text_content()

    expect(countdown).not_to_have_text(before)


def test_a_page_can_be_made_to_hold_still(stack, log_in):
    """Who reads, or is distracted by what moves, switches the refreshing off; the choice lasts for the session."""
    page = log_in()
    page.clock.install()
    page.reload()
    switch, asked = page.get_by_role("button", name="Live"), []
    with page.expect_request(is_refresh):
        page.clock.run_for(6_000)

    switch.click()
    expect(page.locator(".htmx-request")).to_have_count(0)  # else the jump of the clock would be its timeout
    page.on("request", lambda request: is_refresh(request) and asked.append(request.url))
    page.clock.run_for(60_000)

    expect(switch).to_have_attribute("aria-pressed", "false")
    assert asked == []
    page.reload()
    expect(switch).to_have_attribute("aria-pressed", "false")


def is_refresh(request):
    return request.headers.get("hx-request") == "true"


def test_the_focus_survives_a_refresh(stack, log_in):
    """Who works with the keyboard is not thrown back to the top by what is new."""
    stage.known(timezone.now())
    page = log_in()
    page.get_by_role("link", name="weekly-digest").first.focus()

    expect(page.locator("#clock")).to_be_attached(timeout=SOON)  # comes with the first refresh

    assert page.evaluate("document.activeElement.textContent") == "weekly-digest"


def test_an_outage_of_the_web_is_seen(stack, log_in):
    """A page that gets no answer says since when, keeps what it knows, and recovers by itself."""
    stage.known(timezone.now())
    page = log_in()
    page.route("**/ops/", lambda route: route.fulfill(status=503, body="away"))
    expect(page.get_by_role("alert")).to_contain_text("No answer since", timeout=SOON)
    expect(page.locator("#cronjob-weekly-digest")).to_be_visible()
    page.unroute("**/ops/")

    expect(page.get_by_role("alert")).to_be_hidden(timeout=SOON)
    assert all("503" in each for each in log_in.wrong)  # told by Chromium
    log_in.wrong.clear()
