"""The committed JSON Schema: current, valid, and of one mind with the reader."""

import json

import jsonschema_rs
import pytest
import yaml

from offbeat.deployment.schema import SCHEMA_FILE, schema_text
from offbeat.deployment.spec import PLATFORM_FILE

SCHEMA = json.loads(SCHEMA_FILE.read_text())


def platform_yaml():
    return yaml.safe_load(PLATFORM_FILE.read_text())


def test_the_committed_schema_is_current():
    """Whoever changes a key is told to write the schema again."""
    assert SCHEMA_FILE.read_text() == schema_text(), "run: python manage.py check_platform --write"


def test_the_schema_is_a_schema():
    """Editors get a draft 7 schema without mistakes of its own."""
    jsonschema_rs.Draft7Validator(SCHEMA)  # refuses what its meta-schema does


def test_a_file_that_is_well_meets_the_schema():
    """An editor that opens platform.yaml marks nothing."""
    jsonschema_rs.validate(SCHEMA, platform_yaml())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("servces",), []),
        (("services", 0, "port"), "eighty"),
        (("services", 0, "name"), "Web-App"),
        (("services", 1, "queues"), ["mail", "mail"]),
        (("cronjobs", 0, "shedule"), "@daily"),
        (("env", "lower_case"), {}),
        (("env", "DEBUG", "default"), False),
    ],
)
def test_an_editor_marks_what_the_reader_refuses(path, value):
    """A mistake that a schema can tell is told while typing."""
    document = platform_yaml()
    target = document
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value

    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(SCHEMA, document)


def test_every_key_says_what_it_is_for():
    """Hovering over a key in an editor shows a sentence."""
    silent = []

    def walk(node, path):
        for name, each in node.get("properties", {}).items():
            if not each.get("description", "").endswith("."):
                silent.append(f"{path}/{name}")
            walk(each, f"{path}/{name}")
        for branch in [*node.get("anyOf", []), node.get("items"), node.get("additionalProperties")]:
            if isinstance(branch, dict):
                walk(branch, path)

    walk(SCHEMA, "")

    assert silent == []
