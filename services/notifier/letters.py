"""Letters: what owners of portal logins and staff users read, from templates, and its form on the wire."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.header import Header
from email.utils import format_datetime as format_mail_date
from email.utils import quote
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_datetime
from jinja2 import PackageLoader, StrictUndefined, TemplateNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.notifier.headers import check_block, safe_address, safe_name, safe_text
from services.notifier.parts import alternative

COLUMNS = 78
"""Characters a line of the text part has at most, an address or a code that is longer aside (RFC 5322, 2.1.1)."""

_MOMENT = "EEEE, MMMM d, y 'at' h:mm a z"
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_HANGING = re.compile(r" *(?:\d+\. )?")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9]+(?: [A-Za-z0-9]+){0,5}")
_LONGEST_QUOTED = 64
_ENGLISH = Locale("en", "US")


class UnknownMail(LookupError):
    """There are no templates of that name."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a letter is made of. ``expires_at`` is aware; ``secret`` is the temporary password or the code.

    ``detail`` says what was changed, in the mails that tell of several things.
    ``staff_url`` is where a staff user works, in letters to them; in all others ``portal_url`` is the portal.
    """

    username: str
    agency_name: str
    portal_url: str | None
    secret: str = field(repr=False)
    expires_at: datetime
    time_zone: str
    locale: str
    # Masked, in a mail to the old address.
    new_email: str = ""
    detail: str = ""
    staff_url: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Letter:
    """A rendered mail. It holds the secret, so it has no repr."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Heading:
    """Who writes to whom. The addresses are checked when the mail is put together."""

    sender: str
    sender_name: str
    recipient: str
    message_id: str
    written_at: datetime
    reply_to: str | None = None


class Letters:
    """Renders the mails of the folder ``templates``, one folder for each."""

    def __init__(self, package: str = "services.notifier") -> None:
        self._templates = ImmutableSandboxedEnvironment(
            loader=PackageLoader(package, "templates"),
            undefined=StrictUndefined,
            autoescape=lambda name: bool(name and name.endswith(".html")),
            # They come with the program; to look at each file again for each mail costs.
            auto_reload=False,
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def write(self, mail: str, words: Words) -> Letter:
        """The letter of the folder ``mail``. Raises UnknownMail, and what Jinja raises over a wrong template."""
        values = _values(words)
        try:
            subject, text, html = (
                self._templates.get_template(f"{mail}/{part}") for part in ("subject.txt", "body.txt", "body.html")
            )
        except TemplateNotFound as error:
            raise UnknownMail(mail) from error
        return Letter(
            subject=" ".join(subject.render(values).split()),
            text=wrapped(text.render(values)),
            html=html.render(values),
        )


def _values(words: Words) -> Mapping[str, str]:
    url = _web_address(words.staff_url or words.portal_url or "")
    return {
        "username": _one_line(words.username),
        "agency_name": _one_line(words.agency_name),
        "staff_url" if words.staff_url else "portal_url": url,
        # The fragment is not sent to the server, so the token is in no access log and no Referer.
        "reset_url": f"{url.rstrip('/')}/reset#token={words.secret}",
        "report_url": f"{url.rstrip('/')}/not-me#token={words.secret}",
        "confirm_url": f"{url.rstrip('/')}/confirm-email#token={words.secret}",
        "new_email": _one_line(words.new_email),
        "secret": words.secret,
        "detail": _one_line(words.detail),
        "expires": moment(words.expires_at, words.time_zone, words.locale),
    }


def _one_line(text: str) -> str:
    return " ".join(_BREAKS.sub(" ", text).split())


def _web_address(url: str) -> str:
    if urlsplit(url).scheme not in {"http", "https"} or _BREAKS.search(url) or " " in url:
        raise ValueError("where the letter leads is no web address")
    return url


def moment(when: datetime, time_zone: str, locale: str) -> str:
    """A moment as people at the agency say it: ``Friday, November 27, 2026 at 9:30 AM EST``."""
    try:
        found = Locale.parse(locale, sep="-")
    except (ValueError, UnknownLocaleError):
        found = _ENGLISH
    # The letters are in English, so the moment is too.
    chosen = found if found.language == "en" else _ENGLISH
    return format_datetime(when, _MOMENT, tzinfo=ZoneInfo(time_zone), locale=chosen)


def wrapped(text: str) -> str:
    """``text`` with lines of at most `COLUMNS`; a word that is longer (an address, a code) stays whole."""
    lines = []
    for line in text.strip().splitlines():
        if len(line) <= COLUMNS or " " not in line.strip():
            lines.append(line.rstrip())
            continue
        # Further lines stand below the first word of the first, behind the number of a list's item.
        hanging = _HANGING.match(line)
        indent = " " * (hanging.end() if hanging else 0)
        lines.append(
            textwrap.fill(
                line.rstrip(), COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
            )
        )
    return "\n".join(lines) + "\n"


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
        "Content-Language": "en",
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
