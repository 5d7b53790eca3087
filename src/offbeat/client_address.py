"""The address of the client behind the platform's routers, which name it in X-Forwarded-For."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from django.http import HttpRequest


def find_client_address(request: HttpRequest) -> str:
    """Return the client's IP address, "" where none is known.

    Each router appends the address it was called from, so the last TRUSTED_PROXIES entries were written by routers that we
    trust; everything before them is what the client likes to claim.
    """
    direct = request.META.get("REMOTE_ADDR", "")
    hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    trusted = settings.TRUSTED_PROXIES
    claimed = hops[-trusted] if 0 < trusted <= len(hops) else direct
    return read_address(claimed) or read_address(direct)


def read_address(text: str) -> str:
    """Return the IP address in `text`, which may have a port: 192.0.2.1:443, [2001:db8::1]:443; "" for anything else."""
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    host = host.partition(":")[0] if host.count(":") == 1 else host
    try:
        address = ip_address(host.partition("%")[0])  # behind it is the name of a network card, any text
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)
