"""Where a request ends is read as gunicorn and Django will read it; what they see differently would hold a thread."""

from __future__ import annotations

import pytest

from offbeat.web.frame import read_frame

LENGTH = 3_000_000  # /uploads/ takes it, nothing else does


@pytest.mark.parametrize(
    "start",
    [
        "POST /uploads/ HTTP/1.1",
        "POST http://localhost/uploads/ HTTP/1.1",
        "POST /%75ploads/ HTTP/1.1",
        "POST /uploads/?a=/b#/c HTTP/1.1",
        "\r\nPOST /uploads/ HTTP/1.1",
    ],
)
def test_an_upload_in_any_dress(start):
    """It counts as one, so that uploads get half of the threads, and the others wait for nobody."""
    assert read_frame(f"{start}\r\nHost: localhost\r\nContent-Length: {LENGTH}".encode(), 0).is_upload


@pytest.mark.parametrize(
    "path", ["/uploads", "//uploads/", "/uploads;x/", "http://localhost", "http://[", ""]
)
def test_what_only_looks_like_one(path):
    """Neither waits here nor is read."""
    frame = read_frame(f"POST {path} HTTP/1.1\r\nContent-Length: {LENGTH}".encode(), 0)

    assert not frame.is_upload
    assert frame.is_complete(bytearray())


def test_a_path_below_the_one_of_the_site(monkeypatch):
    """SCRIPT_NAME is no part of it."""
    monkeypatch.setenv("SCRIPT_NAME", "/shop")

    assert read_frame(f"POST /shop/uploads/ HTTP/1.1\r\nContent-Length: {LENGTH}".encode(), 0).is_upload


@pytest.mark.parametrize(
    ("length", "waits"), [("0" * 30 + "50", True), ("9" * 30, False), ("9" * 5000, False)]
)
def test_a_length_of_any_length(length, waits):
    """Gunicorn reads them all as numbers, so there is a body to come."""
    frame = read_frame(f"POST / HTTP/1.1\r\nContent-Length: {length}".encode(), 0)

    assert frame.length > 0
    assert frame.is_complete(bytearray()) is not waits
