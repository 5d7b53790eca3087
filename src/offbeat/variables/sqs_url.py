"""BROKER_URL=sqs://…: the address of Amazon SQS, which mostly is none: region and credentials are the platform's."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
HINT = "write sqs:// for the region and role of the platform, sqs://?region=eu-central-1, or sqs://key:secret@host:port"
MISSING = "botocore is not installed: add the extra `sqs` of src/offbeat/pyproject.toml to your dependencies, then ./run lock"


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


def form(value: str) -> str:
    """Return an address as it is. Raises ValueError for a wrong one, and where nothing is installed that speaks to SQS."""
    read(value)
    if find_spec("botocore") is None:
        raise ValueError(MISSING)
    return value


def refuse_broadcasts(asked: Mapping[str, bool], tell: Callable[[str, str], None]) -> None:
    """Report each variable that asks for messages to all workers, which SQS does not have."""
    for name in (each for each, is_asked in asked.items() if is_asked):
        tell(
            f"{name}=true: Amazon SQS has no messages to all workers, which this needs.",
            f"remove {name}; /ops/ shows the workers.",
        )


def _endpoint(host: str | None, port: int | None) -> str | None:
    return f"http://{host}:{port or 80}" if host else None


def _text(value: str | None) -> str | None:
    return unquote(value) if value else None
