"""PostgreSQL behind TLS with an authority of its own: who is believed, and what the doctor says of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from unittest import mock
from urllib.parse import parse_qsl

import pytest
from django.db import connection

from offbeat.dev import embedded_postgres
from offbeat.dev.embedded_postgres import EmbeddedPostgres
from offbeat.ops.doctor import encryption
from tests.offbeat.faults.tls import PostgresTLS, certificate, signed
from tests.offbeat.support.fixtures import connected_to

pytestmark = pytest.mark.faults
INSTALLED = sorted(
    Path("/usr/lib/postgresql").glob("*/bin")
)  # of the system; the wheel's is built without TLS


@pytest.fixture
def authority(tmp_path):
    return certificate(tmp_path, "authority")


@pytest.fixture
def tls(stack, authority, tmp_path):
    """A PostgreSQL whose certificate the authority has signed."""
    return PostgresTLS(stack.environment["DATABASE_URL"], *signed(tmp_path, "server", authority))


def doctor(stack, **environment):
    """Return what the doctor finds of TLS: level and text."""
    done = stack.manage("doctor", "--json", **environment)
    found = {each["name"]: (each["level"], each["found"]) for each in json.loads(done.stdout)["findings"]}
    return found.get("PostgreSQL TLS") or found["PostgreSQL"]


def test_an_authority_of_ones_own(stack, tls, authority):
    """DATABASE_CA alone, as the text of a certificate, verifies all: who has signed it, and for which server."""
    found = doctor(stack, DATABASE_URL=tls.url(), DATABASE_CA=authority[0].read_text())

    assert found == ("green", "verified")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ("yellow", "encrypted, its certificate is not verified (sslmode=prefer)")),
        ("sslmode=require", ("yellow", "encrypted, its certificate is not verified (sslmode=require)")),
        ("sslmode=verify-ca&sslrootcert={ca}", ("yellow", "its certificate is verified, its name is not")),
        ("sslmode=require&sslrootcert={ca}", ("yellow", "its certificate is verified, its name is not")),
        ("sslmode=verify-full&sslrootcert={ca}", ("green", "verified")),
        ("sslmode=disable", ("green", "none: only for a private network")),
    ],
)
def test_what_is_in_force(stack, tls, authority, query, found):
    """Encrypted or not, verified or not: as the connection has it."""
    server = stack.environment["DATABASE_URL"] if "disable" in query else tls.url()
    options = dict(parse_qsl(query.format(ca=authority[0])))

    with connected_to(server), mock.patch.dict(connection.settings_dict["OPTIONS"], options):
        (finding,) = encryption.postgres_tls()

    assert (finding.level.word, finding.found) == found


@pytest.mark.parametrize(
    ("address", "level"), [("8.8.8.8", "yellow"), ("10.0.0.7", "green"), ("", "green"), ("::1", "green")]
)
def test_a_plain_connection(address, level):
    """Without TLS a private network is fine, and a public address is not."""
    assert encryption.unencrypted("PostgreSQL TLS", address, "").level.word == level


@pytest.mark.parametrize("mistake", ["another authority", "another name", "no TLS"])
def test_a_server_that_does_not_fit(stack, tls, authority, tmp_path, mistake):
    """Nothing connects: the exit code is 69, and the message says what does not fit."""
    ca = certificate(tmp_path, "another") if mistake == "another authority" else authority
    url, said = {
        "another authority": (tls.url(), "certificate verify failed"),
        "another name": (tls.url(host="localhost"), "does not match host name"),
        "no TLS": (stack.environment["DATABASE_URL"], "server does not support SSL"),
    }[mistake]

    done = stack.manage("migrate", "--check", DATABASE_URL=url, DATABASE_CA=ca[0].read_text())

    assert done.returncode == os.EX_UNAVAILABLE
    assert said in done.stderr


@pytest.mark.skipif(not INSTALLED, reason="no PostgreSQL of the system's here. Hint: apt install postgresql")
def test_a_postgresql_with_ssl_on(stack, authority, tmp_path):
    """The same against a server that ends TLS itself, with channel binding."""
    tmp_path.chmod(0o711)
    with mock.patch.object(embedded_postgres, "executables", return_value=INSTALLED[-1]):
        server = PostgresWithTLS(tmp_path / "server", durable=False)
        server.files = signed(tmp_path, "server", authority)
        with server:
            addresses = [server.url, f"{server.url}?channel_binding=require&sslmode=require"]
            found = [doctor(stack, DATABASE_URL=url, DATABASE_CA=ca)
                     for url, ca in zip(addresses, (authority[0].read_text(), ""), strict=True)]  # fmt: skip

    assert found[0] == ("green", "verified")
    assert found[1] == ("yellow", "encrypted, its certificate is not verified (sslmode=require)")


class PostgresWithTLS(EmbeddedPostgres):
    def command(self):
        options = ["ssl=on"]
        for name, file in zip(("ssl_cert_file", "ssl_key_file"), self.files, strict=True):
            copy = self.folder / name
            copy.write_bytes(file.read_bytes())
            copy.chmod(0o600)
            embedded_postgres.hand_over(copy)
            options.append(f"{name}={copy}")
        return [*super().command(), *(word for option in options for word in ("-c", option))]
