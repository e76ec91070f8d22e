"""Where redirects lead, what Host and forwarded headers are worth, and paths that try to climb."""

from __future__ import annotations

import json
import re
from urllib.parse import quote, urljoin, urlsplit

import pytest

from shared.letters import Letters, Words
from tests.security.doors import PORTAL_URL, Door, Street
from tests.security.raw import get, send

ELSEWHERE = (
    "https://evil.example/",
    "http:evil.example",
    "//evil.example",
    "///evil.example",
    "////evil.example/riverside/",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/%2fevil.example",
    "/%5cevil.example",
    "%2f%2fevil.example",
    "/riverside/..//evil.example",
    "/riverside/../../evil.example",
    "/riverside/%2e%2e/%2e%2e//evil.example",
    "/riverside/.%00./evil",
    "/riverside/\t/evil.example",
    "/\t/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/riverside/\r\nLocation: https://evil.example",
    "/riverside/%0d%0aLocation:%20https://evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "/riverside@evil.example/",
    "@evil.example",
    "/riverside.evil.example/",
    "/riversideevil/",
    "/lakeside/",
    "/static/x",
    "/docs",
    "//riverside/",
    "/\u2215evil.example",
    "\uff0f\uff0fevil.example",
    "/\u3002evil.example",
    "/riverside\u2044evil",
    "https:///evil.example",
    "?next=//evil.example",
    "#//evil.example",
    "/riverside/sign-out\u202e",
    "x" * 999,
    "/riverside/" + "a/" * 400,
)


def lands(answer_location: str, door: Door) -> str:
    """The path that a browser would open, on our own origin."""
    assert "\\" not in answer_location
    assert answer_location.isprintable()
    base = f"http://127.0.0.1:{door.port}/riverside/sign-in"
    found = urlsplit(urljoin(base, answer_location))
    assert found.netloc == f"127.0.0.1:{door.port}", answer_location
    assert found.scheme == "http", answer_location
    return found.path


async def test_no_spelling_of_an_address_leads_away_after_signing_in(street: Street) -> None:
    for door in street.page_doors:
        for wanted in ELSEWHERE:
            door.http.session.cookie_jar.clear()
            credentials = {k: v for k, v in street.credentials(door).items() if k != "agency"}
            answer = await door.form("/riverside/sign-in", {**credentials, "next": wanted})
            if answer.status == 422:
                # Characters that no form of ours takes.
                continue
            assert answer.status == 303, (door.name, wanted, answer.status)
            assert lands(answer.headers["Location"], door).startswith("/riverside/"), wanted
            again = await door.ask("GET", f"/riverside/sign-in?next={quote(wanted, safe='')}")
            assert again.status in (303, 404), (wanted, again.status)
            if again.status == 303:
                assert lands(again.headers["Location"], door).startswith("/riverside/"), wanted


async def test_the_sign_in_page_shows_no_other_address(street: Street) -> None:
    for door in street.page_doors:
        for wanted in ELSEWHERE:
            answer = await door.ask("GET", f"/riverside/sign-in?next={quote(wanted, safe='')}")
            if answer.status != 200:
                continue
            page = await answer.text()
            # One for each way to sign in.
            [shown] = set(re.findall(r'name="next" value="([^"]*)"', page))
            assert lands(shown, door).startswith("/riverside/"), wanted
            assert "evil.example/" not in page.replace("/riverside/", ""), wanted


HOSTS = (
    "evil.example",
    "evil.example:443",
    "portal.example.evil.example",
    "evil.example/x",
    "a b",
    "",
    "[::1",
    "x@evil.example",
)


async def test_no_answer_takes_a_host_from_the_request(street: Street) -> None:
    forwarded = ("X-Forwarded-Host", "X-Forwarded-Server", "X-Host", "X-Original-URL", "X-Rewrite-URL", "Forwarded")
    for door in street.doors:
        walked = 0
        for route in door.routes():
            if route.method != "GET":
                continue
            for host in ("evil.example", "portal.example.evil.example"):
                extra = [f"{name}: {'host=' if name == 'Forwarded' else ''}{host}" for name in forwarded]
                answer = await send(door.port, get(quote(door.address(route.pattern)), *extra, host=host))
                assert b"evil.example" not in answer.body, (door.name, route)
                assert "evil.example" not in answer.head, (door.name, route, answer.head)
                assert answer.status < 500
                walked += 1
        assert walked >= 10
        for host in HOSTS:
            answer = await send(door.port, get("/healthz", host=host))
            assert answer.status in (200, 400)
        absolute = await send(door.port, get("http://evil.example/riverside", "Accept: text/html"))
        assert "evil.example" not in absolute.head + absolute.body.decode()


