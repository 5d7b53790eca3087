"""Tasks that are open to the API, and one that is not."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  hints are read
from typing import TYPE_CHECKING, Literal

from celery import shared_task
from pydantic import BaseModel

if TYPE_CHECKING:
    from decimal import Decimal


class Address(BaseModel):
    """A hint that refers to a schema of its own."""

    street: str
    number: int


@shared_task(api=True)
def charge(order: int, currency: Literal["EUR", "USD"] = "EUR", *, note: str | None = None) -> None:
    """Charge a customer.

    What follows is not for the document.
    """


@shared_task(api=True)
def ship(
    orders: list[int],
    to: Address,
    at: dt.datetime,
    weight: Decimal,
    hint: NoSuchName = None,  # noqa: F821
    **more: int,
) -> None:
    """Ship something: with hints that have a schema, and some that have none."""


@shared_task(api=True, bind=True, ignore_result=False)
def count(self, *numbers: float, seconds: float = 0.0) -> float:
    """Add up, and say how far it is."""
    import time  # noqa: PLC0415

    for done in range(1, len(numbers) + 1):
        self.progress(done, len(numbers))
        time.sleep(seconds)
    return sum(numbers)


@shared_task
def secret(order: int) -> None:
    """Nobody outside enqueues it."""


@shared_task
def listed() -> None:
    """Open where OFFBEAT_API_TASKS says so."""
