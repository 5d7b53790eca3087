"""Texts without an end to hold on to, and how much longer something takes for a longer one."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Each is repeated: what looks like the beginning of something at every place, and never ends.
SHAPES = (
    *(
        "a",
        "A",
        "0",
        "-",
        "_",
        ".",
        "/",
        ":",
        "@",
        "'",
        '"',
        "\\",
        " ",
        "\n",
        "=",
        "ä",
        "\x00",
        "*",
        "{",
        "<",
    ),
    *(
        "://",
        "a:",
        ":a",
        "a.",
        "a@",
        "a-",
        "://a:",
        "://a@",
        "://:",
        "://a:1",
        "a:aaaaa:",
        "aaaaaa:",
        "a%3A",
        "-0f",
    ),
    *(
        "password=",
        "password='",
        'password="\\',
        "password': '",
        "token",
        "secret = ",
        "api_key=\\'",
        "passw",
    ),
    *("bearer ", "basic a", "Bearer A", "authorization: ", "authorization: basic ", "cookie", "cookie: a; "),
    *("/**/", "--\n", "/*", ";set ", "set_config(", "signal 1", "-P", "SERVICE_PORT_", "H(1-", "L-1"),
    *(
        "password: ",
        "--password ",
        "password%3D",
        "%3A%2F%2Fa",
        "('token', '",
        "Key (token",
        "-----BEGIN PRIVATE KEY-----",
        r"token\": \"",
    ),
    *("eyJaaaaaaaa.", "ghp_", "<secret>", "('a_", "--a-", "%253A"),
    base64.b64encode(bytes(range(256))).decode(),
)
FLOOR = 0.0005  # seconds below which a clock measures itself


def of_length(shape: str, characters: int) -> str:
    return (shape * (characters // len(shape) + 1))[:characters]


def seconds(act: Callable[[str], object], text: str, times: int = 3) -> float:
    """Give the shortest time of this thread that it took: nobody else's work counts."""
    best = float("inf")
    for _ in range(times):
        begun = time.thread_time()
        act(text)
        best = min(best, time.thread_time() - begun)
    return best


def growth(act: Callable[[str], object], shape: str, short: int, times: int = 4) -> float:
    """Give how many times longer it takes for a text that is so many times longer: as many, where it is linear."""
    return seconds(act, of_length(shape, short * times)) / max(FLOOR, seconds(act, of_length(shape, short)))