def written(street: Street, mail: str, context: dict[str, str]) -> str:
    words = Words(**context, secret="x" * 40, expires_at=street.clock(), time_zone="UTC", locale="en-US")
    letter = Letters().write(mail, words)
    return "\n".join((letter.subject, letter.text, letter.html))


async def test_links_in_mails_come_from_the_settings_alone(street: Street) -> None:
    """Whoever asks for a reset under another Host (or a forwarded one) gets no say in the link."""
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    door = street.portal
    body = {"agency": "riverside", "username": "cmalek", "email": "cmalek@example.com"}
    answer = await door.ask("POST", "/api/v1/password/forgot", json=body, headers=evil)
    assert answer.status == 202
    forgotten = await door.ask(
        "POST", "/api/v1/username/forgot", json={k: body[k] for k in ("agency", "email")}, headers=evil
    )
    assert forgotten.status == 202
    token = await street.token(street.admin)
    new = {"username": "another", "email": "another@example.com"}
    made = await street.admin.ask(
        "POST",
        f"/api/v1/clients/{street.client.id}/portal-logins",
        json=new,
        headers={**evil, "Authorization": f"Bearer {token}"},
    )
    assert made.status == 201
    rows = await street.rows("select mail, context from mail.deliveries")
    assert {row["mail"] for row in rows} == {"password_reset", "username", "temporary_password"}
    for row in rows:
        context = json.loads(row["context"])
        assert context["portal_url"] == f"{PORTAL_URL}/riverside/"
        sent = written(street, row["mail"], context)
        assert "evil.example" not in sent
        hosts = {urlsplit(link).netloc for link in re.findall(r"https?://[^\s\"'<>=]+", sent)}
        assert hosts == {"portal.example"}


async def test_who_is_not_a_trusted_proxy_forwards_for_nobody(street: Street) -> None:
    for door in street.page_doors:
        for value in ("203.0.113.7", "203.0.113.7, 127.0.0.1", "unknown", "::ffff:203.0.113.7", "x" * 500):
            headers = {
                "X-Forwarded-For": value,
                "X-Real-IP": value,
                "Forwarded": f"for={value}",
                "True-Client-IP": value,
            }
            answer = await door.ask("POST", "/api/v1/token", json=street.credentials(door), headers=headers)
            assert answer.status == 200
    addresses = await street.rows("select distinct address::text as address from accounts.sessions")
    assert [row["address"].partition("/")[0] for row in addresses] == ["127.0.0.1"]


async def test_no_made_up_address_gets_somebody_past_the_throttle(street: Street) -> None:
    door, statuses = street.portal, []
    for number in range(40):
        headers = {"X-Forwarded-For": f"203.0.113.{number}"}
        body = street.credentials(door, username=f"nobody{number}", password="wrong, in any case")
        statuses.append((await door.ask("POST", "/api/v1/token", json=body, headers=headers)).status)
    assert statuses == [401] * 30 + [429] * 10


async def test_behind_a_trusted_proxy_its_word_counts_and_what_a_client_adds_does_not(proxied: Street) -> None:
    door = proxied.portal
    # A client made up the first two; the proxy added the last.
    headers = {"X-Forwarded-For": "198.51.100.1, 198.51.100.2, 203.0.113.9"}
    answer = await door.ask("POST", "/api/v1/token", json=proxied.credentials(door), headers=headers)
    assert answer.status == 200
    [row] = await proxied.rows("select address::text as address from accounts.sessions where kind = 'portal'")
    assert row["address"].partition("/")[0] == "203.0.113.9"


