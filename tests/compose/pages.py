"""The pages as a browser without scripts sees them: cookies, forms, redirects."""

from __future__ import annotations

import urllib.parse
import urllib.request
from html.parser import HTMLParser
from http.cookiejar import CookieJar


class Visitor:
    """Opens pages and sends the form that is on them."""

    def __init__(self) -> None:
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.url = ""
        self.page = ""

    def open(self, url: str) -> None:
        """Go to an address."""
        self._load(urllib.request.Request(url, headers={"Accept": "text/html"}))

    def send(self, fields: dict[str, str]) -> None:
        """Fill in the first form of the page and send it, with what it holds already."""
        form = _FirstForm(self.page)
        data = urllib.parse.urlencode(form.values | fields).encode()
        parts = urllib.parse.urlsplit(self.url)
        headers = {"Accept": "text/html", "Origin": f"{parts.scheme}://{parts.netloc}", "Sec-Fetch-Site": "same-origin"}
        self._load(urllib.request.Request(urllib.parse.urljoin(self.url, form.action), data, headers))

    def stylesheets(self) -> list[str]:
        """The addresses of the page's stylesheets."""
        return [urllib.parse.urljoin(self.url, path) for path in _FirstForm(self.page).stylesheets]

    def _load(self, request: urllib.request.Request) -> None:
        with self._opener.open(request, timeout=30) as answer:
            self.url, self.page = answer.geturl(), answer.read().decode()


class _FirstForm(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.values: dict[str, str] = {}
        self.stylesheets: list[str] = []
        self._forms = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "form":
            self._forms += 1
            if self._forms == 1:
                self.action = told.get("action") or ""
        elif tag == "input" and self._forms == 1 and (name := told.get("name")):
            self.values[name] = told.get("value") or ""
        elif tag == "link" and told.get("rel") == "stylesheet":
            self.stylesheets.append(told.get("href") or "")
