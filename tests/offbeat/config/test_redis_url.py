"""REDIS_URL is read once, and both libraries that connect get the same; what one of them would misread is refused by name."""

from __future__ import annotations

import ssl
from pathlib import Path
from types import SimpleNamespace as Namespace
from urllib.parse import quote

import pytest
from kombu import Connection
from kombu.transport.redis import Channel
from redis import Redis
from redis.exceptions import ClusterCrossSlotError, ConnectionError, NoPermissionError  # noqa: A004
from redis.sentinel import SentinelManagedSSLConnection

from offbeat.variables import redis_client, redis_url
from offbeat.variables.redis_url import KNOWN

VERIFIED = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
OWN = {"ssl_ca_certs": "/ca.pem", "ssl_exclude_verify_flags": [ssl.VERIFY_X509_STRICT]}
UNVERIFIED = {"ssl_cert_reqs": ssl.CERT_NONE, "ssl_check_hostname": False}


def read(url, verify=None, authority=""):
    problems = []
    return redis_url.read(url, verify=verify, authority=authority, tell=problems.append), problems


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://localhost:6380/3",
        "redis://:secret@cache.internal:6379/0",
        "rediss://default:secret@cache.internal:25061",
        "rediss://user@cache.internal",
        "redis://:p%40ss%2Fw%23rd%3A%3F%25%3B@cache:6379/0",
        "redis://:p@ss;w+rd&=@cache:6379/0",
        "redis://[::1]:6379/2",
        "rediss://u:p@[2001:db8::7]/1?ssl_cert_reqs=CERT_REQUIRED",
        "redis://cache?db=4",
        "valkey://cache:1/2",
        "valkeys://u:p@cache:1",
    ],
)
def test_both_libraries_read_the_same(url):
    """Host, port, user, password and database: passwords with every odd character, IPv6, what is left out."""
    found, problems = read(redis_url.form(url))

    kombu = Connection(found.url, ssl=found.tls or False)
    ours = Redis.from_url(found.url, **found.tls).connection_pool.connection_kwargs
    assert problems == []
    assert (kombu.hostname, kombu.port, kombu.userid, kombu.password, int(kombu.virtual_host)) == (
        ours["host"],
        ours["port"],
        ours.get("username"),
        ours.get("password"),
        ours["db"],
    )


def test_an_odd_password_is_the_one_that_was_meant():
    """Read once, and escaped for both."""
    found, _ = read("redis://:p%40s%2Fs%3B;@h:1/0")

    assert Connection(found.url).password == "p@s/s;;"


@pytest.mark.parametrize("spelling", ["CERT_{}", "cert_{}", "{}", "{}-lower"])
@pytest.mark.parametrize(
    ("level", "value"),
    [("REQUIRED", ssl.CERT_REQUIRED), ("OPTIONAL", ssl.CERT_OPTIONAL), ("NONE", ssl.CERT_NONE)],
)
def test_the_certificates_requirements(spelling, level, value):
    """In Celery's spelling and in redis-py's."""
    text = spelling.format(level).removesuffix("-lower")
    text = text.lower() if spelling.endswith("-lower") else text

    found, problems = read(f"rediss://h?ssl_cert_reqs={text}", None if value else False)

    assert problems == []
    assert found.tls["ssl_cert_reqs"] == value
    assert found.is_verified is (value != ssl.CERT_NONE)
    assert "?" not in found.url


def test_files_and_the_host_name(tmp_path):
    """They reach both libraries under the names that these share."""
    authority, certificate, key = (str(tmp_path / name) for name in "abc")
    for path in (authority, certificate, key):
        Path(path).touch()
    query = f"ssl_ca_certs={authority}&ssl_certfile={certificate}&ssl_keyfile={key}&ssl_check_hostname=false"

    found, problems = read(f"rediss://h?{query}")

    assert problems == []
    assert found.tls == {
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
        "ssl_exclude_verify_flags": [ssl.VERIFY_X509_STRICT],
        "ssl_check_hostname": False,
        "ssl_ca_certs": authority,
        "ssl_certfile": certificate,
        "ssl_keyfile": key,
    }


@pytest.mark.parametrize(("verify", "tls"), [(None, VERIFIED), (True, VERIFIED), (False, UNVERIFIED)])
def test_without_a_query_the_variable_decides(verify, tls):
    """Neither library is left to its default."""
    assert read("rediss://h", verify)[0].tls == tls
    assert read("redis://h", verify)[0].tls == {}


