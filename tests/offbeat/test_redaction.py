"""Secrets are found in any text, and no text takes longer than its length."""

import ast
import contextlib
import importlib
import json
import logging
import re

import pytest

from offbeat import redaction
from offbeat.jobs import error_text
from offbeat.ops import logs_sentry
from offbeat.ops.logs import Formatter
from offbeat.redaction import known_secrets
from tests.offbeat.support.running import CHECKOUT
from tests.offbeat.support.shapes_of_text import SHAPES, growth, of_length, seconds

CORE = CHECKOUT / "src" / "offbeat"
# What these read is the team's own: its files, its command lines, its variables.
OF_THE_TEAM = ("dev", "deployment", "mail_addresses.py")
NOT_IMPORTED = ("gunicorn.py", "migrations")  # the first one reads settings and command lines when it is
LIMIT = 9  # times, for a text that is four times as long: 4 where it is linear, 16 where it is quadratic


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("cannot reach redis://default:hunter2@redis:6379/0", "hunter2"),
        ("redis://:hunter2@redis", "hunter2"),
        ("postgres://u:hun@ter2@db/x", "ter2"),
        ("postgres://u:hun/ter2@db:5432/x", "ter2"),
        ("postgres://u:hun%40ter2@db/x", "ter2"),
        ("postgres://u:1/hunter2@db/x", "hunter2"),
        ("postgres://u:hun?ter2#3@db/x", "ter2"),
        ("https://ghp_hunter2@github.com/x.git", "hunter2"),
        ("rediss://:a@h1:1;rediss://:hunter2@h2:2", "hunter2"),
        ('("amqp://u:hunter2@mq//")', "hunter2"),
        ("host=db user=u password=hunter2 port=1", "hunter2"),
        ("host=db password='hun ter2' port=1", "ter2"),
        (r"password = 'hun\' ter2' port=1", "ter2"),
        ("password=hun&t,e)r2 port=1", "r2"),
        ("connect(host='db', password='hunter2')", "hunter2"),
        ("{'user': 'u', 'password': 'hunter2'}", "hunter2"),
        ('{"user":"u","password":"hunter2","x":1}', "hunter2"),
        ("EMAIL_HOST_PASSWORD=hunter2", "hunter2"),
        ("AWS_SECRET_ACCESS_KEY=hunter2", "hunter2"),
        ("GET https://api/x?page=1&api_key=hunter2", "hunter2"),
        ("url: /services?access_token=hunter2 (caused by", "hunter2"),
        ("Authorization: Bearer hunter", "hunter"),
        ("Authorization: Basic aHVudGVyMg==", "aHVudGVyMg"),
        ("{'Authorization': 'Bearer hunter'}", "hunter'"),
        ("{b'authorization': b'Basic hunter'}", "hunter'"),
        ("X-Api-Key: hunter2", "hunter2"),
        ("sent with bearer eyJhbGciOi.x.y", "eyJhbGciOi"),
        ("Cookie: sessionid=hunter; csrftoken=hunter2", "hunter"),
        ("password: hunter2", "hunter2"),
        ("db:\n  password: hunter\n  port: 1", "hunter"),
        ("pwd:hunter2, user:u", "hunter2"),
        ("password => hunter2", "hunter2"),
        ("SMTP_PASS=hunter2", "hunter2"),
        ("<user>u</user><password>hunter2</password>", "hunter2"),
        ("psql --host db --password hunter2", "hunter2"),
        ("Command '['mysql', '--password', 'hunter2', 'x']' returned", "hunter2"),
        ("ALTER ROLE app PASSWORD 'hun''ter2'", "hun"),
        (r'{"body": "{\"password\": \"hun\\\"ter2\"}"}', "ter2"),
        (r'"{\\\"token\\\":\\\"hunter2\\\"}"', "hunter2"),
        ("next=%2Fx%3Fpassword%3Dhunter2%26page%3D1", "hunter2"),
        ("data=%7B%22password%22%3A%20%22hunter2%22%7D", "hunter2"),
        ("url=postgres%3A%2F%2Fu%3Ahunter2%40db%2Fx", "hunter2"),
        (r'{"url": "postgres:\/\/u:hunter2@db\/x"}', "hunter2"),
        ("[(b'host', b'x'), (b'cookie', b'sessionid=hunter')]", "hunter"),
        ("('db_password', 'hunter2')", "hunter2"),
        ("DETAIL:  Key (user_id, token)=(1, hunter2) already exists.", "hunter2"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIhunter2\nhunter2==\n-----END RSA PRIVATE KEY-----", "hunter2"),
        ("sent eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.hunter2-signature", "hunter2"),
        ("charged with sk_live_51Hunter2hunter2hunter", "Hunter2"),
        ("/confirm/MTIz:1abcde:kSuZ7gYcF4c1yTqHbJ0o9c8XwVt0/", "kSuZ7g"),
        ("/confirm/MTIz%3A1abcde%3AkSuZ7gYcF4c1yTqHbJ0o9c8XwVt0/", "kSuZ7g"),
        ("/reset/MQ/c8x1b2-0f1e2d3c4b5a69788796a5b4c3d2e1f0/", "0f1e2d"),
    ],
)
def test_a_secret_is_hidden(text, secret):
    """However it is written: in an address, a DSN, a call, a header, a link."""
    found = redaction.redact(text)

    assert secret in text
    assert secret not in found
    assert redaction.HIDDEN in found


