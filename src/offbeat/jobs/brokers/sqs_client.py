"""The client of Amazon SQS, bounded in time, and its errors in one line. The library is botocore, imported where it is used."""

from __future__ import annotations

import contextlib
import logging
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from celery import current_app

from offbeat.jobs.conf import conf
from offbeat.variables import sqs_url

if TYPE_CHECKING:
    from collections.abc import Iterator

# The same for every queue: SQS counts a request, not its seconds, and this is the longest that it takes.
LONGEST_WAIT = 20  # seconds for which a request waits for messages
CONNECT = 3.0  # seconds; nobody waits for a thread that polls
THREADS = 50  # connections that are kept; more threads than that connect anew
# Codes without what stands before their last dot. What SQS says of one queue, or of this role's right to it: others go on.
DENIED = {"AccessDenied", "AccessDeniedException"}
OF_ONE_QUEUE = DENIED | {"QueueDeletedRecently", "QueueDoesNotExist", "NonExistentQueue", "OverLimit"}
POLICY = ". Hint: docs/offbeat/sqs.md has the policy that the role needs"
UNKNOWN = {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"}
SIGNED = {"SignatureDoesNotMatch", "InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed"}
CREDENTIALS = ". Hint: give the process a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
HINTS = {
    "NoCredentialsError": CREDENTIALS,
    "PartialCredentialsError": CREDENTIALS,
    "CredentialRetrievalError": CREDENTIALS,
    "NoRegionError": ". Hint: set AWS_REGION, or write sqs://?region=eu-central-1",
    "EndpointConnectionError": ". Hint: is AWS_REGION right, and may this machine reach that address?",
    **dict.fromkeys(DENIED, POLICY),
    **dict.fromkeys(
        UNKNOWN, ". Hint: AWS does not know this access key: is it of this account, and not deleted?"
    ),
    **dict.fromkeys(
        SIGNED,
        ". Hint: is the secret of this access key right, and the clock of this machine within five minutes?",
    ),
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException"),
        ". Hint: temporary credentials are over: renew them, or use a role",
    ),
}
SPARE = 5.0  # seconds until a silent SQS is noticed, beyond those for which it was asked to wait


def client() -> Any:
    """Return this process' client for short questions: one try, and `publish_timeout` to connect and to answer."""
    seconds = conf().publish_timeout
    return _made(os.getpid(), seconds, seconds, 10)


def quiet_client() -> Any:
    """Return this process' client for what nobody waits for."""
    return _made(os.getpid(), CONNECT, SPARE, 10)


def patient_client() -> Any:
    """Return this process' client for requests that wait for messages, each in a thread of its own."""
    return _made(os.getpid(), CONNECT, LONGEST_WAIT + SPARE, THREADS)


@lru_cache(maxsize=4)
def _made(pid: int, connect: float, answer: float, connections: int) -> Any:
    from botocore import config, session  # noqa: PLC0415  a quarter of a second, which only who speaks to SQS should pay

    # At INFO they tell of each process where its credentials come from.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    at = sqs_url.read(str(current_app.conf.broker_write_url or current_app.conf.broker_url))
    with translated():
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


class SqsError(Exception):
    """SQS did not answer, or has refused; the text says what, in one line, and what to do where a person has to."""


class QueueRefusedError(SqsError):
    """SQS refuses one queue: it may not be made, or this role may not use it. Others must not wait for it."""


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise SqsError for what botocore raises."""
    try:
        yield
    except SqsError:
        raise
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "botocore":
            raise
        code = _code_of(error)
        is_of_one = code in OF_ONE_QUEUE or code.lower().startswith("kms")
        raise (QueueRefusedError if is_of_one else SqsError)(told(error)) from error


def told(error: Exception) -> str:
    """Return an error of botocore's in one line, with what to do where a person has to do it."""
    text, kind, code = " ".join(str(error).split()), type(error).__name__, _code_of(error)
    if code in DENIED:
        text = f"it denies access: {text}"
    return f"{text if code else f'{kind}: {text}'}".rstrip(".") + HINTS.get(code or kind, "")


def _code_of(error: Exception) -> str:
    """Return what SQS calls an error, "" for one that is not of its answer."""
    code = str((getattr(error, "response", None) or {}).get("Error", {}).get("Code", ""))
    return code if code.startswith("KMS.") else code.rpartition(".")[2]
