"""`./run sbom`: what a deploy consists of, as CycloneDX, and under which licences."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.resources import files

import jsonschema_rs
import pytest

from offbeat.dev import bill_of_materials
from offbeat.dev.licences import normalise, surprises
from offbeat.dev.locks import packages
from tests.offbeat.support.running import CHECKOUT

# What the schema of a bill names: licences, signatures and algorithms.
BESIDE = ("spdx", "jsf-0.82", "cryptography-defs")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the task writes and says here."""
    file = tmp_path_factory.mktemp("sbom") / "sbom.json"
    command = [sys.executable, "-m", "offbeat.dev.bill_of_materials", str(file)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return file.read_text(), done


@pytest.fixture(scope="module")
def schema():
    """The schema of CycloneDX 1.6, as its library brings it, whose own validator takes seconds to load and to ask."""
    folder = files("cyclonedx") / "schema" / "_res"
    bill, *others = (
        (f"http://cyclonedx.org/schema/{name}", json.loads((folder / name).read_text(encoding="utf-8")))
        for name in (f"{each}.SNAPSHOT.schema.json" for each in ("bom-1.6", *BESIDE))
    )
    return jsonschema_rs.validator_for(
        bill[1], registry=jsonschema_rs.Registry(others), validate_formats=True
    )


def test_schema(made, schema):
    """It is valid by the schema, as strictly as can be."""
    bill = json.loads(made[0])

    assert [str(error) for error in schema.iter_errors(bill)] == []


@pytest.mark.parametrize(
    "damage",
    [
        {"unknown": 1},
        {"type": "libary"},
        {"licenses": [{"license": {"id": "MIT-2.0"}}]},
        {"externalReferences": [{"type": "website", "url": "no address"}]},
        {"signature": {"algorithm": 1}},
    ],
)
def test_a_damaged_one_is_invalid(made, schema, damage):
    """What the schema is asked is asked of what it names elsewhere, and of addresses, too."""
    bill = json.loads(made[0])
    bill["components"][0] |= damage

    assert not schema.is_valid(bill)


def test_contents(made):
    """It names every requirement of production at its version, the copied script, the core and the base image; no tool."""
    found = {each["name"]: each for each in json.loads(made[0])["components"]}
    lock = packages((CHECKOUT / "requirements.txt").read_text())

    named = {normalise(name) for name in found}
    elsewhere = {
        name for name, entry in lock.items() if ";" in entry.partition("\\")[0]
    }  # for another Python
    assert set(lock) - {""} - elsewhere <= named
    assert not named & {"pytest", "axe-core", "cyclonedx-bom"}
    assert found["htmx.org"]["purl"] == f"pkg:npm/htmx.org@{found['htmx.org']['version']}"
    assert found["offbeat"]["version"] == (CHECKOUT / "src/offbeat/VERSION").read_text().strip()
    image = found["docker.io/library/python"]
    assert (
        f"{image['version']}@sha256:{image['hashes'][0]['content']}" in (CHECKOUT / "Dockerfile").read_text()
    )


def test_licences(made):
    """The task lists the licences, and here all of them are allowed: those that ask for something by name, with the reason."""
    _, done = made

    assert done.returncode == 0, done.stderr
    assert "MIT: " in done.stdout
    assert "LGPL-3.0-only: psycopg, psycopg-binary (" in done.stdout


@pytest.mark.parametrize(
    ("licences", "expected"),
    [
        ([{"license": {"id": "MIT"}}], True),
        ([{"license": {"name": "License :: OSI Approved :: BSD License"}}], True),
        ([{"expression": "MIT OR GPL-3.0-only"}], True),
        ([{"expression": "(MIT AND Apache-2.0) OR GPL-3.0-only"}], True),
        ([{"expression": "MIT AND GPL-3.0-only"}], False),
        ([{"license": {"id": "AGPL-3.0-or-later"}}], False),
        ([{"license": {"id": "MIT"}}, {"license": {"name": "License :: OSI Approved :: GNU General Public License"}}], False),
        ([], False),
    ],
)  # fmt: skip
def test_what_is_allowed(licences, expected):
    """A licence is allowed by its name; a choice by one of its sides, several by all; what says none is looked at by a person."""
    refused = surprises([{"name": "a", "version": "1", "licenses": licences}], {})

    assert (refused == []) is expected


def test_a_surprise_ends_the_task(tmp_path, monkeypatch, capsys):
    """Exit code 65, and which package has which licence; naming it in pyproject.toml with a reason allows it."""
    component = {"name": "gnu", "version": "1", "licenses": [{"license": {"id": "GPL-3.0-only"}}]}
    monkeypatch.setattr(bill_of_materials, "make_bill", lambda _: {"components": [component]})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'a'\n")

    refused = bill_of_materials.main([str(tmp_path / "sbom.json")])
    said = capsys.readouterr().err
    (tmp_path / "pyproject.toml").write_text("[tool.offbeat.licences]\ngnu = 'run as a program of its own'\n")

    assert refused == os.EX_DATAERR
    assert "gnu: GPL-3.0-only" in said
    assert bill_of_materials.main([str(tmp_path / "sbom.json")]) == 0
