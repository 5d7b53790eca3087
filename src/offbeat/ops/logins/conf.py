"""How often a password may be tried; Django's `OFFBEAT_LOGINS` setting, or a variable OFFBEAT_LOGINS_<NAME>, overrides any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from offbeat.conf import Conf, reader


@dataclass(frozen=True)
class LoginsConf(Conf):
    """Failures in a row, and after how many seconds each of them is forgiven."""

    setting: ClassVar[str] = "OFFBEAT_LOGINS"

    # Of one name from one address: somebody who mistypes; nobody else is held up.
    same_failures: int = 5
    same_forgiven: float = 60.0
    # Of one address, for names that never logged in from it: an office behind one router, or one password tried on many names.
    address_failures: int = 20
    address_forgiven: float = 30.0
    # Of one name from addresses that it never logged in from: many machines on one account. Others cannot lock out its owner.
    name_failures: int = 20
    name_forgiven: float = 30.0
    known_days: float = 90.0  # how long an address is known after a login
    # A working day. An absolute end: open pages ask for news all the time, so that nobody is ever idle.
    staff_session_hours: float = 12.0


conf = reader(LoginsConf)
