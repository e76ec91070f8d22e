"""A page's links and forms, read as a browser reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass(slots=True)
class PageForm:
    """A form: where it goes, what its fields hold, and its buttons."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)

    @property
    def fields(self) -> list[str]:
        """What people type into or choose."""
        return [name for name in self.values if name not in self.hidden]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[PageForm] = []
        self._form: PageForm | None = None
        self._select: str | None = None
        self._textarea: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        elif tag == "form":
            self._form = PageForm(found.get("action", ""), found.get("method", "get").lower())
            self.forms.append(self._form)
        elif self._form is not None:
            self._control(self._form, tag, found)

    def _control(self, form: PageForm, tag: str, found: dict[str, str]) -> None:
        name, kind = found.get("name", ""), found.get("type", "text").lower()
        if tag == "option" and self._select:
            if "selected" in found or not form.values.get(self._select):
                form.values[self._select] = found.get("value", "")
        elif not name:
            return
        elif tag == "button" or kind in ("submit", "image"):
            form.buttons.append((name, found.get("value", "")))
        elif tag == "select":
            self._select = name
            form.values.setdefault(name, "")
        elif tag == "textarea":
            self._textarea = name
            form.values[name] = ""
        elif tag == "input":
            if kind == "hidden":
                form.hidden.add(name)
            if kind not in ("checkbox", "radio") or "checked" in found or name not in form.values:
                form.values[name] = found.get("value", "on")

    def handle_data(self, data: str) -> None:
        if self._form is not None and self._textarea:
            self._form.values[self._textarea] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._textarea = None


def read_page(page: str) -> tuple[list[str], list[PageForm]]:
    """The addresses that a page links to, and its forms."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader.links, reader.forms
