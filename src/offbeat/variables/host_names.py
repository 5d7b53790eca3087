"""Host names, origins and the site's own address, as people write them and as Django compares them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from offbeat.variables.values import NOTHING, listed, shown

if TYPE_CHECKING:
    from collections.abc import Callable

SEPARATORS = re.compile(r"[,;\s]+")
NAME = re.compile(r"\.?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
ORIGIN = re.compile(r"(https?)://([^/?#@]+?)(:\d{1,5})?/*")
PORTS = {"http": ":80", "https": ":443"}  # a browser leaves these out of an origin
PRIVATE = {
    "localhost",
    "local",
    "internal",
    "lan",
    "test",
    "example",
}  # top-level domains in which nobody buys a name
EVERYTHING = (
    '"*" allows every host name, also a forged one that then appears in links: '
    "use names, like www.example.com,example.com"
)


def host_names(*, is_lax: bool) -> Callable[[str], list[str]]:
    """Return a form: names for ALLOWED_HOSTS, of which a scheme, a port and a slash are no part. `is_lax` lets "*" through."""

    def parse(value: str) -> list[str]:
        names = [_host(each) for each in _parts(value)]
        if "*" in names and not is_lax:
            raise ValueError(EVERYTHING)
        return names

    return parse


def origins(value: str) -> list[str]:
    """Read CSRF_TRUSTED_ORIGINS: each a scheme and a name, as browsers send them, with *. for any name below."""
    return [_origin(each) for each in _parts(value)]


def site(value: str) -> str:
    """Read BASE_URL: a scheme and a name, to which paths are added."""
    found = _origin(value)
    if "*" in found:
        raise ValueError('use one name, like https://www.example.com; "*" is not one')
    return found


def _parts(value: str) -> list[str]:
    found = listed(value) if value.startswith("[") and '"' in value else SEPARATORS.split(value)
    return [each for each in (part.strip("\"'") for part in found) if each]


def _host(text: str) -> str:
    """Return the name in what may be an address."""
    if text == "*":
        return text
    name = _ascii(re.sub(r"^https?://", "", text.lower()).removesuffix("/"))
    if re.fullmatch(r"[0-9a-f:.]+", name) and name.count(":") > 1:
        return f"[{name}]"  # IPv6, as it stands in an address
    name = re.sub(r":\d{1,5}$", "", name).removesuffix(".")
    name = re.sub(r"^\*\.", ".", name)
    labels = name.removeprefix(".").split(".")
    if name.startswith(".") and len(labels) == 1 and labels[0] not in PRIVATE:
        raise ValueError(f'"{shown(text)}" allows every name of a top-level domain: use .example.com')
    is_name = NAME.fullmatch(name) and all(0 < len(label) < 64 for label in labels)
    if not is_name or name.isdigit() or re.fullmatch(f"{NOTHING}|nan", name):
        raise ValueError(
            f'"{shown(text)}" is not a host name: use names like www.example.com, separated by commas'
        )
    return name


def _origin(text: str) -> str:
    found = ORIGIN.fullmatch(text.lower())
    if not found:
        if not re.match(r"https?://", text, re.IGNORECASE):
            raise ValueError("it should begin with https://, as in https://www.example.com")
        raise ValueError("nothing may follow the name, as in https://www.example.com")
    scheme, host, port = found.groups()
    name = _host(host)
    if name == "*" or int((port or ":0")[1:]) > 65535:
        raise ValueError("use the name of one host, with a port up to 65535, as in https://www.example.com")
    wildcard = "*" if name.startswith(".") else ""
    return f"{scheme}://{wildcard}{name}{'' if port == PORTS[scheme] else port or ''}"


def _ascii(name: str) -> str:
    """Return the name as browsers send it: bücher.example is xn--bcher-kva.example."""
    if name.isascii():
        return name
    try:
        return ".".join(label.encode("idna").decode() for label in name.split("."))
    except UnicodeError:
        return name
