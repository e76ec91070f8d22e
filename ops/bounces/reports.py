"""What a returned e-mail says: delivery reports (RFC 3464), spam reports (RFC 5965), and what older programs write.

Anybody can send such a mail, so nothing in it is believed here: it is taken apart with limits, and whoever reads on has
to find the delivery by a token that was made for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from itertools import islice
from typing import Any, Final, Literal

from shared.deliveries.bounce_reasons import BounceKind, code_in, kind_of, reply_code_in

MOST_BYTES: Final = 1024 * 1024
"""A mail that is larger is not looked at."""

_MOST_PARTS: Final = 50
_MOST_ADDRESSES: Final = 50
_MOST_HEADER: Final = 4096
_MOST_TEXT: Final = 16 * 1024
_CAME_TO: Final = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To", "Apparently-To")
_LITTLE: Final = re.compile(r"[245]\.0\.0")
_ADDRESS = re.compile(r"[^\s<>,;:\"'()@]{1,64}@[^\s<>,;:\"'()@]{1,253}")
_MESSAGE_ID = re.compile(r"^Message-ID:[ \t]*(<[^<>\s]{1,400}>)", re.IGNORECASE | re.MULTILINE)
_RETURN_PATH = re.compile(r"^Return-Path:[ \t]*<([^<>\s]{1,320})>", re.IGNORECASE | re.MULTILINE)
# Where programs that send no report begin to quote the mail that came back.
_COPY = re.compile(
    r"^(?:-+ ?(?:Below this line|This is a copy|Original message|The header of the original).*)$", re.M | re.I
)
_DAEMON = re.compile(r"mailer-daemon|postmaster|mail delivery (?:sub)?system", re.IGNORECASE)
_ABSENT = re.compile(
    r"\s*(?:out of (?:the )?office|automatic reply|auto(?:matic)?[ -]?response|vacation|abwesen)", re.I
)
_STILL_TRYING = re.compile(r"delayed|warning|not yet been delivered|will (?:keep|be) (?:trying|retr)", re.IGNORECASE)

Other = Literal["automatic", "unclear"]
"""``automatic``: an answer that nobody wrote, or news that all is well. ``unclear``: a person should look at it."""


@dataclass(frozen=True, slots=True)
class Report:
    """One e-mail came back. ``came_to`` are all addresses that may hold a token; nothing of this is proven."""

    came_to: tuple[str, ...]
    message_id: str | None
    recipients: tuple[str, ...]
    kind: BounceKind
    code: str | None
    reply: str


@dataclass(frozen=True, slots=True)
class _Returned:
    """What is quoted of the mail that came back."""

    message_id: str | None
    return_path: str | None


def read(raw: bytes) -> Report | Other:
    """The report in a mail, or what it is instead."""
    if len(raw) > MOST_BYTES:
        return "unclear"
    try:
        # The old policy: the newer one's parser of headers fails on what strangers write, or takes its time.
        return _read(message_from_bytes(raw))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        # The email package promises never to fail, and does.
        return "unclear"


def _read(mail: Message) -> Report | Other:
    parts = list(islice(mail.walk(), _MOST_PARTS))
    returned = _returned(parts)
    came_to = _addresses(mail, _CAME_TO)
    for part in parts:
        kind = part.get_content_type()
        if kind in ("message/delivery-status", "message/global-delivery-status"):
            return _of_status(part, came_to, returned)
        if kind == "message/feedback-report":
            return _of_feedback(part, came_to, returned)
    return _of_words(mail, parts, came_to)


def _of_status(part: Message, came_to: tuple[str, ...], returned: _Returned) -> Report | Other:
    """RFC 3464: a block about the mail, then one for each recipient. Ours have one recipient."""
    blocks = [block for block in _inside(part) if block.get("Action") and block.get("Final-Recipient")]
    by_action = {_header(block, "Action").strip().lower().partition(" ")[0]: block for block in reversed(blocks)}
    action, block = next(((a, by_action[a]) for a in ("failed", "delayed") if a in by_action), ("", None))
    if block is None:
        return "automatic" if by_action else "unclear"
    diagnostic = _header(block, "Diagnostic-Code").partition(";")[2].strip()
    status = code_in(_header(block, "Status"))
    code = code_in(diagnostic) if status is None or _LITTLE.fullmatch(status) else status
    code = code or status
    kind = kind_of(code, diagnostic, reply_code=reply_code_in(diagnostic), about_recipient=False)
    return Report(
        came_to=_with(came_to, returned.return_path),
        message_id=returned.message_id,
        recipients=_addresses(block, ("Final-Recipient", "Original-Recipient")),
        kind="soft" if action == "delayed" else kind,
        code=code,
        reply=diagnostic,
    )


def _of_feedback(part: Message, came_to: tuple[str, ...], returned: _Returned) -> Report | Other:
    """RFC 5965: the reader's mail program says what was done with it."""
    fields = next(iter(_inside(part)), part)
    if _header(fields, "Feedback-Type").strip().lower() != "abuse":
        return "automatic"
    return Report(
        came_to=_with((*came_to, *_addresses(fields, ("Original-Mail-From",))), returned.return_path),
        message_id=returned.message_id,
        recipients=_addresses(fields, ("Original-Rcpt-To",)),
        kind="complaint",
        code=None,
        reply="",
    )


