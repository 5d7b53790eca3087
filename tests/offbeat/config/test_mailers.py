"""The variables of mail, as Django 5.2 and 6.1 want them: the same mails, and on neither a word about what is deprecated."""

from __future__ import annotations

import os

import django
import pytest
from django.core import mail

from offbeat.mailer import admin_addresses, default_mailer, mailer_option
from offbeat.retired_settings import OPTIONS, retired
from tests.offbeat.support import warm_python
from tests.offbeat.support.fresh_settings import load
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import CHECKOUT
from tests.offbeat.support.stack import MANAGE

HAS_MAILERS = django.VERSION >= (6, 1)
# What Django takes away is an error in every process, also in those that they start.
STRICT = {"PYTHONWARNINGS": "error::DeprecationWarning,error::PendingDeprecationWarning"}
SEND = """
from django.core.mail import EmailMessage, mail_admins
from offbeat.mailer import default_mailer
with default_mailer() as connection:
    for number in (1, 2):
        connection.send_messages([EmailMessage(f"letter {number}", "Hello.", to=["alice@example.com"])])
mail_admins("late", "It is late.")
"""
CHECK = """
from django.core.management import call_command
call_command("check")
"""


@pytest.fixture
def fork(tmp_path):
    """Run a command in a project whose settings have these lines behind those of the core."""

    def manage(lines, *arguments):
        (tmp_path / "fork_settings.py").write_text(f"from tests.offbeat.settings import *\n{lines}\n")
        path = os.pathsep.join([str(tmp_path), str(CHECKOUT / "src"), str(CHECKOUT)])
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "fork_settings", "PYTHONPATH": path}
        return warm_python.run([*MANAGE, *arguments], env=environment, cwd=CHECKOUT)

    return manage


@pytest.mark.parametrize(
    ("variables", "options"),
    [
        ({}, {"host": "localhost", "port": 587, "use_tls": True, "use_ssl": False, "timeout": 20}),
        ({"EMAIL_HOST": "smtp.example.com", "EMAIL_PORT": "465"},
         {"host": "smtp.example.com", "port": 465, "use_tls": False, "use_ssl": True}),
        ({"EMAIL_HOST_USER": "shop", "EMAIL_HOST_PASSWORD": "p4ss"}, {"username": "shop", "password": "p4ss"}),
    ],
)  # fmt: skip
def test_the_variables_feed_the_mailer(variables, options):
    """Each arrives where the Django at hand looks for it."""
    settings, problems = load(**variables)

    assert problems == []
    assert {name: mailer_option(name, settings) for name in options} == options


def test_one_kind_of_settings_only():
    """Django 6.1 refuses to start where a project has both kinds, and 5.2 knows no MAILERS."""
    names = set(vars(load()[0]))

    assert ("MAILERS" in names, "EMAIL_HOST" in names) == (HAS_MAILERS, not HAS_MAILERS)
    assert not HAS_MAILERS or names.isdisjoint(OPTIONS.values())


@pytest.mark.parametrize("admins", [["ops@example.com"], [("Ops", "ops@example.com")]])
def test_admins_of_either_shape(settings, admins):
    """A project may have set them itself, for an older Django or for a newer one."""
    settings.ADMINS = admins

    assert admin_addresses() == ["ops@example.com"]


def test_mails_of_a_test_are_kept(settings):
    """In tests Django's outbox takes them, by the mailer as by a message's own `send`."""
    default_mailer().send_messages([mail.EmailMessage("a", "b", to=["alice@example.com"])])
    mail.EmailMessage("c", "d", to=["alice@example.com"]).send()

    assert [message.subject for message in mail.outbox] == ["a", "c"]


def test_mails_with_deprecations_as_errors(stack):
    """Over one connection, and to ADMINS: all arrive, and neither Python nor a check has anything to warn of."""
    stack.mail_sink()

    done = stack.manage("shell", "--no-imports", "-c", SEND + CHECK, **STRICT, ADMINS="Ops <ops@example.com>")

    assert (done.returncode, done.stderr) == (0, "")
    assert {(each["to"], each["subject"].split()[-1]) for each in stack.mails()} == {
        ("alice@example.com", "1"), ("alice@example.com", "2"), ("ops@example.com", "late"),
    }  # fmt: skip


def test_every_process_starts_with_deprecations_as_errors(stack):
    """The web service, the worker and the wake-up of a cronjob, whose job is done."""
    worker, web = stack.worker(**STRICT), stack.web(**STRICT)
    wake_up = stack.manage("enqueue_prune_jobs", "--now", **STRICT)

    assert wake_up.returncode == 0, wake_up.stderr
    assert web.browser.get("/healthz").status == 200
    wait_until(lambda: "succeeded" in worker.output)
    for process in (worker, web):
        assert "Deprecat" not in process.output
        assert "RemovedIn" not in process.output


def test_a_fork_that_sets_its_mail_server_itself(fork):
    """On 5.2 it is used. On 6.1, which would only say that this is not allowed, the message says what to write."""
    done = fork('EMAIL_HOST = "smtp.fork.example"', "diffsettings")

    if HAS_MAILERS:
        assert done.returncode == os.EX_CONFIG
        assert done.stderr == (
            'Error: The setting EMAIL_HOST has no effect with MAILERS. Hint: write MAILERS["default"]["OPTIONS"]["host"] = …, '
            "with MAILERS imported from offbeat.settings.\n"
        )
    else:
        assert "EMAIL_HOST = 'smtp.fork.example'" in done.stdout


@pytest.mark.skipif(not HAS_MAILERS, reason="Django 5.2 has no MAILERS")
@pytest.mark.parametrize(
    "lines",
    [
        'MAILERS["default"]["OPTIONS"]["host"] = "smtp.fork.example"',
        # Where a package of the fork's cannot do without the old ones, as Django's guide says.
        'del MAILERS\nEMAIL_HOST = "smtp.fork.example"',
    ],
)
def test_what_a_fork_may_write_instead(fork, lines):
    """The mailer goes by it."""
    program = "from offbeat.mailer import default_mailer; print(default_mailer().host)"

    done = fork(lines, "shell", "--no-imports", "-c", program)

    assert done.stdout == "smtp.fork.example\n", done.stderr


def test_every_retired_setting_has_an_answer():
    """None of those that Django 6.1 refuses is left to its own message."""
    if HAS_MAILERS:
        from django.conf import DEPRECATED_EMAIL_SETTINGS  # noqa: PLC0415  Django 5.2 has it not

        for name in DEPRECATED_EMAIL_SETTINGS:
            assert len(list(retired({"MAILERS": {}, name: "x"}))) == 1
    assert list(retired({"EMAIL_HOST": "x"})) == []
