"""A letter's form on the wire: its headers, and both parts of its content."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime as format_mail_date
from email.utils import quote

from services.notifier.headers import check_block, safe_address, safe_name, safe_text
from services.notifier.parts import alternative
from shared.letters import Letter

_PLAIN_NAME = re.compile(r"[A-Za-z0-9]+(?: [A-Za-z0-9]+){0,5}")
_LONGEST_QUOTED = 64


@dataclass(frozen=True, slots=True)
class Heading:
    """Who writes to whom. The addresses are checked when the mail is put together."""

    sender: str
    sender_name: str
    recipient: str
    message_id: str
    written_at: datetime
    reply_to: str | None = None


def on_the_wire(letter: Letter, heading: Heading) -> bytes:
    """The mail as it is handed over, lines ended by CRLF. Raises UnsafeHeader."""
    fields = {
        "From": _sender(safe_name(heading.sender_name), safe_address(heading.sender)),
        **({"Reply-To": safe_address(heading.reply_to)} if heading.reply_to else {}),
        "To": safe_address(heading.recipient),
        "Subject": _encoded(safe_text(letter.subject)),
        "Date": format_mail_date(heading.written_at),
        "Message-ID": safe_text(heading.message_id),
        # RFC 3834: out-of-office messages and the like are not sent in answer to it.
        "Auto-Submitted": "auto-generated",
        "Content-Language": safe_text(letter.language),
        "MIME-Version": "1.0",
    }
    # Written line by line: EmailMessage drops the quotes around a long name when it folds it, commas in it then begin
    # further addresses.
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    whole = head.encode("ascii") + alternative(letter.text, letter.html)
    check_block(whole, (*fields, "Content-Type"))
    return whole


def _sender(name: str, address: str) -> str:
    if not name:
        return address
    if _PLAIN_NAME.fullmatch(name):
        return f"{name} <{address}>"
    if name.isascii() and len(name) <= _LONGEST_QUOTED:
        return f'"{quote(name)}" <{address}>'
    return f"{_encoded(name)}\r\n <{address}>"


def _encoded(text: str) -> str:
    """Words as RFC 2047 has them, folded; short ASCII text stays as it is."""
    if text.isascii() and len(text) <= _LONGEST_QUOTED:
        return text
    return Header(text, "utf-8", maxlinelen=75, header_name="Subject").encode(linesep="\r\n")
