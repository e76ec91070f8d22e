"""The body of a mail as it is handed over, and what a mail program makes of it."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from services.notifier.parts import alternative

PLAIN = "Hello,\n\nfirst line\n.\n..\n=20 is no space\nends here "
LONG = "<p>" + "word " * 60 + "</p>"
SPANISH = "Contraseña nueva: ñandú, \u20ac 5"


def read(body: bytes) -> EmailMessage:
    found = message_from_bytes(body, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


@pytest.mark.parametrize("text", [PLAIN, LONG, SPANISH, "\u5bc6\u7801 " * 40, "", "one\r\ntwo\rthree", "a\n\n\n"])
@pytest.mark.parametrize("html", ["<p>Hi</p>\n", LONG + SPANISH])
def test_both_parts_are_read_as_they_were_written(text: str, html: str) -> None:
    body = alternative(text, html)
    found = read(body)
    assert found.defects == []
    plain, rich = found.iter_parts()
    assert (plain.get_content_type(), rich.get_content_type()) == ("text/plain", "text/html"), "the better one last"
    for part, written in ((plain, text), (rich, html)):
        assert part.defects == []
        assert (
            part.get_content().replace("\r\n", "\n")
            == written.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n") + "\n"
        )


@pytest.mark.parametrize("text", [PLAIN, LONG, SPANISH, "x" * 2000])
def test_every_line_is_short_ascii_and_ended_by_crlf(text: str) -> None:
    body = alternative(text, text)
    assert body.isascii()
    assert body.replace(b"\r\n", b"").count(b"\n") == body.replace(b"\r\n", b"").count(b"\r") == 0
    assert max(len(line) for line in body.split(b"\r\n")) <= 78


def test_no_content_can_end_a_part_or_begin_one() -> None:
    boundary = read(alternative("a", "b")).get_boundary()
    found = read(alternative(f"--{boundary}\nContent-Type: text/html\n\nforged\n--{boundary}--", "b"))
    assert len(list(found.iter_parts())) == 2
    assert found.get_boundary() != boundary
