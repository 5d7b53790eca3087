"""REDIS_CA and DATABASE_CA: a path, or the text of a certificate in whatever state a dashboard has left it."""

from __future__ import annotations

import base64
import re
import ssl
import tempfile
from pathlib import Path

import pytest

from offbeat.variables.certificate_authority import authority_file
from tests.offbeat.faults.tls import certificate


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("ca"), "authority")[0]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Keep what is written apart from other tests'."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def number_of_certificates(path):
    return len(re.findall("BEGIN CERTIFICATE", Path(path).read_text()))


def test_a_path(pem):
    """A file is used where it is."""
    assert authority_file(str(pem)) == str(pem)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text,
        lambda text: text.replace("\n", "\\n"),
        lambda text: text.replace("\n", " "),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", ""),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.encodebytes(text.encode()).decode(),
        lambda text: f"subject=/CN=authority\n{text}",
    ],
)
def test_a_text(pem, damage):
    """One line, other line ends, base64 of it: the certificate is the same, and only we can write its file."""
    path = Path(authority_file(damage(pem.read_text())))

    assert path.read_text() == ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(pem.read_text()))
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_bundle(pem, tmp_path):
    """Several certificates stay several; a key beside them is not kept."""
    text = (
        pem.read_text()
        + pem.with_suffix(".key").read_text()
        + certificate(tmp_path, "another")[0].read_text()
    )

    path = authority_file(text)

    assert number_of_certificates(path) == 2
    assert "PRIVATE KEY" not in Path(path).read_text()


def test_the_same_text_twice(pem):
    """Processes that start one after another leave one file, and one that was changed is written again."""
    first = Path(authority_file(pem.read_text()))
    first.write_text("forged")

    second = authority_file(pem.read_text())

    assert second == str(first)
    assert number_of_certificates(second) == 1
    assert len(list(first.parent.iterdir())) == 1


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_a_folder_of_somebody_else(pem, mode):
    """Whoever could write into the folder would decide who is believed."""
    place = Path(authority_file(pem.read_text())).parent
    place.chmod(mode)

    with pytest.raises(ValueError, match="is accessible to other users"):
        authority_file(pem.read_text())


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("nonsense", "use the text of a certificate"),
        ("/nowhere.pem", "/nowhere.pem: No such file or directory; use the text of a certificate"),
        ("/etc/passwd", "/etc/passwd holds no certificate"),
        ("/", "/: Is a directory"),
        (
            "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----",
            "a certificate in it cannot be read",
        ),
        (
            "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----",
            "a certificate in it cannot be read",
        ),
        ("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----", "use the text of a certificate"),
    ],
)
def test_what_is_none(value, said):
    """The message says what would be right, and holds nothing of a text."""
    with pytest.raises(ValueError, match=said) as refused:
        authority_file(value)

    assert "hunter2" not in str(refused.value)
