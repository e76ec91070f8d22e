"""All pages, found by following links, and every form on them filled with what harms careless software.

Signed in and not. No answer is a 500, shows markup that was sent, tells of the machinery, or lacks the headers.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from aiohttp import ClientResponse, FormData

from tests.security.doors import FROM_OUR_PAGE, Door, Street, form_token
from tests.security.page_forms import PageForm, read_page
from tests.security.test_answers import check

MARK = "zq7"
HOSTILE = (
    f"<script>{MARK}()</script>",
    f'"><img src=x onerror={MARK}>',
    f"'><svg/onload={MARK}>",
    f"</textarea><script>{MARK}</script>",
    f"javascript:{MARK}",
    "{{1337*7331}}${1337*7331}<%=1337*7331%>#{1337*7331}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{x}}{% endfor %}",
    "{0.__class__} %s%n%x %(password)s",
    "' or '1'='1' --",
    "'; drop table accounts.clients; --",
    "1 union select * from accounts.staff_users limit 1",
    "$(id)`id`|id;id",
    "../../../../etc/passwd\u0000.html",
    "\u0000",
    "a\x08\x1b[31mb\x7f",
    "line\r\nSet-Cookie: evil=1",
    "\u202eevil\u2066\ufeff\u200b",
    "\ud83d\ude00" * 40,
    "e\u0301" * 300,
    "\u0130\u0131\ufb03\u1e9e",
    "x" * 5_000,
    "\u4e2d" * 3_000,
    "-1",
    "99999999999999999999999999",
    "1e309",
    "NaN",
    "2026-02-30",
    "0000-00-00",
    "[]",
    '{"$gt": ""}',
    "null",
    "true",
    " ",
    "",
    "=?utf-8?q?=0d=0a?=",
    "=cmd|'/c calc'!A1",
    "\uff1cscript\uff1e",
)
# Whatever page says that, and under whatever sign-in: it is not ours to say.
TOLD = re.compile(
    r"Traceback|asyncpg|psycopg|aiohttp\.|jinja2|site-packages|\$argon2id|BEGIN PRIVATE KEY|portico_(admin|portal)\b"
    r"|password_hash|syntax error at or near|invalid input syntax|uid=\d+|root:x:0|StrictUndefined"
)
REFLECTED = re.compile(
    rf"<script>{MARK}|<img src=x onerror={MARK}|<svg/onload={MARK}|(?:href|src|action)=.javascript:{MARK}"
)
# What the template syntaxes among these would be worth.
PRODUCT = str(1337 * 7331)
STATUSES = frozenset({200, 204, 303, 400, 401, 403, 404, 409, 412, 413, 415, 422, 429})
NOT_PRESSED = ("sign-out", "sessions/end", "sessions/end-others")
_MOST_PAGES = 80


@dataclass(slots=True)
class Crawl:
    """One walk through one door."""

    street: Street
    door: Door
    signed_in: bool
    chance: random.Random = field(default_factory=lambda: random.Random(20261125))
    seen: set[str] = field(default_factory=set)
    forms: dict[str, PageForm] = field(default_factory=dict)
    posted: int = 0

    async def run(self) -> None:
        waiting = ["/riverside/", *(self.door.address(r.pattern) for r in self.door.pages())]
        while waiting and len(self.seen) < _MOST_PAGES:
            address = waiting.pop(0)
            if address in self.seen:
                continue
            self.seen.add(address)
            answer = await self.door.ask("GET", address, headers={"Accept": "text/html"})
            text = await self.judge(f"GET {address}", answer)
            links, forms = read_page(text)
            for form in forms:
                action = self.own(urljoin(address, form.action or address))
                if action:
                    self.forms.setdefault(f"{form.method} {action} {sorted(form.values)}", form)
                    form.action = action
            followed = [answer.headers.get("Location", ""), *links]
            waiting += [found for link in followed if link and (found := self.own(urljoin(address, link)))]
        for form in self.forms.values():
            await self.attack(form)

    def caller(self) -> dict[str, str]:
        """Each time somebody else, so that it is not the throttle that answers."""
        address = ".".join(str(self.chance.randrange(1, 255)) for _ in range(4))
        return {"Accept": "text/html", "X-Forwarded-For": address, **FROM_OUR_PAGE}

    def own(self, address: str) -> str | None:
        parts = urlsplit(address)
        if parts.netloc or parts.scheme or not parts.path.startswith("/riverside/"):
            return None
        return parts.path + (f"?{parts.query}" if parts.query else "")

    async def attack(self, form: PageForm) -> None:
        if form.action.removeprefix("/riverside/") in NOT_PRESSED:
            return
        for filled in self.fillings(form):
            pairs = [(name, value) for name, value in filled if value is not None]
            where = f"{form.method} {form.action} {pairs!r:.200}"
            if form.method == "get":
                answer = await self.door.ask("GET", form.action, params=pairs, headers=self.caller())
            else:
                data = FormData([(n, v.encode("utf-8", "surrogatepass").decode("utf-8", "replace")) for n, v in pairs])
                answer = await self.door.ask("POST", form.action, data=data, headers=self.caller())
            await self.judge(where, answer)
            self.posted += 1
            if self.signed_in and "/sign-in" in answer.headers.get("Location", ""):
                await self.come_back()
        if form.method == "post":
            await self.wrong_kinds(form)

    async def come_back(self) -> None:
        """Ten wrong current passwords end a session: the walk goes on in another one."""
        token = await self.street.signed_in(self.door)
        for form in self.forms.values():
            if "csrf_token" in form.values:
                form.values["csrf_token"] = token

    def fillings(self, form: PageForm) -> Iterator[list[tuple[str, str | None]]]:
        """One field at a time, then all of them, missing ones, doubled ones; with each button."""
        fields = [name for name in form.values if name != "csrf_token"]
        buttons: list[tuple[str, str]] = form.buttons or [("", "")]
        for name in fields:
            for text in self.chance.sample(HOSTILE, 8):
                yield self.with_button({**form.values, name: text}, self.chance.choice(buttons))
        for text in HOSTILE:
            yield self.with_button({**form.values, **dict.fromkeys(form.fields, text)}, self.chance.choice(buttons))
        for button in buttons:
            yield self.with_button({k: v for k, v in form.values.items() if k == "csrf_token"}, button)
            yield self.with_button({**form.values, **dict.fromkeys(fields, HOSTILE[0])}, button)
        doubled = self.with_button(form.values, buttons[0])
        yield [*doubled, *doubled]
        yield [*doubled, *((name, HOSTILE[1]) for name in fields)]
        yield [*doubled, *((f"unknown{n}", "x") for n in range(200))]
        yield [*doubled, ("__proto__", "x"), ("", "x"), ("a[b][c]", "x"), ("csrf_token[]", "x")]

    def with_button(self, values: Mapping[str, str], button: tuple[str, str]) -> list[tuple[str, str | None]]:
        return [*values.items(), *([button] if button[0] else [])]

    async def wrong_kinds(self, form: PageForm) -> None:
        """The same form in ways that no browser sends it."""
        token = form.values.get("csrf_token", "")
        for kind, body in (
            ("application/json", b'{"username": "x"}'),
            ("multipart/form-data", b"no boundary"),
            ("multipart/form-data; boundary=x", b"--x\r\nbroken"),
            (
                "multipart/form-data; boundary=x",
                b'--x\r\nContent-Disposition: form-data; name="username"; filename="a.php"\r\n\r\n<?php\r\n--x--\r\n',
            ),
            ("application/x-www-form-urlencoded; charset=utf-7", b"username=+ADw-script+AD4-"),
            ("application/x-www-form-urlencoded; charset=nonsense", b"username=x"),
            ("application/x-www-form-urlencoded", f"csrf_token={token}&username=%ff%fe%00&password=%".encode()),
            ("application/x-www-form-urlencoded", b"&&&===&&&"),
        ):
            headers = {**self.caller(), "Content-Type": kind}
            answer = await self.door.ask("POST", form.action, data=body, headers=headers)
            await self.judge(f"{kind} to {form.action}", answer)

    async def judge(self, where: str, answer: ClientResponse) -> str:
        text = await answer.text()
        assert answer.status in STATUSES, (where, answer.status, text[:500])
        check(self.door, where, answer, "")
        assert not REFLECTED.search(text), (where, REFLECTED.search(text))
        assert PRODUCT not in text, where
        assert not TOLD.search(text), (where, TOLD.search(text))
        assert "evil=1" not in answer.headers.get("Set-Cookie", ""), where
        location = answer.headers.get("Location", "/riverside/")
        assert location.startswith("/riverside/"), (where, location)
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            assert text.lower().count("<html") == 1, where
        return text


async def crawl(street: Street, door: Door, *, signed_in: bool) -> Crawl:
    if signed_in:
        await street.signed_in(door)
    found = Crawl(street, door, signed_in)
    await found.run()
    return found


async def test_nobody_in_particular_breaks_no_page_and_is_told_nothing(proxied: Street) -> None:
    street = proxied
    for door, forms in ((street.admin, 1), (street.portal, 4)):
        before = await street.state()
        found = await crawl(street, door, signed_in=False)
        assert len(found.forms) >= forms, found.forms
        assert found.posted >= forms * 40
        assert await street.state() == before


async def test_somebody_signed_in_breaks_no_page(proxied: Street) -> None:
    street = proxied
    for door, pages, forms in ((street.admin, 10, 6), (street.portal, 5, 2)):
        found = await crawl(street, door, signed_in=True)
        assert len(found.seen) >= pages, found.seen
        assert len(found.forms) >= forms, found.forms
        assert found.posted >= forms * 40
        await self_check(street, door)


async def self_check(street: Street, door: Door) -> None:
    """The product stands as before."""
    assert await street.rows("select id from accounts.clients where id = $1", street.client.id)
    answer = await door.ask("GET", "/riverside/sessions", headers={"Accept": "text/html"})
    if answer.status == 200:
        assert form_token(await answer.text())
    assert (await door.ask("GET", "/readyz")).status in (200, 503)
