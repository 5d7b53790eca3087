"""A small browser without a screen: keeps cookies, follows redirects, fills in Django's CSRF token."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')

# Those of build_opener() but what is for https: it reads all certificates of the machine, for each visitor of a load test anew.
HANDLERS = (
    urllib.request.HTTPHandler,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.HTTPRedirectHandler,
    urllib.request.HTTPErrorProcessor,
    urllib.request.HTTPCookieProcessor,
)


@dataclass
class Page:
    status: int
    url: str
    headers: dict
    text: str

    def json(self):
        return json.loads(self.text)


class Browser:
    def __init__(self, address):
        self.address = address
        self._opener = urllib.request.OpenerDirector()
        for handler in HANDLERS:
            self._opener.add_handler(handler())

    def get(self, path, **headers):
        return self._open(path, headers=headers)

    def submit(self, path, form, to=None):
        """Load a page, and post its form with these values."""
        page = self.get(path)
        token = TOKEN.search(page.text)
        values = {**form, "csrfmiddlewaretoken": token[1]} if token else form
        body = urllib.parse.urlencode(values).encode()
        return self._open(to or path, body, {"Referer": page.url})

    def post_json(self, path, values, **headers):
        body = json.dumps(values).encode()
        headers = {"Content-Type": "application/json", **headers}
        return self._open(path, body, headers)

    def _url(self, path):
        """Resolve a path; an absolute address, like one in a mail, is asked of our own server."""
        parts = urllib.parse.urlsplit(path)
        return self.address + urllib.parse.urlunsplit(("", "", parts.path, parts.query, ""))

    def _open(self, path, body=None, headers=None):
        request = urllib.request.Request(self._url(path), body, headers or {})  # noqa: S310  our own server
        try:
            answer = self._opener.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return Page(answer.status, answer.url, dict(answer.headers), answer.read().decode())
