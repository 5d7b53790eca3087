"""Amazon SQS' client: where it is, who asks, and how long an answer may take. The library is botocore, imported where it is used."""

from __future__ import annotations

import logging
import os
from functools import lru_cache
from typing import Any

from celery import current_app

from offbeat.jobs.conf import conf
from offbeat.variables import sqs_url

EXTRA = "the Python package botocore is missing. Hint: add the extra `sqs` of src/offbeat/pyproject.toml, then ./run lock"
# The same for every queue: SQS counts a request, not its seconds, and this is the longest that it takes.
LONGEST_WAIT = 20  # seconds for which a request waits for messages
CONNECT = 3.0  # seconds; nobody waits for a thread that polls
THREADS = 50  # connections that are kept; more threads than that connect anew
SPARE = 5.0  # seconds until a silent SQS is noticed, beyond those for which it was asked to wait


def client() -> Any:
    """Return this process' client for short questions: one try, and `publish_timeout` to connect and to answer."""
    seconds = conf().publish_timeout
    return _client(os.getpid(), seconds, seconds, 10)


def quiet_client() -> Any:
    """Return this process' client for what nobody waits for."""
    return _client(os.getpid(), CONNECT, SPARE, 10)


def patient_client() -> Any:
    """Return this process' client for requests that wait for messages, each in a thread of its own."""
    return _client(os.getpid(), CONNECT, LONGEST_WAIT + SPARE, THREADS)


@lru_cache(maxsize=4)
def _client(pid: int, connect: float, answer: float, connections: int) -> Any:
    session, config = _library()
    at = sqs_url.read(str(current_app.conf.broker_write_url or current_app.conf.broker_url))
    return session.get_session().create_client(
        "sqs",
        region_name=at.region,
        endpoint_url=at.endpoint,
        aws_access_key_id=at.key,
        aws_secret_access_key=at.secret,
        config=config.Config(
            connect_timeout=connect,
            read_timeout=answer,
            retries={"total_max_attempts": 1},
            max_pool_connections=connections,
            tcp_keepalive=True,
        ),
    )


def _library() -> tuple[Any, Any]:
    # At INFO they tell of each process where its credentials come from.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    try:
        import botocore.config  # noqa: PLC0415  a quarter of a second, which only who speaks to SQS should pay
        import botocore.session  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(EXTRA) from error
    return botocore.session, botocore.config


def errors() -> tuple[type[Exception], ...]:
    """Return what a call raises that SQS did not answer, or has refused."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    except ImportError:
        return ()
    return BotoCoreError, ClientError


def code_of(error: Exception) -> str:
    """Return SQS' own code of a refusal, without the name space of older ones; "" where it did not answer."""
    told = getattr(error, "response", None) or {}
    return str(told.get("Error", {}).get("Code", "")).rpartition(".")[2]


def is_missing_queue(error: Exception) -> bool:
    return code_of(error) in {"NonExistentQueue", "QueueDoesNotExist"}


def is_denied(error: Exception) -> bool:
    return code_of(error) in {"AccessDenied", "AccessDeniedException"}


def told(error: Exception) -> str:
    """Return an error in one line, with what to do where a person has to do it."""
    text = " ".join(str(error).split())
    if is_denied(error):
        return f"SQS denies access: {text}. Hint: docs/offbeat/sqs.md has the policy that the role needs"
    if type(error).__name__ in {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"}:
        return f"SQS: {text}. Hint: give the platform's role, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if type(error).__name__ == "NoRegionError":
        return "SQS: no region is set. Hint: set AWS_REGION, or write sqs://?region=eu-central-1"
    return f"SQS: {type(error).__name__}: {text}" if not code_of(error) else f"SQS: {text}"
