"""What is read in returned e-mails of several systems, and what is not believed."""

from __future__ import annotations

import time

import pytest

from ops.bounces.reports import MOST_BYTES, Report, read
from tests.support import returned_mails
from tests.support.returned_mails import HARD, plain_report

CAME_TO = "bounces+abc234@mail.portico.example"
MESSAGE_ID = "<019caf10-3180-7000-b0be-54bbc320a162@portico.example>"


def report(raw: bytes) -> Report:
    found = read(raw)
    assert isinstance(found, Report), found
    return found


@pytest.mark.parametrize("system", HARD)
def test_each_system_says_that_the_address_is_gone(system: str) -> None:
    write, code = HARD[system]
    found = report(write(CAME_TO, MESSAGE_ID))
    assert (found.kind, found.code) == ("hard", code)
    assert CAME_TO in [address.lower() for address in found.came_to]
    assert found.message_id == MESSAGE_ID
    assert "cmalek@client.example" in found.recipients
    assert found.reply


@pytest.mark.parametrize(
    ("status", "diagnostic", "action", "kind"),
    [
        ("4.2.2", "452 4.2.2 mailbox full", "failed", "soft"),
        ("5.2.2", "552 5.2.2 over quota", "failed", "soft"),
        ("4.4.1", "connection timed out", "delayed", "soft"),
        ("5.1.1", "550 5.1.1 not for now", "delayed", "soft"),
        ("5.7.1", "550 5.7.1 User unknown to our rules", "failed", "soft"),
        ("5.3.0", "554 5.3.0 trouble", "failed", "soft"),
        ("5.0.0", "550 Blocked by our policy, user unknown", "failed", "soft"),
        ("5.0.0", "550 no", "failed", "unknown"),
        ("5.4.1", "550 5.4.1 Recipient address rejected: Access denied", "failed", "hard"),
        ("5.4.4", "Host or domain name not found", "failed", "hard"),
        ("5.1.2", "", "failed", "hard"),
    ],
)
def test_kinds_of_trouble(status: str, diagnostic: str, action: str, kind: str) -> None:
    assert report(plain_report(CAME_TO, status=status, diagnostic=diagnostic, action=action)).kind == kind


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded"])
def test_news_that_all_is_well_is_no_trouble(action: str) -> None:
    assert read(plain_report(CAME_TO, status="2.0.0", action=action)) == "automatic"


def test_answers_that_nobody_wrote_are_passed_over() -> None:
    assert read(returned_mails.out_of_office(CAME_TO)) == "automatic"
    assert read(returned_mails.spam_report(CAME_TO, MESSAGE_ID, kind="not-spam")) == "automatic"


def test_a_letter_of_a_person_is_left_for_a_person() -> None:
    assert read(returned_mails.from_a_person(CAME_TO)) == "unclear"


def test_a_spam_report_names_the_return_path_of_the_mail() -> None:
    found = report(returned_mails.spam_report(CAME_TO, MESSAGE_ID))
    assert (found.kind, found.message_id) == ("complaint", MESSAGE_ID)
    assert CAME_TO in found.came_to


def test_a_warning_in_words_is_no_end() -> None:
    raw = returned_mails.exim_of_old(CAME_TO, MESSAGE_ID).replace(
        b"Subject: Mail delivery failed: returning message to sender",
        b"Subject: Warning: message 1abc delayed 24 hours",
    )
    assert report(raw).kind == "soft"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff" * 500,
        b"Content-Type: multipart/report; boundary=x\r\n\r\n--x",
        b"Content-Type: message/delivery-status\r\n\r\n\r\n",
        b"Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: base64\r\n\r\n////",
        b"Content-Type: multipart/report; charset=\x80; boundary=\x80\r\n\r\n--\x80\r\n",
        b"From: MAILER-DAEMON\r\nContent-Type: text/plain; charset=no-such\r\n\r\n\xff\xfe",
        b"To: " + b"<" * 100_000,
        b"From: =?utf-8?b?" + b"A" * 50_000 + b"?=\r\n\r\n",
        b"X" * (MOST_BYTES + 1),
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3000)),
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 50_000,
        b"To: " + b"a@b.example, " * 50_000 + b"\r\n\r\n",
        b"From: postmaster@a.example\r\n\r\n" + b"user " * 100_000,
        b"From: postmaster@a.example\r\n\r\n" + b"5.1." * 100_000,
    ],
    ids=range(15),
)
def test_broken_and_giant_mails_are_neither_believed_nor_do_they_take_long(raw: bytes) -> None:
    started = time.perf_counter()
    found = read(raw)
    assert time.perf_counter() - started < 5
    assert not isinstance(found, Report) or found.kind in ("unknown", "soft")


def test_what_is_quoted_of_the_mail_is_no_reply() -> None:
    raw = plain_report(
        CAME_TO, status="5.1.1", diagnostic="550 5.1.1 x\r\n\r\nFinal-Recipient: rfc822; other@a.example"
    )
    assert "other" not in report(raw).reply
