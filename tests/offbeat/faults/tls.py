"""A TLS server before a server that speaks none, and certificates for it: not every Redis has been built with TLS."""

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
        server = await asyncio.start_server(self._forward, LOOPBACK, 0, ssl=self.context)
        self.port = server.sockets[0].getsockname()[1]
        self.is_ready.set()
        await server.serve_forever()

    async def _forward(self, reader, writer):
        behind = await asyncio.open_connection(LOOPBACK, self.parts.port)
        await asyncio.gather(pump(reader, behind[1]), pump(behind[0], writer), return_exceptions=True)


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