@pytest.mark.parametrize(
    ("verify", "level", "is_right"),
    [(True, "none", False), (False, "required", False), (True, "required", True), (False, "none", True)],
)
def test_the_variable_and_the_address_must_agree(verify, level, is_right):
    """Where both say something: nobody knows which was meant."""
    _, problems = read(f"rediss://h?ssl_cert_reqs={level}", verify)

    assert (problems == []) is is_right
    assert is_right or f"contradicts REDIS_TLS_VERIFY={str(verify).lower()}" in problems[0]


@pytest.mark.parametrize("verify", [None, True])
@pytest.mark.parametrize(
    "query",
    ["ssl_cert_reqs=none", "ssl_cert_reqs=CERT_NONE", "ssl_cert_reqs=None", "ssl_check_hostname=false", "ssl_check_hostname=False",
     "%73sl_cert_reqs=none", "ssl_cert_reqs=%6Eone", "ssl_cert_reqs=required&ssl_cert_reqs=none", "db=1&ssl_cert_reqs=none",
     "ssl_cert_reqs=none&ssl_cert_reqs=required", "SSL_CERT_REQS=none", "ssl_cert_reqs=", "ssl_cert_reqs=0", "ssl_cert_reqs=false"],
)  # fmt: skip
def test_an_address_does_not_switch_verification_off(query, verify):
    """However it is spelt: where the variable does not say false, nothing does."""
    found, problems = read(f"rediss://h?{query}", verify)

    assert found == redis_url.Address()
    assert problems


def test_a_name_that_does_not_fit():
    """With an authority of one's own the name may be left out, and that is not called verified."""
    found, problems = read("rediss://h?ssl_check_hostname=false", authority="/ca.pem")

    assert problems == []
    assert found.tls == VERIFIED | OWN | {"ssl_check_hostname": False}
    assert not found.is_verified


@pytest.mark.parametrize(
    ("url", "verify", "said"),
    [
        ("redis://h", None, "REDIS_CA is for rediss://…"),
        ("sentinel://h", None, "sentinel://… is not. Write sentinels://…."),
        ("rediss://h", False, "REDIS_CA contradicts REDIS_TLS_VERIFY=false"),
        (
            f"rediss://h?ssl_ca_certs={quote(__file__)}",
            None,
            "ssl_ca_certs and REDIS_CA both name an authority",
        ),
    ],
)
def test_an_authority_that_would_not_be_asked(url, verify, said):
    """REDIS_CA is used, or refused."""
    _, problems = read(url, verify, "/a.pem")

    assert len(problems) == 1
    assert said in problems[0]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "redis://h?socket_timeout=5",
            f"knows no socket_timeout after the question mark; it knows {', '.join(KNOWN)}.",
        ),
        ("redis://h?virtual_host=3", "knows no virtual_host"),
        ("rediss://h?ssl_ciphers=x", "knows no ssl_ciphers"),
        ("redis://h?ssl_cert_reqs=none", "ssl_cert_reqs is for rediss://"),
        (
            "rediss://h?ssl_cert_reqs=maybe",
            "ssl_cert_reqs=maybe: use CERT_REQUIRED, CERT_OPTIONAL or CERT_NONE.",
        ),
        ("rediss://h?ssl_check_hostname=no", 'ssl_check_hostname=no: use "true" or "false".'),
        ("redis://h/queue", '"queue" is not the number of a database'),
        ("redis://h/1?db=2", "names two databases, 1 and 2"),
        ("redis://h/0#1", "write / as %2F"),
    ],
)
def test_what_is_refused(url, said):
    """By name, and with what would be right."""
    found, problems = read(url)

    assert found == redis_url.Address()
    assert problems[0].startswith("REDIS_URL: ")
    assert said in problems[0]


@pytest.mark.parametrize(
    "url", ["redis://u:12#secret@h/0", "redis://u:12/secret@h/0", "redis://u:12?secret@h/0"]
)
def test_a_password_that_breaks_the_address_is_not_shown(url):
    """The part behind its odd character looks like a path, or a query."""
    _, problems = read(url)

    assert len(problems) == 1
    assert "write / as %2F, ? as %3F, # as %23" in problems[0]
    assert "secret" not in problems[0]