@pytest.mark.parametrize(
    "text",
    [
        "GET https://www.example.com:8000/@me?page=2",
        "see http://example.com/a@b.c, or mail me@example.com",
        'FATAL:  password authentication failed for user "app"',
        "InvalidTokenError: Signature has expired",
        "Basic authentication is off; Bearer token required",
        "expected 17 tokens: max_tokens=500",
        "job 0193a1b2-7777-7777-7777-123456789abc of newsletter.tasks.send_chunk at 2026-11-26T07:21:46Z",
        "KeyError: 'password'",
        "invalid password: must be at least twelve characters",
        "def log_in(name: str, password: str, token: None)",
        "https://example.com/login?next=https%3A%2F%2Fexample.com%2F%40me",
        "DETAIL:  Key (key)=(prune-jobs/1) already exists.",
        "missing: ['username', 'password', 'email']",
        'column "password" of relation "accounts_user" does not exist',
        "KEY: concurrency_key=orders/1, offbeat_key: 3",
        "-----BEGIN CERTIFICATE-----\nMIIB",
        'connection to server at "10.0.0.5", port 5432 failed: Connection refused',
    ],
)
def test_what_is_no_secret_stays(text):
    """Who reads an error needs all the rest of it."""
    assert redaction.redact(text) == text


def mailer(password):
    return "MAILERS", {"default": {"OPTIONS": {"password": password}}}


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("SECRET_KEY", "correct horse battery", "it was correct horse battery, was it"),
        ("SECRET_KEY_FALLBACKS", ["older-horse-battery"], "signed with older-horse-battery"),
        ("CRON_SECRET", "cron-s3cret", "got cron-s3cret"),
        (*mailer("mail p4ss'word"), "AUTH u mail p4ss'word"),
        ("REDIS_URL", "redis://:r%40dis-pw@redis:1/0", "AUTH r@dis-pw"),
        ("REDIS_URL", "redis://:r%40dis-pw@redis:1/0", "as it was typed: r%40dis-pw"),
        ("REDIS_URL", "sentinel://a:1;sentinel://:r%40dis-pw@b:1/0", "AUTH r@dis-pw"),
        ("REDIS_URL", "sentinel://a,b/0?sentinel_password=r%40dis-pw", "AUTH r@dis-pw"),
        ("REDIS_URL", "redis+socket://:r%40dis-pw@/run/redis.sock", "AUTH r@dis-pw"),
        ("ALERT_WEBHOOK_URL", "https://hooks.example/services/T0/B0/xyz", "url: /services/T0/B0/xyz (caused"),
        ("OFFBEAT_CRONJOBS", {"ping_url": "https://hc.example/p1ngk3y-0/{name}"}, "404 for /p1ngk3y-0/prune"),
        ("SENTRY_DSN", "https://0123456789abcdef@sentry.example/1", "sentry_key=0123456789abcdef"),
        ("CACHES", {"default": {"LOCATION": "redis://:c4che-pw@r/1"}}, "AUTH c4che-pw"),
        ("SHOP_API_KEY", "sk_live_0123", "charged with sk_live_0123"),
        (*mailer("p\"ä+ '/w-q"), repr("AUTH p\"ä+ '/w-q".encode())),
        (*mailer("p\"ä+ '/w-q"), json.dumps("AUTH p\"ä+ '/w-q", ensure_ascii=False)),
        (*mailer("p\"ä+ '/w-q"), "<b>p&quot;ä+ &#x27;/w-q</b>"),
        (*mailer("p\"ä+ '/w-q"), "x=p%22%C3%A4%2B+%27%2Fw-q&y"),
        (*mailer("p\"ä+ '/w-q"), "x=p%22%c3%a4%2b%20%27%2fw-q&y"),
    ],
)
def test_our_own_secrets_are_hidden_word_for_word(settings, name, value, text):
    """Whatever is around them: a setting that is a secret by its name, its key or its place in an address."""
    setattr(settings, name, value)

    found = redaction.redact(text)

    assert redaction.HIDDEN in found
    assert json.dumps(value)[-6:-2] not in found


