"""The list: who reads it, what is written, and what has been sent to whom."""

from newsletter.models.issue import Delivery, Issue, Note
from newsletter.models.report import SignupReport
from newsletter.models.subscriber import CONFIRM_WITHIN, Subscriber

__all__ = ["CONFIRM_WITHIN", "Delivery", "Issue", "Note", "SignupReport", "Subscriber"]
