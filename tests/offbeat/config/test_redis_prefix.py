"""What all keys in Redis begin with, as the settings read it."""

from __future__ import annotations

import pytest

from offbeat.deployment import spec
from offbeat.env import Environment
from offbeat.identity import PREFIX, platform_name


def test_it_is_the_platforms_name(settings):
    """The line that the settings look for gives what the whole file does."""
    assert platform_name() == spec.read().name
    assert settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"] == f"{spec.read().name}:"


@pytest.mark.parametrize(
    "line", ["name: shop", 'name: "shop"', "name:   'shop'  # ours", "# a shop\nname: shop\n"]
)
def test_the_line_of_the_name(tmp_path, line):
    """Quotes and comments are YAML's, and the name of a service is not the file's."""
    file = tmp_path / "platform.yaml"
    file.write_text(f"services:\n  - name: web\n{line}\n")

    assert platform_name(file) == "shop"


@pytest.mark.parametrize("source", ["", "name: My Shop", "name: [shop]", "  name: shop", b"\xff"])
def test_a_file_without_a_name_stops_nothing(tmp_path, source):
    """The checks, which need the settings, tell what is wrong with the file."""
    file = tmp_path / "platform.yaml"
    file.write_bytes(source if isinstance(source, bytes) else source.encode())

    assert platform_name(file) == "jobs"
    assert platform_name(tmp_path / "none.yaml") == "jobs"


@pytest.mark.parametrize("value", ["shop", "shop:staging", "Shop_2.b-c", "a", "a" * 64])
def test_a_prefix(value):
    """Letters, digits and what people put between them."""
    assert Environment({"REDIS_PREFIX": value}).text("REDIS_PREFIX", "", form=PREFIX) == value


@pytest.mark.parametrize(
    "value", ["my shop", "{shop}", "shop:", "-shop", "shöp", "shop\x01", "shop\n2", "a" * 65]
)
def test_a_prefix_that_is_none(value):
    """It is refused by name, with what would be right."""
    env = Environment({"REDIS_PREFIX": value})
    shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in value)

    assert env.text("REDIS_PREFIX", "default", form=PREFIX) == "default"
    assert env.problems == [
        f"Unexpected value REDIS_PREFIX={shown}: use 1 to 64 characters: a-z, A-Z, 0-9, and . _ - : between them."
    ]
