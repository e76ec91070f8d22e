"""Line breaks and their relatives, in everything that reaches a header of an answer or of a mail."""

from __future__ import annotations

import email
import json
from email import policy

from services.notifier.letters import Heading, on_the_wire
from shared.letters import Letters, Words
from tests.security.doors import Street
from tests.security.page_forms import read_page
from tests.security.raw import get, send

BREAKS = (
    "\r\n",
    "\n",
    "\r",
    "%0d%0a",
    "%0D%0A%20",
    "\u2028",
    "\u2029",
    "\x85",
    "\x0b",
    "\x0c",
    "\x00",
    "\u560d\u560a",
    "=?utf-8?q?=0d=0a?=",
    "\\r\\n",
)
EVIL = "X-Evil: 1"


def injected(text: str) -> list[str]:
    return [f"{text}{b}{EVIL}" for b in BREAKS] + [f"{text}{b}Bcc: thief@example.net{b}{b}hello" for b in BREAKS]


async def test_no_field_reaches_a_header_of_a_mail_with_a_line_break(street: Street) -> None:
    """Usernames, addresses and names: refused, or harmless by the time that they are written on the wire."""
    token = await street.token(street.admin)
    logins = f"/api/v1/clients/{street.client.id}/portal-logins"
    for username in injected("mallory"):
        body = {"username": username, "email": "mallory@example.com"}
        status, _ = await street.admin.json("POST", logins, body, token=token)
        assert status == 422, ascii(username)
    # A percent sign is a lawful part of an address, and nothing decodes it.
    inside = [f"mal{b}lory@example.com" for b in BREAKS if not b.startswith("%")]
    for number, address in enumerate([*injected("mallory@example.com"), *inside]):
        body = {"username": f"mallory{number}", "email": address}
        status, answer = await street.admin.json("POST", logins, body, token=token)
        assert status == 422, (ascii(address), answer)
        patch = {"email": address}
        assert (await street.admin.json("PATCH", f"/api/v1/portal-logins/{street.login.id}", patch, token=token))[
            0
        ] == 422
        for path, form in (
            ("password/forgot", {"agency": "riverside", "username": "cmalek", "email": address}),
            ("username/forgot", {"agency": "riverside", "email": address}),
        ):
            assert (await street.portal.json("POST", f"/api/v1/{path}", form))[0] == 422, ascii(address)
    # Address data of a face sheet may be copied into the login's address: it goes through the same eye of a needle.
    sheet = {"dynamic_fields": {"current_residence": {"Email": "a@example.com\u2028Bcc: thief@example.net"}}}
    await street.admin.json("PATCH", f"/api/v1/clients/{street.client.id}", sheet, token=token)
    copied = {"username": "mallory", "populate_email_from_current_residence": True}
    assert (await street.admin.json("POST", logins, copied, token=token))[0] == 422
    assert await street.rows("select id from mail.deliveries") == []


async def test_an_agencys_name_and_address_cannot_shape_a_mail(street: Street) -> None:
    """They come from operators; what they hold must not break out either."""
    moment = street.clock()
    for text in injected("Riverside"):
        words = Words("cmalek", text, "http://portal.example/riverside/", "secret", moment, "UTC", "en-US")
        letter = Letters().write("temporary_password", words)
        heading = Heading("no-reply@example.org", text, "cmalek@example.com", "<1@example.org>", moment)
        try:
            wire = on_the_wire(letter, heading)
        except ValueError:
            # Refused: such a letter is not sent.
            continue
        parsed = email.message_from_bytes(wire, policy=policy.SMTP)
        assert "X-Evil" not in parsed
        assert "Bcc" not in parsed
        assert [address.addr_spec for address in parsed["To"].addresses] == ["cmalek@example.com"]
        head = wire.partition(b"\r\n\r\n")[0].decode()
        assert not [line for line in head.split("\r\n") if line.lower().startswith(("x-evil", "bcc"))]


async def test_no_field_of_a_page_reaches_a_header_of_its_answer(street: Street) -> None:
    for door in street.page_doors:
        await street.signed_in(door)
        for text in injected("x"):
            for path in ("/riverside/sign-in",):
                answer = await door.form(path, {"username": text, "password": text, "next": f"/riverside/{text}"})
                assert "X-Evil" not in answer.headers
                assert answer.status in (303, 401, 422, 429), (ascii(text), answer.status)
                assert EVIL not in answer.headers.get("Location", "").replace("%20", " ").partition("?")[0]
        for route in door.pages():
            for text in ("%0d%0aX-Evil:%201", "%0aX-Evil:1", "%E5%98%8D%E5%98%8AX-Evil:1", "%E2%80%A8X-Evil:1"):
                for query in ("next", "cursor", "ended", "sent", "done", "start_date", "change_type", "unheard_of"):
                    answer = await door.ask("GET", f"{door.address(route.pattern)}?{query}={text}")
                    assert "X-Evil" not in answer.headers, (route, text)
                    assert answer.status < 500, (route, query, text)


async def test_no_header_of_a_request_reaches_an_answer_or_breaks_an_event(street: Street) -> None:
    for door in street.page_doors:
        for name in (
            "User-Agent",
            "Accept",
            "Accept-Language",
            "Cookie",
            "If-Match",
            "Referer",
            "Origin",
            "X-Request-ID",
        ):
            for value in (
                "a\tX-Evil: 1",
                "a\\r\\nX-Evil: 1",
                "\xff\xfe\x80",
                "<script>alert(1)</script>",
                "${jndi:ldap://x}",
                "%n%s%x",
            ):
                answer = await send(door.port, get("/riverside/sign-in", f"{name}: {value}"))
                assert answer.status in (200, 303, 400, 403), (name, answer.status)
                assert "x-evil" not in answer.head.lower().replace("\\r\\nx-evil", "")
                assert b"<script>alert" not in answer.body
    agent = {"User-Agent": "<script>alert(1)</script>\u2028{{7*7}}"}
    answer = await street.portal.ask("POST", "/api/v1/token", json=street.credentials(street.portal), headers=agent)
    token = (await answer.json())["access_token"]
    assert (await street.portal.json("GET", "/api/v1/sessions", token=token))[0] == 200
    await street.sign_in(street.portal)
    page = await (await street.portal.ask("GET", "/riverside/sessions")).text()
    assert "<script>alert" not in page
    assert read_page(page)[1]


async def test_the_log_is_one_line_an_entry_whatever_was_sent(street: Street) -> None:
    """Events hold what was typed as JSON: a line break in a name stays inside its text."""
    token = await street.token(street.admin)
    body = {"dynamic_fields": {"current_residence": {"Street": "12 Linden\nX-Evil: 1"}}}
    await street.admin.json("PATCH", f"/api/v1/clients/{street.client.id}", body, token=token)
    for row in await street.rows("select body from accounts.outbox where kind = 'event'"):
        assert "\n" not in row["body"]
        json.loads(row["body"])
