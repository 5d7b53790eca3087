"""The versions of PostgreSQL and Redis in exports are such as the platform has; another one than the file's is a warning."""

import json
import re
from dataclasses import replace

import pytest

from offbeat.deployment.exporters import TARGETS, export_platform, facts_of
from offbeat.deployment.exporters.versions import Offer, difference, version_for
from tests.offbeat.deployment import libyaml
from tests.offbeat.deployment.golden.variants import SHIPPED, with_rabbitmq
from tests.offbeat.deployment.test_export_validity import npm_package

# What each publishes: Upsun in its documentation's registry.json, Scalingo on the pages of its databases, DigitalOcean in
# its OpenAPI's example of database options (without those that can no longer be made), Fly on all of its pages.
PUBLISHED = {
    "upsun": {
        "postgres": {"18", "17", "16", "15", "14"},
        "redis": {"8.8", "8.0", "7.2"},
        "rabbitmq": {"4.1"},
    },
    "scalingo": {"postgres": {"17", "16", "15", "14"}, "redis": {"7.2", "6.2"}},
    "digitalocean": {"postgres": {"17", "16", "15"}, "redis": {"8"}},
    "fly": {"postgres": {"16"}},
    "pandastack": {"postgres": {"16.4.0", "14.8.0"}, "redis": {"7.2.4", "7.0.6"}},
    "railway": {"postgres": {"18"}, "redis": {"8.2"}},
}


def wanting(postgres="17", redis="8"):
    resources = replace(
        SHIPPED.resources,
        postgres=replace(SHIPPED.resources.postgres, version=postgres),
        redis=replace(SHIPPED.resources.redis, version=redis),
    )
    return replace(SHIPPED, resources=resources)


def _upsun(files):
    services = libyaml.one(files[".upsun/config.yaml"])["services"]
    return {kind: each["type"].partition(":")[2] for kind, each in services.items()}


def _scalingo(files):
    addons = json.loads(files["scalingo.json"])["addons"]
    return dict(zip(("postgres", "redis"), (each["options"]["version"] for each in addons), strict=True))


def _digitalocean(files):
    return {each["name"]: each["version"] for each in libyaml.one(files[".do/app.yaml"])["databases"]}


def _fly(files):
    return {"postgres": re.search(r"--pg-major-version (\S+)`", files["fly.toml"])[1]}


def _render(files):
    return {"postgres": libyaml.one(files["render.yaml"])["databases"][0]["postgresMajorVersion"]}


def _heroku(files):
    versions = re.findall(r"heroku-postgresql.* --version=(\S+)", files["deploy/heroku/scheduler.md"])
    (addon,) = (each for each in json.loads(files["app.json"])["addons"] if "options" in each)
    assert [addon["options"]["version"]] == versions
    return {"postgres": versions[0]}


PRINTED = {
    "upsun": _upsun,
    "scalingo": _scalingo,
    "digitalocean": _digitalocean,
    "fly": _fly,
    "render": _render,
    "heroku": _heroku,
}


@pytest.mark.parametrize(
    ("postgres", "redis"), [("18", "8"), ("17", "8.2"), ("16", "7.2"), ("15", "7"), ("17.2", "6.2")]
)
@pytest.mark.parametrize("target", PRINTED)
def test_a_version_exists_or_the_warning_says_which_does(target, postgres, redis):
    """What is printed is among what is published; where that is another version than the file's, a warning says so."""
    platform = wanting(postgres, redis)
    export = export_platform(target, platform)
    versions = PRINTED[target]({file.path: file.text for file in export.files})

    assert versions
    for kind, version in versions.items():
        wanted = getattr(platform.resources, kind).version
        assert version in PUBLISHED.get(target, {}).get(kind, {version})
        agrees = all(one == other for one, other in zip(version.split("."), wanted.split("."), strict=False))
        assert agrees or any(
            re.match(rf"resources/{kind}: is \w+ {version}, not {wanted} ", each) for each in export.warnings
        )


