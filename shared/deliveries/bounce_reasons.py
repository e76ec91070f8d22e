"""What a returned e-mail says about the address: gone for good, or trouble that passes (RFC 3463, RFC 5321)."""

from __future__ import annotations

import re
from typing import Final, Literal

from shared.deliveries.replies import status_in_plain_words

BounceKind = Literal["hard", "soft", "complaint", "unknown"]
"""- ``hard``: nothing will ever arrive at this address.
- ``soft``: this e-mail did not arrive, the next one may.
- ``complaint``: its reader called it spam.
- ``unknown``: it came back, and nobody said why.
"""

_NO_MAILBOX: Final = frozenset({"5.1.1", "5.1.3", "5.1.6"})
_CLOSED: Final = "5.2.1"
_NO_DOMAIN: Final = frozenset({"5.1.2", "5.1.10", "5.4.4"})
_HARD: Final = _NO_MAILBOX | _NO_DOMAIN | {_CLOSED}
# Codes that say no more than "no"; what is written beside them has to tell.
_SAYS_LITTLE: Final = frozenset({"5.0.0", "5.1.0", "5.4.1", "5.5.0"})
# RFC 5321, 4.2.3: the mailbox is not there, has moved, or its name is not allowed.
_REFUSED_MAILBOX: Final = frozenset({550, 551, 553})

_CODE = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY_CODE = re.compile(r"(?<![\d.])([45]\d\d)(?=[ \-])")
_NOBODY = re.compile(
    r"(?:user|recipient|mailbox|address|account)(?: \S+){0,3} (?:unknown|not found|rejected|unavailable)"
    r"|(?:unknown|no such|invalid) (?:local )?(?:user|recipient|mailbox|address|account)"
    r"|does(?: not|n't) exist|no mailbox here|unrouteable address",
    re.IGNORECASE,
)
# A rule of the other side: it says something of us or of the content, and nothing of the address.
_RULE = re.compile(r"spam|block|policy|blacklist|reputation|relay|greylist|denied by|not authori[sz]ed", re.IGNORECASE)


def code_in(text: str) -> str | None:
    """The enhanced status code that a mail server's words hold."""
    found = _CODE.search(text)
    return found[1] if found else None


def reply_code_in(text: str) -> int | None:
    """The three digits that a mail server's words begin with, or hold."""
    found = _REPLY_CODE.search(text)
    return int(found[1]) if found else None


def kind_of(code: str | None, reply: str, *, reply_code: int | None, about_recipient: bool) -> BounceKind:
    """What a refusal says of the address. Doubtful ones are not ``hard``: nothing is sent to a person after that.

    ``about_recipient``: the mail server had heard the recipient when it said no, and nothing of the content.
    """
    if code in _HARD:
        return "hard"
    if code is not None and code not in _SAYS_LITTLE:
        return "soft"
    if reply_code is not None and 400 <= reply_code < 500:
        return "soft"
    if _RULE.search(reply):
        return "soft"
    if _NOBODY.search(reply) or (about_recipient and reply_code in _REFUSED_MAILBOX):
        return "hard"
    return "unknown"


def in_words(kind: str, code: str | None) -> str:
    """A sentence for staff."""
    if kind == "complaint":
        return "Its owner marked an e-mail from us as spam."
    if kind == "unknown":
        return "An e-mail came back, and nobody said why."
    unsaid = "There is no mailbox with this address." if kind == "hard" else "The mail server did not take an e-mail."
    return status_in_plain_words(code or "") or unsaid
