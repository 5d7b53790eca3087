"""Tokens: made by a command, kept as hashes, counted and limited; without any the API is not there."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from offbeat.api import tokens
from offbeat.api.models import ApiToken
from offbeat.ops.doctor import api_tokens
from offbeat.ops.models import AuditEntry
from offbeat.redaction import redact
from tests.offbeat.api.conftest import Program, problem_of

pytestmark = pytest.mark.django_db


def test_off_without_a_token(client):
    """Nobody can tell that there is an API."""
    assert {
        client.get(f"/api/{name}").status_code for name in ("jobs", "queues", "openapi.json", "jobs/x")
    } == {404}
    assert client.post("/api/jobs", "{}", content_type="application/json").status_code == 404


def test_a_token_is_made_and_revoked_by_a_command(capsys):
    """It is printed once, kept as a hash, works, shows when it was used, and stops to work at once."""
    call_command("api_tokens", "create", "billing", "--scope", "queues:read", "--by", "alice")
    token = capsys.readouterr().out.strip()

    assert token.startswith("obt_")
    assert token not in str(list(ApiToken.objects.values()))
    assert Program(token=token).get("/api/queues").status_code == 200
    call_command("api_tokens", "list")
    assert "billing  last used 20" in capsys.readouterr().out
    call_command("api_tokens", "revoke", "billing", "--by", "alice")
    assert Program(token=token).get("/api/queues").status_code == 404  # it was the last one
    acts = AuditEntry.objects.values_list("who", "act", "result").order_by("id")
    assert list(acts) == [
        ("alice", "create API token", "queues:read"),
        ("alice", "revoke API token", "1 revoked"),
    ]


def test_a_token_is_changed_without_a_gap(capsys):
    """Two of one name work until the older one is revoked."""
    old, new = Program(), Program()

    call_command("api_tokens", "revoke", "billing", "--keep-newest")

    assert old.get("/api/queues").status_code == 401
    assert new.get("/api/queues").status_code == 200


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["create", "billing", "--scope", "enqeue:*"],
            'unknown scope "enqeue:*": use enqueue:<path of a task>, ',
        ),
        (["create", "Billing!", "--scope", "jobs:read"], "a name has 1 to 50 lower-case letters"),
        (["create", "billing", "--scope", "jobs:read", "--days", "0"], "--days should be 1 to 3650, got 0"),
        (["revoke", "biling"], "no token in force is called 'biling'. Known: shipping."),
    ],
)
def test_a_wrong_word_is_refused(arguments, says):
    Program("shipping")

    with pytest.raises(CommandError, match="^" + says.translate({ord(each): f"\\{each}" for each in "*.[("})):
        call_command("api_tokens", *arguments)


def test_a_task_that_is_not_open_is_said(capsys):
    """It may be deployed later, so that is a warning."""
    call_command("api_tokens", "create", "billing", "--scope", "enqueue:shop.tasks.charge")

    assert "no task shop.tasks.charge is open to the API yet" in capsys.readouterr().err


def test_who_has_no_token_is_told_so(program, client):
    """Missing, of another kind, wrong and expired."""
    tokens.issue("old", ["queues:read"], timezone.now() - timedelta(seconds=1))
    expired = Program(token=tokens.issue("old", ["queues:read"], timezone.now() - timedelta(days=1)))
    answers = [
        client.get("/api/queues"),
        client.get("/api/queues", headers={"Authorization": "Basic YTpi"}),
        Program(token="obt_wrong").get("/api/queues"),
        expired.get("/api/queues"),
    ]

    assert [problem_of(answer)[:2] for answer in answers] == [
        (401, "send the header Authorization: Bearer <token>"),
        (401, "send the header Authorization: Bearer <token>"),
        (401, "the token is unknown or revoked"),
        (401, "the token has expired"),
    ]
    assert answers[0]["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("name", ["queues", "workers", "cronjobs"])
def test_a_scope_opens_one_thing(name):
    """What is read needs its own word."""
    other = Program(scopes=["enqueue:*"])

    assert problem_of(other.get(f"/api/{name}")) == (403, f"the token lacks the scope {name}:read", [])
    assert Program(scopes=[f"{name}:read"]).get(f"/api/{name}").status_code == 200


def test_requests_are_limited_by_token(settings):
    """By name in the database, so over all processes; others go on."""
    settings.OFFBEAT_API = {"burst": 3, "rate": 0.01}
    program, other = Program(), Program("shipping")

    answers = [program.get("/api/queues") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    status, detail, _ = problem_of(answers[-1])
    assert (status, detail[:34]) == (429, "too many requests with this token:")
    assert 0 < int(answers[-1]["Retry-After"]) <= 100
    assert other.get("/api/queues").status_code == 200


def test_tokens_are_hidden_in_logs(program):
    """Wherever one is printed."""
    assert program.token not in redact(f"called with {program.token}")


def test_nothing_is_imported_without_a_token():
    """Half a second, and 30 MB, are for those who use the API."""
    code = (
        "import django; django.setup(); from django.urls import resolve; resolve('/api/jobs'); import sys;"
        "print({'ninja', 'pydantic'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout == "set()\n"


@pytest.mark.parametrize(
    ("made", "used", "ended", "says"),
    [
        (10, None, {}, None),
        (364, 89, {}, None),
        (91, None, {}, "billing: not used for 91 days"),
        (200, 100, {}, "billing: not used for 100 days"),
        (366, 1, {}, "billing: 366 days old"),
        (400, 200, {"revoked_at": timezone.now()}, None),
        (400, 200, {"expires_at": timezone.now()}, None),
    ],
)
def test_the_doctor_finds_tokens_that_nobody_looks_after(made, used, ended, says):
    """One that is not used may as well be revoked, an old one is known to more and more people."""
    ago = {
        name: days and timezone.now() - timedelta(days=days)
        for name, days in (("made", made), ("used", used))
    }
    ApiToken.objects.create(name="billing", scopes=[], last_used_at=ago["used"], **ended)
    ApiToken.objects.update(created_at=ago["made"])

    found = list(api_tokens.tokens())

    assert [(each.found, each.level.word) for each in found if each.level] == (
        [(says, "yellow")] if says else []
    )


def test_the_doctor_names_some_of_many_tokens():
    """And it says how many there are beside."""
    ApiToken.objects.bulk_create(ApiToken(name=f"p{each}", digest=each, scopes=[]) for each in range(7))
    ApiToken.objects.update(created_at=timezone.now() - timedelta(days=500))

    (found,) = api_tokens.tokens()

    assert found.found.endswith("p4: not used for 500 days and 2 more")
