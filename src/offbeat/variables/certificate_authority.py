"""REDIS_CA and DATABASE_CA: whose signature is believed, as a path or as the certificate, whatever a dashboard made of it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import ssl
import tempfile
from pathlib import Path

from offbeat.variables.values import shown

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
RIGHT = "use the text of a certificate (-----BEGIN CERTIFICATE-----…), or the path of a file that has it"


def authority_file(value: str) -> str:
    """Return the path of a file with the certificates; ones that were given as text are written to a file of ours."""
    if value.startswith(("/", "./", "../")) and "\n" not in value and len(value) < 4096:
        return _checked(Path(value))
    found = [_pem(body) for body in CERTIFICATE.findall(_decoded(value))]
    if not found:
        raise ValueError(RIGHT)
    return str(_written("".join(found)))


def _checked(path: Path) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        raise ValueError(f"{shown(str(path))} holds no certificate; {RIGHT}") from None
    except OSError as error:
        raise ValueError(f"{shown(str(path))}: {error.strerror}; {RIGHT}") from None
    return str(path)


def _decoded(value: str) -> str:
    """Return the text of what may be base64 of it: some dashboards take one line only."""
    if "-----BEGIN" in value:
        return value
    try:
        return base64.b64decode("".join(value.split()), validate=True).decode("ascii")
    except ValueError:
        return ""


def _pem(body: str) -> str:
    """Return a certificate in lines again: dashboards make one line of it, with spaces or written line feeds between."""
    try:
        text = ssl.DER_cert_to_PEM_cert(base64.b64decode(re.sub(r"\\[nr]|\s", "", body), validate=True))
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ValueError, ssl.SSLError):
        raise ValueError(f"a certificate in it cannot be read; {RIGHT}") from None
    return text


def _written(text: str) -> Path:
    """Write it into a folder of ours, named after its content: libpq reads a file at each connection, and nothing else."""
    file = _folder() / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.pem"
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        scratch = file.with_suffix(f".{os.getpid()}")
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(file)  # in one step: another process may read it now
    return file


def _folder() -> Path:
    """Return a folder into which nobody else can write, so that nobody else decides who is believed."""
    folder = Path(tempfile.gettempdir()) / f"offbeat-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise ValueError(f"{folder}: {error.strerror}; use the path of a file instead") from None
    if found.st_uid != os.getuid() or found.st_mode & 0o022 or folder.is_symlink():
        raise ValueError(
            f"{folder} is accessible to other users; remove it, or use the path of a file instead"
        )
    return folder
