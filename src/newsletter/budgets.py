"""How many mails may be asked for: by one client, for one inbox, of the whole list. Without it anybody mails anybody through us.

A budget is a row of PostgreSQL with the times at which it was spent. So it is exact: processes that spend it at once do so one by
one, no cache evicts it, and no span of its length has more than its limit, wherever the span begins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.utils.encoding import punycode
from django.utils.timesince import timeuntil

from newsletter.models import Budget

if TYPE_CHECKING:
    from django.db.models import QuerySet

# The conflicting row is locked and read anew, so of two that spend the last of it one finds it spent.
SPEND = """
    INSERT INTO newsletter_budget AS budget (key, spent, forget_at) VALUES (%(key)s, ARRAY[%(now)s], %(now)s + %(within)s)
    ON CONFLICT (key) DO UPDATE SET
        spent = ARRAY(SELECT at FROM unnest(budget.spent) AS at WHERE at > %(now)s - %(within)s ORDER BY at) || %(now)s,
        forget_at = %(now)s + %(within)s
    WHERE (SELECT count(*) FROM unnest(budget.spent) AS at WHERE at > %(now)s - %(within)s) < %(most)s
"""
DOTLESS = {"gmail.com", "googlemail.com"}  # one service, to which a.b@ is ab@


class BudgetSpentError(Exception):
    """No more until `again_at`: show the message, which is one for people, and answer 429 (Too Many Requests)."""

    def __init__(self, limit: Limit, now: datetime, again_at: datetime) -> None:
        self.limit = limit
        self.seconds = max(1, round((again_at - now).total_seconds()))  # for Retry-After
        wait = timeuntil(again_at + timedelta(minutes=1), now, depth=1)
        super().__init__(f"{limit.words} Try again in {wait}.")


@dataclass(frozen=True)
class Limit:
    """At most so many within a span of time; `words` say to people that it is reached."""

    name: str
    most: int
    within: timedelta
    words: str

    def spend(self, owner: str, now: datetime) -> None:
        """Count one more for its owner, in the caller's transaction. Raises BudgetSpentError; then the caller rolls back."""
        key = f"{self.name}/{owner}"
        values: dict[str, Any] = {"key": key, "now": now, "within": self.within, "most": self.most}
        with connection.cursor() as cursor:
            cursor.execute(SPEND, values)
            if cursor.rowcount:
                return
        spent = Budget.objects.get(pk=key).spent
        raise BudgetSpentError(self, now, spent[-self.most] + self.within)


# In the order in which a transaction spends them, which is the same in all of them: so none waits for another in a circle.
# Room for an office, or a mobile network, behind one address.
CLIENT = Limit("client", 20, timedelta(hours=1), "Too many requests came from your network.")
# A lost mail, and one more: nobody fills an inbox through us.
INBOX = Limit(
    "inbox", 3, timedelta(days=1), "This inbox was sent three mails today: look into its spam folder, too."
)
# Above your best hour. A flood from everywhere ends here; so does the good name of your mail server, without it.
LIST = Limit("list", 500, timedelta(hours=1), "Very many people subscribe just now.")


def client_key(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 that everybody with IPv6 has to himself."""
    if not address:
        return "unknown"
    is_v6 = isinstance(ip_address(address), IPv6Address)
    return str(ip_network(f"{address}/64", strict=False)) if is_v6 else address


def inbox_key(email: str) -> str:
    """Return an address in the one form that all ways to write its inbox share; mail still goes to it as typed."""
    local, _, domain = email.rpartition("@")
    domain = punycode(domain).lower()
    if local.startswith('"'):  # "a\b"@ is ab@
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    local = local.lower().partition("+")[0] or local.lower()
    if domain in DOTLESS:
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}"


def prune(now: datetime) -> int:
    """Delete the budgets that are whole again; one that is being spent waits for the next night, and nobody for it."""
    old: QuerySet[Budget] = Budget.objects.select_for_update(skip_locked=True).filter(forget_at__lte=now)
    return Budget.objects.filter(pk__in=[budget.pk for budget in old]).delete()[0]