SENTINELS = [
    "sentinel://u:p%2Fw@a:1;sentinel://u:p%2Fw@[::1]:26379;sentinel://u:p%2Fw@c/3?master_name=main",
    "redis+sentinel://u:p%2Fw@a:1,[::1],c/3?master_name=main",
    "redis-sentinel://u:p%2Fw@a:1;[::1];c?db=3&master_name=main",
    "sentinel://a:1;sentinel://[::1];sentinel://u:p%2Fw@c/3?master_name=main",
]


@pytest.mark.parametrize("url", SENTINELS)
def test_sentinels(url):
    """However their address is written, kombu and our own client ask the same ones for the same primary."""
    found, problems = read(redis_url.form(url))

    kombu = Connection(found.url, transport_options=found.transport)
    ours = found.connect(socket_timeout=7).connection_pool
    assert problems == []
    assert str(found) == "main of the sentinels a:1, [::1]:26379, c:26379"
    assert [(each["host"], each["port"]) for each in asked(ours)] == [("a", 1), ("::1", 26379), ("c", 26379)]
    assert [each["socket_timeout"] for each in asked(ours)] == [7, 7, 7]
    assert [each["password"] for each in asked(ours)] == [None] * 3
    assert (kombu.transport_cls, len(kombu.alt), kombu.virtual_host) == ("sentinel", 3, "3")
    assert (kombu.userid, kombu.password) == ("u", "p/w")
    assert (ours.service_name, ours.connection_kwargs["db"]) == ("main", 3)
    assert (ours.connection_kwargs["username"], ours.connection_kwargs["password"]) == ("u", "p/w")


def asked(pool):
    """Give how each sentinel is connected to."""
    return [each.connection_pool.connection_kwargs for each in pool.sentinel_manager.sentinels]


def test_sentinels_with_credentials_and_tls():
    """Those of the sentinels are in the query: they have their own, or none; TLS is for both, and verified."""
    found, problems = read(redis_url.form("sentinels://:p@a,b?sentinel_username=s&sentinel_password=q"))

    pool = found.connect().connection_pool
    assert problems == []
    assert found.tls == VERIFIED
    assert found.transport["master_name"] == "mymaster"
    assert pool.connection_class is SentinelManagedSSLConnection
    assert [(each["username"], each["password"]) for each in asked(pool)] == [("s", "q")] * 2
    assert [each["ssl_cert_reqs"] for each in asked(pool)] == [ssl.CERT_REQUIRED] * 2
    assert "p@" not in repr(found)


@pytest.mark.parametrize(
    "url", ["unix://u:p%40@/run/a%20b.sock?db=2", "redis+socket://u:p%40@/run/a%20b.sock?virtual_host=2"]
)
def test_a_socket(url):
    """In redis-py's spelling and in kombu's, with user, password and database."""
    found, problems = read(redis_url.form(url))

    channel = object.__new__(Channel)  # its own __init__ connects
    channel.connection = Namespace(client=Connection(found.url), default_port=6379)
    kombu = channel._connparams()
    ours = found.connect().connection_pool.connection_kwargs
    assert problems == []
    assert str(found) == "/run/a b.sock"
    assert (ours["path"], ours["db"], ours["username"], ours["password"]) == ("/run/a b.sock", 2, "u", "p@")
    assert [kombu[each] for each in ("path", "db", "username", "password")] == ["/run/a b.sock", 2, "u", "p@"]


class Proxy:
    """Answers as a proxy before a cluster does, which does not call itself one."""

    def __init__(self, found, error):
        self.found, self.error = found, error

    def info(self, section):
        return self.found

    def sunion(self, *keys):
        if self.error:
            raise self.error
        return set()


@pytest.mark.parametrize(
    ("found", "error", "is_cluster"),
    [
        ({"cluster_enabled": 0}, None, False),
        ({"cluster_enabled": 1}, None, True),
        ({"cluster_enabled": 0}, ClusterCrossSlotError("Keys in request don't hash to the same slot"), True),
        ({}, NoPermissionError("this user has no permissions to run the 'sunion' command"), False),
        ({}, ConnectionError("down"), False),
    ],
)
def test_a_cluster_is_known_by_what_it_answers(found, error, is_cluster):
    """Also behind a proxy; a server that is down, or forbids to ask, is none."""
    assert bool(redis_client.cluster_problem(Proxy(found, error))) is is_cluster
