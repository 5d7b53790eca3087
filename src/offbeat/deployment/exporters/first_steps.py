"""The end of a platform's page and checklist: "See that it works" and "When it does not"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offbeat.deployment.exporters.console import NAME
from offbeat.deployment.exporters.texts import code, fenced, markdown_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.exporters.console import Console
    from offbeat.deployment.exporters.facts import Facts

WORKS, FAILS = "See that it works", "When it does not"
SITE = "https://www.example.com"
CRONJOB = "enqueue_prune_jobs"
"""The core's own: every project has it."""


def first_steps(facts: Facts, name: str = NAME, manual: str = "..") -> str:
    """Give both sections. `manual` is the way from the text to the manual's folder."""
    return "".join(_sections(facts, manual)).replace(NAME, name)


def next_step(target: str, facts: Facts, name: str) -> str:
    """Say what comes after the files are written, in two lines."""
    line = facts.console.line("doctor").replace(NAME, name)
    return f"Next: docs/offbeat/deploy/{target}.md\nA command of manage.py there: {line}"


def _sections(facts: Facts, manual: str) -> Iterator[str]:
    yield f"## {WORKS}\n\n{_where(facts.console)}\n"
    yield from _steps(facts, manual)
    yield f"\n## {FAILS}\n\n"
    yield markdown_table(
        ["What you see", "What shows the cause", "What helps"], list(_symptoms(facts, manual))
    )
    yield f"\n`doctor` checks all of this at once and says what to do: {code(facts.console.line('doctor'))}.\n"


def _where(console: Console) -> str:
    opens = f"\n\n{fenced(console.opens)}" if console.opens else ""
    answers = f"\n\n{console.answers}" if console.answers else ""
    return f"{console.where}{opens}{answers}\n"


def _steps(facts: Facts, manual: str) -> Iterator[str]:
    console = facts.console
    asks = (
        "It asks for a name and a password."
        if console.asks
        else f"It asks nothing: put a password of your own in. Change it after the first login, at `{SITE}/admin/password_change/`."
    )
    yield f"1. Make the first account, a superuser. {asks}\n\n{_indented(console.first_user())}\n"
    yield (
        f"2. Log in at `{SITE}/ops/`, with the host name of your site. The first line says whether all is well. Make accounts for "
        "other people in the admin, and put each into a group: `viewers` see, `operators` also act "
        f"([who may do what]({manual}/ops.md#who-may-do-what)).\n"
    )
    yield f"3. Enqueue one cronjob's job by hand:\n\n{_indented(console.line(f'{CRONJOB} --now'))}\n"
    yield (
        "   It prints `prune-jobs: enqueued now as job ...`. After a few seconds `/ops/` shows the job as *succeeded*: "
        "the worker works.\n"
    )
    yield f"4. Let the platform start the cronjob. {console.fire}\n"
    yield (
        "   Its output names the slot that it enqueued, or says `nothing is due` and when the next slot is. Both are right. "
        f"This table shows every cronjob with its last slot:\n\n{_indented(console.line('cronjobs'))}"
    )
    if console.after:
        yield f"\n5. {console.after}\n"


def _indented(line: str) -> str:
    return "".join(f"   {each}\n" for each in fenced([line]).splitlines())


def _symptoms(facts: Facts, manual: str) -> Iterator[list[str]]:
    console = facts.console

    def run(arguments: str) -> str:
        return code(console.line(arguments))

    yield [
        "The site answers 400",
        f"The log says `Invalid HTTP_HOST header`: {console.logs}",
        f"Add the host name to `ALLOWED_HOSTS`. On this platform: {facts.hosts}",
    ]
    yield [
        "A process does not start, or exits with 78",
        f"Its log names every variable that is missing or wrong: {console.logs}",
        f"Set the variables. They are shown by: {console.variables}",
    ]
    yield [
        "`/readyz` answers 503, or a table is missing",
        run("migrate --check"),
        f"The release did not run, or failed ({facts.release}). Read its log, then run it: {run('release')}",
    ]
    yield ["A job stays *pending* or *published*", f"No worker runs: {console.state}", console.worker]
    yield [
        "A cronjob has never fired",
        f"{run('cronjobs')}, and the platform's own list: {console.crons}",
        "The schedule is missing, paused, or its command fails. Export again, deploy, and read the log of one run",
    ]
    yield [
        "The login says 429, or the password is wrong",
        f"[The brake]({manual}/logins.md#the-brake) counts wrong passwords",
        f"Wait a minute. Set another password: {run('changepassword admin') if console.asks else 'step 1 with another name'}",
    ]
    if any("X-Forwarded-Proto" in each for each in facts.notes):
        yield [
            "The browser reports too many redirects, or the login answers 403",
            f"`curl -I {SITE}/healthz`",
            "The proxy has to set `X-Forwarded-Proto: https`",
        ]
