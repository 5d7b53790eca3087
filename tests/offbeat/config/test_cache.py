"""Django's cache is shared by all processes, is never in the broker's Redis, and costs no page when it is down."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import caches
from django.core.management import call_command
from django.db import connection

from offbeat.dev.embedded_redis import EmbeddedRedis
from offbeat.ops.doctor import cache_server
from offbeat.storage import cache as module
from tests.offbeat.support.fresh_settings import load
from tests.offbeat.support.running import CHECKOUT

SAYS = """
import sys
from django.core.cache import cache
for word in sys.argv[1:]:
    key, _, value = word.partition("=")
    if value:
        cache.set(key, value)
    print(key, cache.get(key))
"""


@pytest.fixture(scope="module")
def cache_redis(tmp_path_factory):
    """A Redis that is not the broker's."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("cache") / "redis", durable=False)
    server.start()
    yield server
    server.resume()
    server.stop()


@pytest.fixture
def redis_cache(cache_redis, settings):
    """The cache that CACHE_URL switches on, in this process."""
    settings.CACHES = {
        "default": {
            "BACKEND": "offbeat.storage.cache.OptionalRedisCache",
            "LOCATION": cache_redis.url,
            "KEY_PREFIX": "shop",
        }
    }
    module.OptionalCacheClient.asks_again_at.clear()
    yield caches["default"]
    module.OptionalCacheClient.asks_again_at.clear()


def test_by_default_all_processes_share_one_cache(stack):
    """What one process has noted another finds: in PostgreSQL, without anything to set up."""
    wrote = stack.manage("shell", "--no-imports", "-c", f"import sys; sys.argv[1:] = ['a=1']\n{SAYS}")
    read = stack.manage("shell", "--no-imports", "-c", f"import sys; sys.argv[1:] = ['a']\n{SAYS}")

    assert (wrote.stdout, read.stdout) == ("a 1\n", "a 1\n"), read.stderr


def test_with_its_address_the_cache_is_in_redis(stack, cache_redis):
    """CACHE_URL names its Redis, whose keys begin with the deployment's prefix."""
    wrote = stack.manage(
        "shell", "--no-imports", "-c", f"import sys; sys.argv[1:] = ['a=1']\n{SAYS}",
        CACHE_URL=cache_redis.url, REDIS_PREFIX="staging",
    )  # fmt: skip

    with cache_redis.connect() as client:
        keys = client.keys()
        client.flushall()
    assert wrote.stdout == "a 1\n", wrote.stderr
    assert keys == [b"staging:1:a"]


