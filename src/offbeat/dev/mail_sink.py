"""A mail server for development: takes every mail and keeps it in a Maildir.

`./run up` runs it as a module: it need not load the project to start.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP

from offbeat.dev.ports import LOOPBACK
from offbeat.dev.stop_signals import Stopped, raise_when_asked_to_stop

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message


class Sink(Mailbox):
    """Keeps each mail, and reports it in one line."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        super().__init__(folder)
        self.say = say

    def handle_message(self, message: Message) -> None:
        super().handle_message(message)
        self.say(f"{message['subject']}, to {message['to']}")


async def serve(host: str, port: int, folder: Path, say: Callable[[str], None]) -> None:
    """Take mails until cancelled; raises OSError when the address is taken."""
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # else a dozen lines a mail
    folder.parent.mkdir(parents=True, exist_ok=True)
    sink = Sink(folder, say)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(sink, enable_SMTPUTF8=True, loop=loop), host, port)
    async with server:
        say(f"Accepting mails on {host}:{port}, and delivering none.")
        await server.serve_forever()


def run(host: str, port: int, folder: Path, say: Callable[[str], None]) -> None:
    """Take mails until a signal asks us to stop; raises as `serve`."""
    raise_when_asked_to_stop()
    try:
        asyncio.run(serve(host, port, folder, say))
    except Stopped:
        return


def main() -> int:
    """Serve where the variables say; returns 69 where the port is taken."""
    port = os.environ["EMAIL_PORT"]
    try:
        run(LOOPBACK, int(port), Path(os.environ["MAIL_SINK_DIR"]), say)
    except OSError as error:
        sys.stderr.write(f"Error: EMAIL_PORT={port}: {error}\n")
        return os.EX_UNAVAILABLE
    return os.EX_OK


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
