"""Caught mail as .eml files in one folder, newest last by name, the oldest dropped beyond a limit."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import MIMEPart
from email.parser import BytesHeaderParser
from email.policy import compat32, default
from email.utils import format_datetime, getaddresses
from pathlib import Path

from ops.stack.files import make_folder, write_private

LIMIT = 5_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SUFFIX = ".eml"
_ID = re.compile(r"\d{20}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Envelope:
    """One caught e-mail without its body: what lists and searches need."""

    id: str
    sender: str
    to: str
    recipients: frozenset[str]
    subject: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Mail:
    """A whole e-mail: ``text`` and ``html`` are its first parts of these kinds, empty when it has none."""

    envelope: Envelope
    text: str
    html: str


class MailStore:
    """The folder. Files are readable by their owner only: they hold temporary passwords.

    Everything here blocks for as long as a small file takes; lists of thousands belong in a thread.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], datetime], limit: int = LIMIT) -> None:
        self._folder = folder
        self._clock = clock
        self._limit = limit
        make_folder(folder, 0o700)
        self._envelopes: dict[str, Envelope] = {}
        for path in sorted(folder.glob(f"*{_SUFFIX}")):
            if _ID.fullmatch(path.stem):
                self._remember(path.stem, path.read_bytes())
        self._drop_oldest()

    def __len__(self) -> int:
        return len(self._envelopes)

    def add(self, content: bytes, *, sender: str, recipients: Sequence[str], peer: str) -> Envelope:
        """Keep an e-mail as it came, below the trace lines that a mail server adds at delivery."""
        now = self._clock()
        trace = [
            f"Return-Path: <{sender}>",
            *(f"Delivered-To: {recipient}" for recipient in recipients),
            f"Received: from [{peer}] by the Portico mailbox; {format_datetime(now)}",
        ]
        whole = b"".join(line.encode("utf-8", "replace") + b"\r\n" for line in trace) + content
        # Sorted by name is sorted by time; the random part keeps mails of one instant apart, and ids unguessable.
        mail_id = f"{(now - _EPOCH) // _MICROSECOND:020d}-{secrets.token_hex(6)}"
        write_private(self._folder / f"{mail_id}{_SUFFIX}", whole)
        envelope = self._remember(mail_id, whole)
        self._drop_oldest()
        return envelope

    def newest(self, to: str | None = None, *, before: str | None = None) -> Iterator[Envelope]:
        """Envelopes from the newest on: those to an address (in any case), those older than the mail ``before``."""
        wanted = to.strip().casefold() if to else None
        for envelope in reversed(list(self._envelopes.values())):
            if before is not None and envelope.id >= before:
                continue
            if wanted is None or wanted in envelope.recipients:
                yield envelope

    def get(self, mail_id: str) -> Mail | None:
        """A whole e-mail, None when there is none of that id (any more)."""
        source = self.source(mail_id)
        envelope = self._envelopes.get(mail_id)
        if source is None or envelope is None:
            return None
        text, html = _parts(source)
        return Mail(envelope, text, html)

    def source(self, mail_id: str) -> bytes | None:
        """The file's content, None when there is none of that id (any more)."""
        if mail_id not in self._envelopes:
            return None
        try:
            return (self._folder / f"{mail_id}{_SUFFIX}").read_bytes()
        except FileNotFoundError:
            return None

    def clear(self) -> None:
        """Delete all mail."""
        for mail_id in list(self._envelopes):
            self._drop(mail_id)

    def _remember(self, mail_id: str, source: bytes) -> Envelope:
        delivered = _header(source, "delivered-to")
        addresses = [address for _, address in getaddresses(_header(source, "to")) if address]
        envelope = Envelope(
            id=mail_id,
            sender=", ".join(_header(source, "from")),
            to=", ".join(addresses or delivered),
            recipients=frozenset(address.strip().casefold() for address in (*addresses, *delivered)),
            subject=" ".join(_header(source, "subject")),
            received_at=_EPOCH + int(mail_id.partition("-")[0]) * _MICROSECOND,
        )
        self._envelopes[mail_id] = envelope
        return envelope

    def _drop_oldest(self) -> None:
        for mail_id in list(self._envelopes)[: max(0, len(self._envelopes) - self._limit)]:
            self._drop(mail_id)

    def _drop(self, mail_id: str) -> None:
        self._envelopes.pop(mail_id, None)
        (self._folder / f"{mail_id}{_SUFFIX}").unlink(missing_ok=True)


def _header(source: bytes, name: str) -> list[str]:
    """The decoded values of a header; as they stand where they are too broken to decode."""
    try:
        return [str(value) for value in BytesHeaderParser(policy=default).parsebytes(source).get_all(name, [])]
    except (ValueError, IndexError, AttributeError, TypeError, LookupError):
        return [str(value) for value in BytesHeaderParser(policy=compat32).parsebytes(source).get_all(name, [])]


def _parts(source: bytes) -> tuple[str, str]:
    message = message_from_bytes(source, policy=default)
    plain, html = (message.get_body(preferencelist=(kind,)) for kind in ("plain", "html"))
    return _text_of(plain), _text_of(html)


def _text_of(part: MIMEPart | None) -> str:
    if part is None:
        return ""
    try:
        return str(part.get_content()).replace("\r\n", "\n")
    except (LookupError, ValueError, AttributeError):
        # An unknown character set, or a body that is not what its headers say.
        raw = part.get_payload(decode=True)
        return raw.decode("utf-8", "replace").replace("\r\n", "\n") if isinstance(raw, bytes) else ""
