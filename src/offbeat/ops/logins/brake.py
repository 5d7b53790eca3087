"""The brake on logins: buckets of attempts, taken from before a password is hashed, and given back when it was right.

A row says when a bucket is full again, so it is a moment and no count. Taking is one statement, which a row's lock puts in order:
two processes never count one attempt less than there were. Names and addresses are stored as keyed hashes only, because
people type passwords into the field of the name.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network

from django.utils.crypto import salted_hmac

from offbeat.jobs import sql
from offbeat.ops.logins.conf import conf

TAKE = """
    INSERT INTO offbeat_ops_loginallowance AS bucket (key, until) VALUES (%(key)s, statement_timestamp() + %(forgiven)s)
    ON CONFLICT (key) DO UPDATE SET until = greatest(bucket.until, statement_timestamp()) + %(forgiven)s
    WHERE bucket.until <= statement_timestamp() + %(rest)s
"""
GIVE_BACK = "UPDATE offbeat_ops_loginallowance SET until = until - %s WHERE key = %s"
EMPTY = "DELETE FROM offbeat_ops_loginallowance WHERE key = %s"
KNOW = """
    INSERT INTO offbeat_ops_loginallowance (key, until) VALUES (%(key)s, statement_timestamp() + %(days)s)
    ON CONFLICT (key) DO UPDATE SET until = excluded.until
"""
IS_KNOWN = "SELECT 1 FROM offbeat_ops_loginallowance WHERE key = %s AND until > statement_timestamp()"
PRUNE = """
    DELETE FROM offbeat_ops_loginallowance WHERE key IN (
        SELECT key FROM offbeat_ops_loginallowance WHERE until < statement_timestamp()
        ORDER BY until LIMIT %s FOR UPDATE SKIP LOCKED
    )
"""
LONGEST_NAME = 254  # characters, as of an e-mail address: to normalise accents upon accents takes the square of their number
AT_ONCE = 10  # an attempt adds five rows at most, so these keep the table as short as the last quarter of an hour was


@dataclass(frozen=True)
class Bucket:
    """So many attempts at once, and one more after each `forgiven`."""

    key: str
    attempts: int
    forgiven: timedelta

    def take(self) -> bool:
        """Take an attempt; return whether there was one."""
        rest = self.forgiven * (self.attempts - 1)
        return bool(sql.execute(TAKE, {"key": self.key, "forgiven": self.forgiven, "rest": rest}))

    def give_back(self) -> None:
        sql.execute(GIVE_BACK, [self.forgiven, self.key])


@dataclass
class LoginAttempt:
    """Somebody at an address who types a password for a name; either may be unknown, and is "" then."""

    name: str
    address: str
    taken: list[Bucket] = field(default_factory=list)

    @property
    def same(self) -> Bucket:
        return Bucket(
            key("same", self.name, self.address), conf().same_failures, seconds(conf().same_forgiven)
        )

    @property
    def of_address(self) -> Bucket:
        return Bucket(key("address", self.address), conf().address_failures, seconds(conf().address_forgiven))

    @property
    def of_name(self) -> Bucket:
        return Bucket(key("name", self.name), conf().name_failures, seconds(conf().name_forgiven))

    @property
    def known(self) -> str:
        return key("known", self.name, self.address)

    def take(self) -> Bucket | None:
        """Count this attempt; return the bucket that has none left, None when it may continue.

        Whom others share an address or a name with is not held up where he has logged in before.
        The narrow ones first: what they refuse is not counted against others of the address, or against the name.
        """
        sql.execute(PRUNE, [AT_ONCE])
        same = [self.same] if self.name and self.address else []
        wider = [
            bucket for bucket, owner in ((self.of_address, self.address), (self.of_name, self.name)) if owner
        ]
        for bucket in (*same, *wider):
            if not self.take_from(bucket) and (bucket in same or not self.is_known()):
                return bucket
        return None

    def take_from(self, bucket: Bucket) -> bool:
        if bucket.take():
            self.taken.append(bucket)
            return True
        return False

    def is_known(self) -> bool:
        return bool(self.name and self.address) and sql.fetch_one(IS_KNOWN, [self.known]) is not None

    def succeed(self) -> None:
        """Give back what was taken, and remember where this name logs in from."""
        for bucket in self.taken:
            bucket.give_back()
        if self.name and self.address:
            sql.execute(EMPTY, [self.same.key])
            sql.execute(KNOW, {"key": self.known, "days": timedelta(days=conf().known_days)})


def key(*parts: str) -> str:
    """Return a name for a bucket that tells nothing of its parts to who reads the table."""
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return salted_hmac("offbeat.ops.logins", text, algorithm="sha256").hexdigest()


def same_name(text: str) -> str:
    """Return a name as it is counted: in another spelling it may be the same account."""
    return unicodedata.normalize("NFKC", text[:LONGEST_NAME]).casefold().strip()


def network_of(address: str) -> str:
    """Return whom an address belongs to: of IPv6, everybody has 2^64 of them."""
    return str(ip_network(f"{address}/64", strict=False)) if ":" in address else address


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def prune(most: int) -> int:
    """Delete rows that say nothing any more; return how many, `most` at most."""
    return sql.execute(PRUNE, [most])
