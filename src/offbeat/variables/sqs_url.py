"""BROKER_URL=sqs://…: the address of Amazon SQS, which mostly is none: region and credentials are the platform's."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
HINT = "write sqs:// for the platform's region and role, sqs://?region=eu-central-1, or sqs://key:secret@host:port of a local server"


class SqsAddress(NamedTuple):
    """What an address says; None where botocore asks the environment, a profile or the machine's role."""

    region: str | None = None
    endpoint: str | None = None
    key: str | None = None
    secret: str | None = None


def read(url: str, environment: Mapping[str, str] = os.environ) -> SqsAddress:
    """Return what `sqs://` says. Raises ValueError, which says what is wrong without a secret in it, and what would be right."""
    parts = urlsplit(url)
    options = parse_qs(parts.query, keep_blank_values=True)
    if odd := sorted(options.keys() - {"region"}):
        raise ValueError(f"sqs:// has no option {odd[0]}: {HINT}")
    if parts.path.strip("/"):
        raise ValueError(f"sqs:// has no path, and a secret's / is written as %2F: {HINT}")
    if bool(parts.username) != bool(parts.password):
        raise ValueError(f"sqs:// has a key without its secret, or the other way round: {HINT}")
    # ECS, Lambda and App Runner set the first variable, which botocore does not read.
    region = (
        (options.get("region") or [""])[0]
        or environment.get("AWS_REGION")
        or environment.get("AWS_DEFAULT_REGION")
    )
    if region and not REGION.fullmatch(region):
        raise ValueError(f"{region} is no region of AWS: one is written as eu-central-1")
    return SqsAddress(
        region or None, _endpoint(parts.hostname, parts.port), _text(parts.username), _text(parts.password)
    )


def _endpoint(host: str | None, port: int | None) -> str | None:
    return f"http://{host}:{port or 80}" if host else None


def _text(value: str | None) -> str | None:
    return unquote(value) if value else None
