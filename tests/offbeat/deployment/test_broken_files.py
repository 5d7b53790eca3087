"""Broken platform.yaml files, and the one line that each is answered with."""

from pathlib import Path

import pytest

from offbeat.deployment import spec

WELL = """
name: offbeat
services:
  - {name: web, command: gunicorn config.wsgi, port: 8000, health: /healthz}
  - {name: worker, command: celery -A config worker, queues: [default]}
resources:
  postgres: {version: "17", injects: DATABASE_URL}
env:
  DEBUG: {default: "false"}
cronjobs:
  - {name: weekly-digest, schedule: "0 9 * * 1", command: python manage.py enqueue_weekly_digest}
"""


def errors_of(source):
    with pytest.raises(spec.PlatformError) as caught:
        spec.parse(source)
    assert str(caught.value) == "\n".join(caught.value.errors)
    return list(caught.value.errors)


def broken_files():
    """Read broken_files.txt, in which each case is a triple: "- well", "+ broken", and the error."""
    blocks = Path(__file__).with_name("broken_files.txt").read_text().split("\n\n")[1:]
    for well, broken, error in (block.strip("\n").split("\n") for block in blocks):
        yield well[2:].replace("\\n", "\n"), broken[2:].replace("\\n", "\n"), error.strip()


BROKEN = list(broken_files())


def test_the_file_that_they_are_made_of_is_well():
    """Each broken file below differs from a good one by a single thing."""
    assert spec.parse(WELL).cronjob("weekly-digest").schedule == "0 9 * * 1"


@pytest.mark.parametrize(
    ("well", "broken", "error"), BROKEN, ids=[error.split(": ")[0] for *_, error in BROKEN]
)
def test_a_broken_file_is_answered_with_one_line(well, broken, error):
    """The line says where, what would be right and what was found."""
    assert well in WELL

    assert f"platform.yaml: {error}" in errors_of(WELL.replace(well, broken))


def test_there_are_twenty_and_more():
    """The file of broken files is read as a whole."""
    assert len(BROKEN) >= 30


@pytest.mark.parametrize(
    ("source", "got"), [("- a\n- b\n", "a list"), ("", "nothing"), ("just text", '"just text"')]
)
def test_a_file_of_another_kind_is_answered_with_one_line(source, got):
    """What is no mapping at all is told so."""
    assert errors_of(source) == [f"platform.yaml: should be a mapping, got {got}"]


def test_every_error_is_told_at_once():
    """Nobody mends a file one error a run."""
    source = WELL.replace("queues:", "ques:").replace('"0 9 * * 1"', '"9"').replace("DEBUG", "debug")

    assert [error.split(": ")[1] for error in errors_of(source)] == [
        "services/worker/ques",
        "env/debug",
        "cronjobs/weekly-digest/schedule",
    ]


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    """A forgotten file is named, not a traceback."""
    with pytest.raises(
        spec.PlatformError, match=r"platform\.yaml: cannot be read: No such file or directory$"
    ):
        spec.read(tmp_path / "platform.yaml")


def test_a_file_that_is_not_text_is_one_line(tmp_path):
    """A file in another encoding is told as such."""
    (tmp_path / "platform.yaml").write_bytes(b"name: caf\xe9\n")

    with pytest.raises(spec.PlatformError, match=r"platform\.yaml: should be UTF-8 text$"):
        spec.read(tmp_path / "platform.yaml")
