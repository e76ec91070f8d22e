"""Letters: what owners of portal logins and staff users read, made from templates in the language of their reader."""

from __future__ import annotations

import re
import textwrap
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime
from jinja2 import PackageLoader, StrictUndefined, TemplateNotFound, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from shared.letters.languages import catalogue, chosen, locale_for
from shared.letters.wording import NO_WORDING, Wording, paragraphs

COLUMNS: Final = 78
"""Characters a line of the text part has at most, an address or a code that is longer aside (RFC 5322, 2.1.1)."""

MOMENT: Final = "EEEE, MMMM d, y 'at' h:mm a z"
"""How a moment is written, in CLDR's letters. Catalogues translate it as they do sentences."""
GREETING: Final = "Hello,"

_BLANKS = re.compile("[\u00a0\u202f]")
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_HANGING = re.compile(r" *(?:\d+\. )?")


class UnknownMail(LookupError):
    """There are no templates of that name."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a letter is made of. ``expires_at`` is aware; ``secret`` is the temporary password or the code.

    ``detail`` says what was changed, in the mails that tell of several things.
    ``staff_url`` is where a staff user works, in letters to them; in all others ``portal_url`` is the portal.
    ``language`` is one of LANGUAGES; None, or one that is not there any more, is that of ``locale``.
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
    # When and from where something happened, in the mails that tell of it. Aware, in ISO 8601.
    happened_at: str = ""
    place: str = ""
    language: str | None = None

    @property
    def written_in(self) -> str:
        """The letter's language."""
        return chosen(self.language, self.locale)


@dataclass(frozen=True, slots=True, repr=False)
class Letter:
    """A rendered mail. It holds the secret, so it has no repr."""

    subject: str
    text: str
    html: str
    language: str = "en"


class Letters:
    """Renders the mails of the folder ``templates``, one folder for each."""

    def __init__(self, package: str = "shared.letters") -> None:
        self._templates = ImmutableSandboxedEnvironment(
            loader=PackageLoader(package, "templates"),
            undefined=StrictUndefined,
            autoescape=lambda name: bool(name and name.endswith(".html")),
            # They come with the program: no look at the disk for each letter.
            auto_reload=False,
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def write(self, mail: str, words: Words, wording: Wording = NO_WORDING) -> Letter:
        """The letter of the folder ``mail``, with what the agency words itself.

        Raises UnknownMail, WrongWording, and what Jinja raises over a wrong template.
        """
        language = words.written_in
        translate = _translator(language)
        values: dict[str, Any] = {**_values(words), "_": translate, "language": language}
        own = wording.rendered(mail, values)
        values["opening"] = paragraphs(own.opening) or (catalogue(language).get(GREETING, GREETING),)
        values["closing"] = paragraphs(own.closing)
        try:
            subject, text, html = (
                self._templates.get_template(f"{mail}/{part}") for part in ("subject.txt", "body.txt", "body.html")
            )
        except TemplateNotFound as error:
            raise UnknownMail(mail) from error
        return Letter(
            subject=" ".join((own.subject or subject.render(values)).split()),
            text=wrapped(text.render(values)),
            html=html.render(values),
            language=language,
        )


def _translator(language: str) -> Callable[..., str]:
    """``_`` of the templates: a sentence in the letter's language, its placeholders filled from the letter's words."""
    translated = catalogue(language)

    @pass_context
    def translate(context: Context, sentence: str, **more: object) -> str:
        words = translated.get(sentence, sentence)
        # Sentences are ours and stand in the templates; what is filled in is escaped where the template escapes.
        form = Markup(words) if context.eval_ctx.autoescape else words  # noqa: S704
        return form % ChainMap(more, context) if "%(" in words else form  # type: ignore[arg-type]

    return translate


def _values(words: Words) -> Mapping[str, str]:
    detail = _one_line(words.detail)
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
        "invitation_url": f"{url.rstrip('/')}/invitation#token={words.secret}",
        "happened": _happened(words),
        "place": _one_line(words.place),
        # Not by way of `_`, which takes what it is given for a sentence of ours.
        "detail": catalogue(words.written_in).get(detail, detail),
        "expires": moment(words.expires_at, words.time_zone, words.locale, words.written_in),
    }


def _happened(words: Words) -> str:
    if not words.happened_at:
        return ""
    return moment(datetime.fromisoformat(words.happened_at), words.time_zone, words.locale, words.written_in)


def _one_line(text: str) -> str:
    return " ".join(_BREAKS.sub(" ", text).split())


def _web_address(url: str) -> str:
    if urlsplit(url).scheme not in {"http", "https"} or _BREAKS.search(url) or " " in url:
        raise ValueError("where the letter leads is no web address")
    return url


def moment(when: datetime, time_zone: str, locale: str, language: str = "en") -> str:
    """A moment as people at the agency say it: ``Friday, November 27, 2026 at 9:30 AM EST``."""
    written: Locale = locale_for(language, locale)
    pattern = catalogue(language).get(MOMENT, MOMENT)
    # CLDR puts narrow spaces that do not break into the time of day; not every mail program has a sign for them.
    return _BLANKS.sub(" ", format_datetime(when, pattern, tzinfo=ZoneInfo(time_zone), locale=written))


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
