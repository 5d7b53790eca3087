"""A TLS server before a server that speaks none, and certificates: not every Redis or PostgreSQL has been built with TLS."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import threading
from urllib.parse import urlsplit

import pytest

from offbeat.dev.ports import LOOPBACK


def certificate(folder, name):
    """Make a certificate for 127.0.0.1 that is its own authority; return its file and that of its key."""
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("no openssl here. Hint: apt install openssl")
    made, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName=IP:{LOOPBACK}", "-keyout", key, "-out", made],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


def signed(folder, name, authority):
    """Make a certificate for 127.0.0.1 that the authority has signed; return its file and that of its key."""
    made, key = folder / f"{name}.pem", folder / f"{name}.key"
    issuer, issuers_key = authority
    subprocess.run(
        ["openssl", "req", "-x509", "-CA", issuer, "-CAkey", issuers_key, "-newkey", "ec",
         "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
         "-addext", f"subjectAltName=IP:{LOOPBACK}", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", made],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


class TLS:
    """Ends TLS for the server at `url`, in a thread that ends with the process."""

    def __init__(self, url, certificate, key):
        self.parts = urlsplit(url)
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(certificate, key)
        self.port = 0
        self.is_ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        self.is_ready.wait(10)

    def url(self, query="", host=LOOPBACK):
        """Return its address, with the password of the server behind it."""
        return f"rediss://:{self.parts.password}@{host}:{self.port}/0{query and f'?{query}'}"

    async def _serve(self):
        server = await self._listen()
        self.port = server.sockets[0].getsockname()[1]
        self.is_ready.set()
        await server.serve_forever()

    async def _listen(self):
        return await asyncio.start_server(self._forward, LOOPBACK, 0, ssl=self.context)

    async def _forward(self, reader, writer):
        behind = await asyncio.open_connection(LOOPBACK, self.parts.port)
        await asyncio.gather(pump(reader, behind[1]), pump(behind[0], writer), return_exceptions=True)


class PostgresTLS(TLS):
    """The same for PostgreSQL, whose clients ask in plain words before TLS begins."""

    ASKS = (80877103).to_bytes(4, "big")  # SSLRequest

    def url(self, query="", host=LOOPBACK):
        """Return its address, with the user, the password and the database of the server behind it."""
        login = f"{self.parts.username}:{self.parts.password}"
        return f"postgresql://{login}@{host}:{self.port}{self.parts.path}{query and f'?{query}'}"

    async def _listen(self):
        return await asyncio.start_server(self._answer, LOOPBACK, 0)

    async def _answer(self, reader, writer):
        try:
            asked = await reader.readexactly(8)
            is_asked = asked[4:] == self.ASKS
            writer.write(b"S" if is_asked else b"N")
            if is_asked:
                await writer.start_tls(self.context)
                await self._forward(reader, writer)
        except (OSError, EOFError):
            pass  # a client that believes no certificate ends it here
        finally:
            writer.close()


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
