"""A request to an address that the operator's own settings name; what it answers is of no interest but for an error."""

from __future__ import annotations

import urllib.request
from urllib.error import HTTPError


def send_request(request: urllib.request.Request, timeout: float) -> None:
    """Send it, and give up after that many seconds without an answer. Raises what urlopen() raises."""
    try:
        with urllib.request.urlopen(request, timeout=timeout):  # noqa: S310  the operator's setting
            pass
    except HTTPError as error:
        error.close()  # it holds the connection until somebody collects it
        raise