def _of_words(mail: Message, parts: list[Message], came_to: tuple[str, ...]) -> Report | Other:
    """Programs that write for people: qmail, older Exim."""
    failed = _addresses(mail, ("X-Failed-Recipients",))
    if not failed and not _DAEMON.search(_header(mail, "From")):
        return "automatic" if _answered_by_itself(mail) else "unclear"
    text = next((_text(part) for part in parts if part.get_content_type() == "text/plain"), "")
    copy = _COPY.search(text)
    said, quoted = (text[: copy.start()], text[copy.start() :]) if copy else (text, "")
    code = code_in(said)
    kind = kind_of(code, said, reply_code=reply_code_in(said), about_recipient=False)
    if code is None and _STILL_TRYING.search(_header(mail, "Subject")):
        kind = "soft"
    found = _MESSAGE_ID.search(quoted) or _MESSAGE_ID.search(text)
    return Report(
        came_to=came_to,
        message_id=found[1] if found else _returned(parts).message_id,
        recipients=failed or tuple(_ADDRESS.findall(said)[:_MOST_ADDRESSES]),
        kind=kind,
        code=code,
        reply=_telling_line(said, code),
    )


def _answered_by_itself(mail: Message) -> bool:
    """RFC 3834, and what came before it."""
    submitted = _header(mail, "Auto-Submitted").strip().lower()
    precedence = _header(mail, "Precedence").strip().lower()
    return (
        (submitted not in ("", "no"))
        or precedence in ("auto_reply", "bulk", "junk", "list")
        or any(name in mail for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Response"))
        or _ABSENT.match(_header(mail, "Subject")) is not None
    )


def _returned(parts: list[Message]) -> _Returned:
    for part in parts:
        kind = part.get_content_type()
        if kind in ("message/rfc822", "message/global"):
            block = next(iter(_inside(part)), None)
            if block is not None:
                path = _addresses(block, ("Return-Path",))
                return _Returned(_header(block, "Message-ID").strip() or None, path[0] if path else None)
        if kind in ("text/rfc822-headers", "message/rfc822-headers", "message/global-headers"):
            text = _text(part)
            identity, sender = _MESSAGE_ID.search(text), _RETURN_PATH.search(text)
            return _Returned(identity[1] if identity else None, sender[1] if sender else None)
    return _Returned(None, None)


def _inside(part: Message) -> Iterator[Message]:
    payload: Any = part.get_payload()
    if isinstance(payload, list):
        yield from islice((block for block in payload if isinstance(block, Message)), _MOST_PARTS)


def _header(mail: Message, name: str) -> str:
    return " ".join(str(mail.get(name, ""))[:_MOST_HEADER].split())


def _addresses(mail: Message, names: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for name in names:
        for value in islice(mail.get_all(name, []), _MOST_ADDRESSES):
            found += _ADDRESS.findall(str(value)[:_MOST_HEADER])
    return tuple(dict.fromkeys(found))[:_MOST_ADDRESSES]


def _with(addresses: tuple[str, ...], further: str | None) -> tuple[str, ...]:
    return addresses if further is None else (*addresses, further)


def _text(part: Message) -> str:
    payload: Any = part.get_payload(decode=True)
    return payload[:_MOST_TEXT].decode("utf-8", "replace").replace("\r\n", "\n") if isinstance(payload, bytes) else ""


def _telling_line(text: str, code: str | None) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = (line for line in lines if (code and code in line) or reply_code_in(line) is not None)
    # What such programs say of the reason comes last.
    return next(telling, lines[-1] if lines else "")