@pytest.mark.django_db(transaction=True)
def test_a_release_makes_the_table():
    """Whatever migrates makes it, and a second time nothing."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE offbeat_cache")
    (finding,) = cache_server.cache()
    assert (finding.level.word, finding.found) == ("red", "there is no table offbeat_cache")

    call_command("migrate", verbosity=0)
    call_command("migrate", verbosity=0)

    (finding,) = cache_server.cache()
    assert (finding.level.word, finding.found) == ("green", "the table offbeat_cache in PostgreSQL")


@pytest.mark.django_db
def test_the_table_does_not_grow_for_ever(settings):
    """Beyond its limit a third of the entries goes."""
    settings.CACHES = {"default": settings.CACHES["default"] | {"OPTIONS": {"MAX_ENTRIES": 30}}}
    for number in range(100):
        caches["default"].set(str(number), number)

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM offbeat_cache")
        assert cursor.fetchone()[0] <= 31


BROKERS = {
    "the same address": "{url}",
    "another database": "{server}/5",
    "another name of this machine": "redis://:x@localhost:{port}/1",
}


@pytest.mark.parametrize("address", BROKERS.values(), ids=BROKERS)
def test_the_brokers_redis_is_refused(address):
    """The same server is refused, whatever the database: its policy of eviction is for all of them."""
    url = "redis://:secret@127.0.0.1:6379/0"
    _, problems = load(
        CACHE_URL=address.format(url=url, server=url.rpartition("/")[0], port=6379), REDIS_URL=url
    )

    (problem,) = problems
    assert problem.startswith(
        "CACHE_URL is the broker's server, 127.0.0.1:6379: a cache deletes old entries, and a broker must not."
    )


def test_such_an_address_ends_the_process():
    """It exits with 78 before it does anything, as for any wrong variable."""
    told = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env=os.environ | {"CACHE_URL": os.environ["REDIS_URL"]}, cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert told.returncode == os.EX_CONFIG
    assert told.stderr.startswith("Error: CACHE_URL is the broker's server")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sentinel://h1,h2/x", 'CACHE_URL: "x" is not the number of a database: write ?master_name=x.'),
        (
            "memcached://x",
            "Unexpected value CACHE_URL=memcached://…: should be redis://… or rediss://… (TLS), unix",
        ),
        ("redis://h?timeout=5", "CACHE_URL: knows no timeout after the question mark"),
        ("redis://h?ssl_cert_reqs=none", "CACHE_URL: ssl_cert_reqs is for rediss://…, which is TLS"),
    ],
)
def test_a_wrong_address_is_named(url, message):
    """CACHE_URL is read as REDIS_URL is."""
    _, problems = load(CACHE_URL=url)

    assert problems[0].startswith(message)


def test_tls_is_that_of_the_broker():
    """One authority and one decision for both servers; without TLS there is nothing to decide."""
    secure = {"REDIS_URL": "rediss://h", "REDIS_CA": "/etc/ssl/certs/ca-certificates.crt"}
    over_tls, none = load(CACHE_URL="rediss://c", **secure), load(CACHE_URL="redis://c", **secure)
    lax, _ = load(CACHE_URL="rediss://c", REDIS_URL="rediss://h", REDIS_TLS_VERIFY="false")

    assert (over_tls[1], none[1]) == ([], [])
    assert over_tls[0].CACHES["default"]["OPTIONS"] == over_tls[0].REDIS.tls
    assert over_tls[0].CACHES["default"]["OPTIONS"]["ssl_ca_certs"] == secure["REDIS_CA"]
    assert none[0].CACHES["default"]["OPTIONS"] == {}
    assert lax.CACHES["default"]["OPTIONS"]["ssl_cert_reqs"] == ssl.CERT_NONE


@pytest.mark.django_db
def test_the_doctor_finds_the_brokers_redis_under_any_name(settings, redis_cache, cache_redis):
    """It asks the server who it is, and what it does when it is full."""
    (own,) = cache_server.cache()
    assert own.level.word == "green"

    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": settings.REDIS_URL}}
    (same,) = cache_server.cache()
    assert (same.level.word, same.found) == ("red", "the broker's own Redis")

    with cache_redis.connect() as client:
        client.config_set("maxmemory", "100mb")
        settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": cache_redis.url}}
        (full,) = cache_server.cache()
        client.config_set("maxmemory", "0")
    assert full.level.word == "yellow"
    assert "allkeys-lru" in full.advice


def everything(cache):
    """Give what each call of Django's API answers."""
    cache.set("a", 1)
    yield cache.get("a", "none")
    yield cache.add("b", 1)
    yield cache.get_many(["a", "b"])
    yield cache.set_many({"c": 3})
    yield cache.has_key("c")
    yield cache.touch("c")
    yield cache.get_or_set("d", lambda: 4)
    yield cache.delete("d")
    yield cache.delete_many(["a", "b"])
    yield cache.clear()
    yield cache.get("c")


def test_a_cache_that_is_down_is_an_empty_one(redis_cache, cache_redis, caplog):
    """Every call answers as if nothing were there, one line says why, and it is back by itself."""
    up = list(everything(redis_cache))
    cache_redis.stop()
    down = list(everything(redis_cache))
    with pytest.raises(ValueError, match="not found"):
        redis_cache.incr("n")
    cache_redis.start()
    module.OptionalCacheClient.asks_again_at.clear()  # as a few seconds do

    assert up == [1, True, {"a": 1, "b": 1}, [], True, True, 4, True, None, True, None]
    assert down == ["none", False, {}, [], False, False, 4, False, None, False, None]
    assert [record.action for record in caplog.records if record.name == "offbeat.storage.cache"] == [
        "cache_down"
    ]
    assert list(everything(redis_cache)) == up


def test_a_cache_that_hangs_is_asked_once(redis_cache, cache_redis, monkeypatch):
    """A page with many entries waits for one of them, not for each: threads of a process share what one has found."""
    redis_cache.set("a", 1)
    asked = []
    ask = module.RedisCacheClient.get
    monkeypatch.setattr(module.RedisCacheClient, "get", lambda *args: asked.append(1) or ask(*args))
    cache_redis.pause()
    try:
        answers = [redis_cache.get(str(number), "none") for number in range(50)]
        with ThreadPoolExecutor(1) as pool:
            answers += pool.map(lambda _: caches["default"].get("a", "none"), range(10))
    finally:
        cache_redis.resume()

    assert set(answers) == {"none"}
    assert len(asked) == 1


def test_clearing_leaves_what_is_not_ours(redis_cache, cache_redis):
    """Two deployments may share a server: one that clears its cache empties its own."""
    with cache_redis.connect() as client:
        client.set("blog:1:a", "theirs")
        redis_cache.set_many({str(number): number for number in range(1200)})
        redis_cache.clear()

        assert client.keys() == [b"blog:1:a"]
        client.flushall()