def test_a_name_is_no_secret(settings):
    """A password that is also the user's or the project's name would hide half of each line."""
    settings.SHOP_PASSWORD = settings.PROJECT_NAME

    assert redaction.redact(f"started {settings.PROJECT_NAME}") == f"started {settings.PROJECT_NAME}"


def test_a_variable_is_known_before_settings_are(monkeypatch):
    """What fails while the settings are read is shown without the secrets of the environment."""
    monkeypatch.setenv("SHOP_API_TOKEN", "s4op-t0ken")
    monkeypatch.setattr(known_secrets, "_known", None)
    monkeypatch.setattr(type(known_secrets.settings), "configured", False)

    assert redaction.redact("refused s4op-t0ken") == "refused ***"


@pytest.mark.parametrize("shift", range(0, 40, 3))
def test_no_half_of_a_secret_is_left_at_a_cut(shift):
    """A long text is cut in its middle; a secret that lies there is not shown in part."""
    secret = "postgres://app:hunter2hunter2hunter2@db"
    head, tail = redaction.LONGEST // 4, redaction.LONGEST - redaction.LONGEST // 4

    found = redaction.redact("x " * (head // 2 - 20) + "y" * shift + secret + " z" * 50_000)
    other = redaction.redact("x " * 50_000 + secret + "y" * shift + " z" * (tail // 2 - 20))

    assert "hunter" not in found + other
    assert len(found) < redaction.LONGEST + 100


def test_of_a_traceback_the_last_line_is_kept():
    """Nobody can do anything with a traceback without its error."""
    error = ValueError("x" * 500_000 + "the end")
    error.__cause__ = KeyError("y " * 500_000)

    found = redaction.format_traceback(error)

    assert len(found) < redaction.LONGEST_TRACEBACK + 100
    assert found.endswith("the end\n")
    assert "ValueError: xxx" in found


def write_record(text, *, as_json):
    record = logging.makeLogRecord({"msg": text, "name": "x", "levelno": 30, "levelname": "WARNING"})
    record.deep = {"one": [text]}
    return Formatter(as_json=as_json).format(record)


FILTERS = {
    "all of a text": redaction.hide,
    "paths": redaction.hide_tokens,
    "a cut text": redaction.redact,
    "sentry": logs_sentry.without_data,
    "mail addresses": lambda text: logs_sentry.ADDRESS.sub("", text),
    "the ledger": lambda text: error_text.line(ValueError(text)),
    "tracebacks": lambda text: error_text.written_traceback(ValueError(text)),
    "lines of json": lambda text: write_record(text, as_json=True),
    "lines for people": lambda text: write_record(text, as_json=False),
}


@pytest.mark.parametrize("act", FILTERS.values(), ids=FILTERS)
def test_filters_are_linear(act):
    """A text four times as long takes about four times as long, whatever it is made of."""
    found = {shape: growth(act, shape, short=10_000) for shape in SHAPES}

    assert {shape: times for shape, times in found.items() if times > LIMIT} == {}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_megabyte_is_a_short_line(shape):
    """What is logged is cut before it is looked at: a megabyte costs no more than copying it a few times."""
    text = of_length(shape, 1_000_000)

    line = write_record(text, as_json=True)

    assert len(json.loads(line)["message"]) < redaction.LONGEST + 100
    assert len(line) < 100_000
    assert (
        seconds(lambda given: write_record(given, as_json=True), text)
        < 100 * seconds(str.swapcase, text) + 0.2
    )


def patterns():
    """Give every pattern of the core that may see a text from outside, by the place where it stands."""
    for path in sorted(CORE.rglob("*.py")):
        parts = path.relative_to(CORE).parts
        if parts[0] in OF_THE_TEAM or {*parts} & {*NOT_IMPORTED}:
            continue
        name = ".".join(("offbeat", *parts)).removesuffix(".py").removesuffix(".__init__")
        for attribute, value in contents_of(name).items():
            if isinstance(value, re.Pattern):
                yield f"{name}.{attribute}", value
        for node in ast.walk(ast.parse(path.read_text())):
            if is_inline(node):
                yield f"{name}:{node.lineno}", re.compile(node.args[0].value)


def contents_of(name):
    """Give what a module holds; nothing of one whose library is not installed, for it is optional."""
    with contextlib.suppress(ModuleNotFoundError):
        return vars(importlib.import_module(name))
    return {}


def is_inline(node):
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in {"search", "match", "fullmatch", "sub", "findall", "split"}
        and isinstance(node.args[0], ast.Constant)
    )


def test_patterns_are_linear():
    """Every pattern that the core applies to a text from outside looks at each character a bounded number of times."""
    found = dict(patterns())

    # Of 16,000 characters: a linear one takes a thousandth of that, a quadratic one longer. The time is that of a plain operation.
    patience = 50 * seconds(str.swapcase, "a" * 1_000_000)
    wrong = {
        name for name, pattern in found.items() if any(is_slow(pattern, shape, patience) for shape in SHAPES)
    }

    assert "offbeat.redaction.patterns.CREDENTIALS" in found
    assert wrong == set()


def is_slow(pattern, shape, patience):
    """Tell it from a text no longer than needed: of an exponential one a hundred characters are too many already."""
    lengths = (*range(40, 101, 8), 250, 500, 1_000, 2_000, 4_000, 16_000)

    def search(text):
        return pattern.search(text.encode() if isinstance(pattern.pattern, bytes) else text)

    return any(seconds(search, of_length(shape, length), times=1) > patience for length in lengths)


def test_no_group_is_repeated_possessively():
    """Python before 3.11.5, which Debian 12 has, would leave a secret in the text: an atomic group is the same."""
    repeat = re.compile(r"\)(\{[0-9,{}]+\}|[*+?])\+")
    patterns = {
        str(path): path.read_text() for path in CORE.rglob("*.py") if "re.compile" in path.read_text()
    }

    assert [(path, found[0]) for path, text in patterns.items() for found in repeat.finditer(text)] == []
