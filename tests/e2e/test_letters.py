"""Every e-mail in every language, as mail programs show it: right HTML, accessible, readable on a phone and as text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from services.notifier.letters import Heading, on_the_wire
from shared.letters import COLUMNS, LANGUAGES, Letter, Letters, Wording, Words

TEMPLATES = Path(__file__).parents[2] / "shared" / "letters" / "templates"
MOMENT = datetime(2026, 11, 27, 14, 30, tzinfo=UTC)
TOKEN = "0123456789abcdef0123456789abcdef.AbCdEfGhIjKlMnOpQrStUvWxYz0123456789_-AbCdE"
MAILS = sorted(path.parent.name for path in TEMPLATES.glob("*/subject.txt"))
DETAILS = {
    **dict.fromkeys(("passkey_changed", "staff_passkey_changed"), "added"),
    **dict.fromkeys(("second_factor_changed", "staff_second_factor_changed"), "An authenticator app was set up"),
    **dict.fromkeys(("sign_in_refused", "staff_sign_in_refused"), "Somebody typed a wrong password ten times"),
    "new_device": "Samsung Internet on Android",
}
OWN = Wording(
    "Welcome",
    "Dear {{ username }},\n\nwelcome at {{ agency_name }}.\nWe are glad that you are here.",
    "Do you have questions? Call 555-0100, Monday to Friday.",
)
# One that may reach a stranger names no username.
NAMELESS = replace(OWN, opening="Welcome at {{ agency_name }}.")
OPENS_NOTHING = ("username", "login_inactive", "new_email", "email_test")
# With a long name of the agency: the worst case of narrow screens.
AGENCY = "Riverside Family Services of the Upper Valley"
WIDTHS = (320, 800)
HEAVIEST = 100_000
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
# What ends a paragraph that is open (HTML, 13.1.2.4): inside one it would tear it in two.
BLOCKS = {"p", "div", "dl", "dt", "dd", "ol", "ul", "li", "h1", "h2", "h3", "table", "pre", "section", "main"}


class Strict(HTMLParser):
    """Finds what browsers forgive: tags that are not closed or cross each other, ids and attributes given twice."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.seen: dict[str, str | None] = {}
        self.feed(text)
        self.close()
        if self.open:
            self.problems.append(f"not closed: {self.open}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if len(found) != len(attrs):
            self.problems.append(f"<{tag}> has an attribute twice")
        if (identity := found.get("id")) is not None:
            if identity in self.ids:
                self.problems.append(f"id {identity} twice")
            self.ids.add(identity)
        if tag == "html":
            self.seen["lang"] = found.get("lang")
        if tag == "img" and "alt" not in found:
            self.problems.append("a picture without alt")
        if tag in BLOCKS and "p" in self.open:
            self.problems.append(f"<{tag}> in a paragraph")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> does not fit")

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["title"]:
            self.seen["title"] = (self.seen.get("title") or "") + data


def letter(mail: str, language: str, wording: Wording = Wording()) -> Letter:  # noqa: B008 - frozen
    staff = "staff_url" in (TEMPLATES / mail / "body.txt").read_text("utf-8")
    credential = mail in ("temporary_password", "staff_invitation")
    words = Words(
        username="catherine.malek",
        agency_name=AGENCY,
        portal_url=None if staff else "https://portal.example.org/riverside/",
        staff_url="https://staff.example.org/riverside/" if staff else None,
        secret="h7Kqp-Rw9Tz-mN4xV-u8Jbc" if credential else "" if mail in OPENS_NOTHING else TOKEN,
        expires_at=MOMENT,
        time_zone="America/New_York",
        locale="en-US",
        new_email="o***@example.com",
        detail=DETAILS.get(mail, ""),
        happened_at="2026-11-24T14:30:00+00:00",
        place="2001:0db8:...",
        language=language,
    )
    return Letters().write(mail, words, wording)


@pytest.fixture(params=[(mail, language) for mail in MAILS for language in LANGUAGES], ids="-".join)
def named(request: pytest.FixtureRequest) -> tuple[str, str]:
    found: tuple[str, str] = request.param
    return found


@pytest.fixture(scope="module", params=["light", "dark"])
def reader(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[tuple[Page, str]]:
    context = chromium.new_context(color_scheme=request.param, offline=True)
    yield context.new_page(), request.param
    context.close()


@pytest.fixture(scope="module")
def folder() -> Path:
    found = Path(__file__).parents[2] / "test-artifacts" / "letters"
    found.mkdir(parents=True, exist_ok=True)
    return found


def look(reader: tuple[Page, str], found: Letter, folder: Path, name: str) -> None:
    """No violation, nothing cut off; screenshots are kept."""
    page, scheme = reader
    page.set_content(found.html)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        report = Axe().run(page)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
        assert report.violations_count == 0, f"{name} at {width}: {report.generate_report()}"
        assert wide <= 0, f"{name} is {wide} px wider than {width}"


def test_it_is_accessible_and_fits_at_every_width(
    reader: tuple[Page, str], named: tuple[str, str], folder: Path
) -> None:
    look(reader, letter(*named), folder, "-".join(named))


@pytest.mark.parametrize("language", LANGUAGES)
def test_so_it_is_with_an_agencys_own_words(reader: tuple[Page, str], language: str, folder: Path) -> None:
    look(reader, letter("temporary_password", language, OWN), folder, f"own-words-{language}")


def test_its_html_is_whole_and_light(named: tuple[str, str]) -> None:
    for found in (letter(*named), letter(*named, NAMELESS if named[0] == "new_email" else OWN)):
        strict = Strict(found.html)
        assert strict.problems == []
        assert strict.seen["lang"] == named[1]
        assert strict.seen["title"]
        assert found.html.startswith("<!DOCTYPE html>")
        assert len(found.html.encode()) < HEAVIEST
        wire = on_the_wire(
            found, Heading("no-reply@portico.example", AGENCY, "c@client.example", "<1@x.example>", MOMENT)
        )
        assert len(wire) < HEAVIEST


def test_its_text_reads_well(named: tuple[str, str], folder: Path) -> None:
    found = letter(*named)
    (folder / f"{'-'.join(named)}.txt").write_text(f"{found.subject}\n\n{found.text}", "utf-8")
    assert not re.search(r"</?[a-z]+[^>]*>|&[a-z]+;|&#\d+;|\{\{|\}\}|%\(", found.text)
    assert not re.search(r"\n{4,}|[ \t]\n|\A\s", found.text)
    for line in found.text.splitlines():
        assert len(line) <= COLUMNS or " " not in line.strip()
    # What the styled part says in headings stands in capitals here.
    title = re.search(r"<h1[^>]*>(.*?)</h1>", found.html)
    assert title is not None
    assert found.text.splitlines()[0] == title[1].upper()
    # Both parts say the same: whatever is filled in stands in both.
    for needed in ("catherine.malek", AGENCY, TOKEN, "h7Kqp", "o***@example.com"):
        assert (needed in " ".join(found.text.split())) == (needed in found.html), needed