def test_a_platform_that_ignores_the_version_says_so():
    """Railway makes its own versions, and its export claims no other."""
    export = export_platform("railway", wanting("16", "7.2"))

    warned = [each for each in export.warnings if each.startswith("resources/")]

    assert [each.partition(" (")[0] for each in warned] == [
        "resources/postgres: is PostgreSQL 18, not 16",
        "resources/redis: is Redis 8.2, not 7.2",
    ]


def test_railways_own_library_has_these_versions():
    """What the export says of Railway is what its npm package makes."""
    library = (npm_package("railway") / "dist/iac/index.js").read_text()

    images = dict(re.findall(r'image: "[\w./-]*/(postgres|redis)(?:-ssl)?:([\d.]+)"', library))

    versions = facts_of("railway").versions
    assert {kind: (version,) for kind, version in images.items()} == {
        kind: offer.versions for kind, offer in versions.items()
    }


@pytest.mark.parametrize(
    ("wanted", "had"),
    [("8.0", "8.0"), ("8", "8.8"), ("7.4", "7.2"), ("7", "7.2"), ("9", "8.8"), ("6.2", "7.2")],
)
def test_a_version_becomes_the_nearest_that_exists(wanted, had):
    """The one wanted, else the newest of its major version, else the nearest older one, else the oldest."""
    assert version_for("redis", wanted, Offer(("8.8", "8.0", "7.2"))) == had


def test_a_database_is_not_upgraded_in_passing():
    """Of 16 and 18, a 17 becomes 16."""
    assert version_for("postgres", "17", Offer(("18", "16"))) == "16"


def test_nothing_that_is_too_old_is_chosen():
    """PandaStack's 14.8.0 is nearer to 15 than 16.4.0, and the project does not run on it."""
    assert version_for("postgres", "15", Offer(("16.4.0", "14.8.0"))) == "16.4.0"


def test_where_every_version_is_there_nothing_is_said():
    """Images have a tag for each."""
    assert version_for("redis", "7.4", None) == "7.4"
    assert difference("redis", "7.4", None) is None


def test_a_shorter_version_is_no_difference():
    """Who asks for 8 gets an 8, and for 17 a 17.2."""
    assert difference("redis", "8", Offer(("8.8", "8.0"))) is None
    assert difference("postgres", "17.2", Offer(("17",))) is None
    assert difference("redis", "8.2", Offer(("8.8", "8.0"))) == (
        "resources/redis: is Redis 8.8, not 8.2 (offered: 8.8, 8.0): it does all that is needed here"
    )


@pytest.mark.parametrize(
    ("kind", "version", "error"),
    [
        ("postgres", "14", 'should be 15 or newer, got "14": an older one gets no fixes'),
        ("redis", "6.0", 'should be 6.2 or newer, got "6.0": Celery does not work with an older one'),
        ("redis", "5", 'should be 6.2 or newer, got "5": Celery does not work with an older one'),
    ],
)
def test_a_version_that_is_too_old_is_refused(kind, version, error):
    """The doctor would refuse the server: platform.yaml is refused before it is made."""
    platform = wanting(**{kind: version})

    assert list(platform.problems()) == [(f"resources/{kind}/version", error)]


@pytest.mark.parametrize("target", TARGETS)
def test_rabbitmq_is_made_or_asked_for(target):
    """Every process gets its address: of the server that the export makes, or as a variable that a person sets."""
    platform = with_rabbitmq(SHIPPED)

    found = export_platform(target, platform)

    printed = "".join(file.text for file in found.files)
    by_hand = [line for line in found.warnings if line.startswith("resources/rabbitmq: not in the files")]
    assert (
        "BROKER_URL" in printed
        or "--alias BROKER" in printed
        or '"as": "BROKER"' in printed
        or target in {"crontab", "systemd"}  # whose addresses are in a file on the machine
    )
    assert bool(by_hand) is not facts_of(target).makes_rabbitmq
    assert "redis://" not in printed.replace("redis://unused", "")
