"""Returned e-mails in the form that several mail systems give them, written for these tests; `came_to` has the token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from textwrap import dedent

BOUNDARY = "=_report_7"


def _mail(head: str, body: str) -> bytes:
    return (dedent(head).strip() + "\n\n" + dedent(body).lstrip("\n")).replace("\n", "\r\n").encode()


def _report(head: str, words: str, status: str, returned: str, *, kind: str = "message/rfc822") -> bytes:
    """A delivery report; head, status and what was returned differ from system to system."""
    parts = (
        ("text/plain; charset=utf-8", words),
        ("message/delivery-status", status),
        (kind, returned),
    )
    body = "".join(f"--{BOUNDARY}\nContent-Type: {type_}\n\n{dedent(text).strip()}\n\n" for type_, text in parts)
    content = f'MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary="{BOUNDARY}"'
    whole = f"{dedent(head).strip()}\n{content}\n\n{body}--{BOUNDARY}--\n"
    return whole.replace("\n", "\r\n").encode()


def _ours(message_id: str) -> str:
    return f"""
        From: Riverside Family Services <no-reply@portico.example>
        To: cmalek@client.example
        Subject: Your portal login
        Message-ID: {message_id}
        Auto-Submitted: auto-generated

        (what was mailed)
        """


def postfix(came_to: str, message_id: str) -> bytes:
    return _report(
        f"""
        Return-Path: <>
        Delivered-To: {came_to}
        From: MAILER-DAEMON@mx.client.example (Mail Delivery System)
        To: {came_to}
        Subject: Undelivered Mail Returned to Sender
        Auto-Submitted: auto-replied
        """,
        "I could not deliver your message to one address.",
        """
        Reporting-MTA: dns; mx.client.example
        X-Postfix-Queue-ID: 4Z1k2m3n4p

        Final-Recipient: rfc822; cmalek@client.example
        Original-Recipient: rfc822;cmalek@client.example
        Action: failed
        Status: 5.1.1
        Remote-MTA: dns; store.client.example
        Diagnostic-Code: smtp; 550 5.1.1 <cmalek@client.example>: Recipient address
            rejected: User unknown in virtual mailbox table
        """,
        _ours(message_id),
    )


def exim(came_to: str, message_id: str) -> bytes:
    return _report(
        f"""
        Return-path: <>
        Envelope-to: {came_to}
        From: Mail Delivery System <Mailer-Daemon@relay.client.example>
        To: {came_to}
        X-Failed-Recipients: cmalek@client.example
        Auto-Submitted: auto-replied
        Subject: Mail delivery failed: returning message to sender
        """,
        "A message that you sent could not be delivered.\n\n  cmalek@client.example\n    Unrouteable address",
        """
        Reporting-MTA: dns; relay.client.example

        Action: failed
        Final-Recipient: rfc822;cmalek@client.example
        Status: 5.0.0
        Remote-MTA: dns; mx.client.example
        Diagnostic-Code: smtp; 550-5.1.1 there is nobody here by this name
        """,
        f"Return-path: <{came_to}>\nMessage-ID: {message_id}\nSubject: Your portal login",
        kind="text/rfc822-headers",
    )


def exim_of_old(came_to: str, message_id: str) -> bytes:
    return _mail(
        f"""
        Envelope-to: {came_to}
        From: Mail Delivery System <Mailer-Daemon@relay.client.example>
        To: {came_to}
        X-Failed-Recipients: cmalek@client.example
        Auto-Submitted: auto-replied
        Subject: Mail delivery failed: returning message to sender
        """,
        f"""
        This message was created automatically by mail delivery software.

        A message that you sent could not be delivered to one of its recipients:

          cmalek@client.example
            Unrouteable address

        ------ This is a copy of the message, including all the headers. ------

        Return-path: <{came_to}>
        Message-ID: {message_id}
        Subject: 450 4.0.0 is no status of ours
        """,
    )


def exchange(came_to: str, message_id: str) -> bytes:
    return _report(
        f"""
        From: <postmaster@client.example>
        To: <{came_to.upper()}>
        Subject: Undeliverable: Your portal login
        X-MS-Exchange-Message-Is-Ndr:
        In-Reply-To: {message_id}
        """,
        "Your message to cmalek@client.example couldn't be delivered.",
        """
        Reporting-MTA: dns;host7.outlook.example
        Received-From-MTA: dns;mail.portico.example
        Arrival-Date: Mon, 2 Mar 2026 15:00:00 +0000

        Final-Recipient: rfc822;cmalek@client.example
        Action: failed
        Status: 5.1.10
        Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup
        X-Display-Name: cmalek@client.example
        """,
        _ours(message_id),
    )


def gmail(came_to: str, message_id: str) -> bytes:
    return _report(
        f"""
        Return-Path: <>
        X-Original-To: {came_to}
        From: Mail Delivery Subsystem <mailer-daemon@mail.example>
        To: {came_to}
        Auto-Submitted: auto-replied
        Subject: Delivery Status Notification (Failure)
        """,
        "** Address not found **",
        """
        Reporting-MTA: dns; mail.example
        X-Original-Message-ID: <x@mail.example>

        Final-Recipient: rfc822; cmalek@client.example
        Action: failed
        Status: 5.2.1
        Diagnostic-Code: smtp; 550-5.2.1 The email account that you tried to reach is disabled.
         550 5.2.1 https://mail.example/disabled?p=7
        """,
        _ours(message_id),
    )


def qmail(came_to: str, message_id: str) -> bytes:
    return _mail(
        f"""
        Return-Path: <>
        Delivered-To: {came_to}
        From: MAILER-DAEMON@old.client.example
        To: {came_to}
        Subject: failure notice
        """,
        f"""
        Hi. This is the mail program at old.client.example.
        I could not deliver your message, and I have given up on it. Sorry.

        <cmalek@client.example>:
        Sorry, no mailbox here by that name. (#5.1.1)

        --- Below this line is a copy of the message.

        Return-Path: <{came_to}>
        Message-ID: {message_id}
        """,
    )


HARD: Mapping[str, tuple[Callable[[str, str], bytes], str | None]] = {
    "postfix": (postfix, "5.1.1"),
    "exim": (exim, "5.1.1"),
    "exim of old": (exim_of_old, None),
    "exchange": (exchange, "5.1.10"),
    "gmail": (gmail, "5.2.1"),
    "qmail": (qmail, "5.1.1"),
}
"""By system, with the code that is found in it."""


def plain_report(
    came_to: str, message_id: str = "", *, status: str, diagnostic: str = "", action: str = "failed", who: str = ""
) -> bytes:
    return _report(
        f"From: MAILER-DAEMON@mx.client.example\nTo: {came_to}\nSubject: About your mail",
        "See below.",
        f"Reporting-MTA: dns; mx.client.example\n\nFinal-Recipient: rfc822; {who or 'cmalek@client.example'}\n"
        f"Action: {action}\nStatus: {status}\nDiagnostic-Code: smtp; {diagnostic or status}",
        f"Message-ID: {message_id or '<x@y.example>'}\nSubject: Your portal login",
        kind="text/rfc822-headers",
    )


def spam_report(came_to: str, message_id: str, *, kind: str = "abuse") -> bytes:
    return (
        f"From: reports@client.example\nTo: abuse@portico.example\nSubject: A reader's report\nMIME-Version: 1.0\n"
        f'Content-Type: multipart/report; report-type=feedback-report; boundary="{BOUNDARY}"\n\n'
        f"--{BOUNDARY}\nContent-Type: text/plain\n\nThis is a report.\n\n"
        f"--{BOUNDARY}\nContent-Type: message/feedback-report\n\nFeedback-Type: {kind}\nUser-Agent: Loop/1.0\n"
        f"Version: 1\nOriginal-Mail-From: <{came_to}>\nOriginal-Rcpt-To: <cmalek@client.example>\n\n"
        f"--{BOUNDARY}\nContent-Type: message/rfc822\n\n{dedent(_ours(message_id)).strip()}\n\n--{BOUNDARY}--\n"
    ).encode()


def out_of_office(came_to: str) -> bytes:
    return _mail(
        f"""
        Return-Path: <>
        From: C. Malek <cmalek@client.example>
        To: {came_to}
        Subject: Automatic reply: Your portal login
        Auto-Submitted: auto-replied
        """,
        "I am away until Monday. User unknown, 550 5.1.1: only quoted.",
    )


def from_a_person(came_to: str) -> bytes:
    return _mail(
        f"From: C. Malek <cmalek@client.example>\nTo: {came_to}\nSubject: Re: Your portal login",
        "Is this really from you? It says 550 5.1.1 User unknown.",
    )