CLIMBING = (
    "/static/x/../../pyproject.toml",
    "/static/x/..%2f..%2f..%2fpyproject.toml",
    "/static/x/%2e%2e/%2e%2e/shared/http/pages.py",
    "/static/x/..%5c..%5cpyproject.toml",
    "/static/x/%252e%252e%252fpyproject.toml",
    "/static/x//etc/passwd",
    "/static/x/%2fetc%2fpasswd",
    "/static/..;/..;/etc/passwd",
    "/static/x/.%00./pages.py",
    "/static/x/portico.css%00.html",
    "/static/x/portico.css/",
    "/static/x/.hidden",
    "/static/x/__init__.py",
    "/static/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd",
    "/docs/assets/x/..%2f..%2findex.html",
    "/problems/..%2f..%2fetc%2fpasswd",
    "/problems/%3Cscript%3E",
    "/riverside/clients/..%2f..%2f/edit",
    "/riverside/clients/%00/edit",
    "/riverside/document-center/../../../etc/passwd",
    "/riverside%2fsign-in",
    "/riverside%00/sign-in",
    "/RIVERSIDE/sign-in",
    "/riverside/sign-in/..;/x",
    "/api/v1/clients/%2e%2e%2f%2e%2e",
    "/api/v1/clients/1%27%20or%20%271%27=%271",
    "/api/v1/clients/00000000-0000-0000-0000-000000000000%00",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/..%c1%9c../etc/passwd",
    "/\x7f",
    "//evil.example/..",
    "/riverside/sign-in%0d%0aX-Evil:%201",
    "*",
)


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
async def test_no_path_climbs(street: Street, accept: str) -> None:
    for door in street.doors:
        for path in CLIMBING:
            answer = await send(door.port, get(path.encode("latin-1"), f"Accept: {accept}"))
            assert answer.status in (303, 400, 401, 404, 405), (door.name, path, answer.status)
            text = answer.body.decode("utf-8", "replace")
            for told in ("root:", "[project]", "import ", "Traceback", "<script>"):
                assert told not in text, (door.name, path, told)
            assert "X-Evil" not in answer.head
            if answer.status == 303:
                assert lands(answer.header("location") or "", door)


async def test_a_request_that_cannot_be_read_is_not_repeated_in_the_answer(street: Street) -> None:
    """Not even a cookie that the page's own scripts must not see, and no version of the server."""
    cookie = "portico_portal_riverside=hidden-from-scripts"
    for door in street.doors:
        for request in (
            get("/", f"Cookie: {cookie}{'a' * 20_000}"),
            get("/", f"Cookie: {cookie}\x00"),
            get("/", "Authorization hidden-from-scripts"),
            get("/?hidden-from-scripts" + "a" * 20_000),
        ):
            answer = await send(door.port, request)
            assert answer.status == 400
            assert b"hidden-from-scripts" not in answer.body
            assert answer.header("server") == "portico"
            assert answer.header("x-content-type-options") == "nosniff"
            assert "frame-ancestors 'none'" in (answer.header("content-security-policy") or "")
            assert answer.closed


async def test_overlong_addresses_and_headers_are_refused(street: Street) -> None:
    for door in street.doors:
        for request in (
            get("/" + "a" * 20_000),
            get("/riverside/sign-in?next=" + "a" * 20_000),
            get("/healthz", "X-Long: " + "a" * 20_000),
            get("/healthz", *(f"X-{n}: {'a' * 100}" for n in range(2_000))),
            get("/healthz", "Cookie: " + "; ".join(f"c{n}=v" for n in range(3_000))),
        ):
            answer = await send(door.port, request)
            assert answer.status in (400, 431), (door.name, answer.status, request[:30])
        assert (await door.ask("GET", "/healthz")).status == 200


SMUGGLED = (
    b"POST /api/v1/token HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /api/v1/token HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    b"POST /api/v1/token HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST /api/v1/token HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/v1/token HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: b\nX-B: c\r\n X-Folded: d\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nX A: b\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: b\x00c\r\n\r\n",
    b"GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
)


async def test_ambiguous_requests_are_refused_and_the_connection_ends(street: Street) -> None:
    """What two servers in a row could take for different requests."""
    for door in street.doors:
        for request in SMUGGLED:
            answer = await send(door.port, request, patience=15)
            assert answer.status == 400, (door.name, request[:60], answer.status)
            assert answer.closed, (door.name, request[:60])
            assert json.loads(answer.body)["type"] == "/problems/unparsable"
