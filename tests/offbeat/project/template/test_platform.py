"""The template's own platform.yaml runs as it stands."""

import json

import jsonschema_rs
import yaml
from django.core.management import call_command

from offbeat.deployment import committed_files, spec
from offbeat.deployment.schema import SCHEMA_FILE
from offbeat.project import PLATFORM_FILE


def test_it_is_well(capsys):
    """Nothing is wrong with it, nor with what the code says about it."""
    call_command("check_platform")

    assert capsys.readouterr().out.startswith("platform.yaml is correct: 2 services, ")


def test_it_names_and_meets_its_schema():
    """An editor that opens it finds the schema and marks nothing."""
    text = PLATFORM_FILE.read_text()

    assert text.startswith("# yaml-language-server: $schema=src/offbeat/deployment/platform.schema.json\n")
    jsonschema_rs.validate(json.loads(SCHEMA_FILE.read_text()), yaml.safe_load(text))


def test_the_files_made_of_it_are_current():
    """The Procfile says what its services say."""
    assert list(committed_files.stale_files()) == [], "run: python manage.py check_platform --write"
    assert (PLATFORM_FILE.parent / "Procfile").read_text() == committed_files.procfile_text(spec.read())
