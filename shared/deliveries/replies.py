"""What a mail server's reply comes to, in plain words: for staff, who write to people and not to mail servers.

The three numbers that many servers put in front of their words (RFC 3463, and what IANA has registered since) say most;
then the reply's code (RFC 5321, 4.2.3); then how the attempt ended.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_ENHANCED: Final = re.compile(r"(?:^|#)([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")

_LATER: Final = "The mail server asked us to try later."

# By subject and detail, whatever the class.
_BY_DETAIL: Final[Mapping[str, str]] = {
    "1.1": "The mailbox does not exist.",
    "1.2": "The part of the address after the @ does not exist.",
    "1.3": "The address is not written as an address has to be.",
    "1.6": "The mailbox has moved, and nobody knows where to.",
    "1.10": "No mail can be sent to the part of the address after the @.",
    "2.1": "The mailbox is switched off.",
    "2.2": "The mailbox is full.",
    "2.3": "The e-mail is longer than this mailbox allows.",
    "3.1": "The mail server has no room left.",
    "3.2": "The mail server takes no mail at the moment.",
    "3.4": "The e-mail is longer than the mail server allows.",
    "4.1": "The mail server of this address does not answer.",
    "4.2": "The connection to the mail server of this address was lost.",
    "4.3": "The mail server of this address cannot be found at the moment.",
    "4.4": "No way to the mail server of this address was found.",
    "4.5": "The mail server has too much to do.",
    "4.6": "The e-mail went round in circles. Something is wrong with the mail server of this address.",
    "4.7": "The mail server of this address was tried for too long.",
    "7.1": "The mail server does not let us write to this address.",
    "7.13": "The mailbox is switched off.",
    "7.17": "The mailbox has another owner now.",
    "7.20": "The mail server did not believe that the e-mail came from us.",
    "7.23": "The mail server did not believe that the e-mail came from us.",
    "7.25": "The mail server did not believe that the e-mail came from us.",
    "7.26": "The mail server did not believe that the e-mail came from us.",
}
_BY_SUBJECT: Final[Mapping[str, str]] = {
    "1": "Something is wrong with the address.",
    "2": "Something is wrong with the mailbox.",
    "3": "The mail server has trouble of its own.",
    "4": "The e-mail could not be passed on to the mail server of this address.",
    "5": "The mail server did not understand us.",
    "6": "The mail server did not like how the e-mail is written.",
    "7": "The mail server refused the e-mail by a rule of its own, as it does with unwanted mail.",
}
_BY_CODE: Final[Mapping[int, str]] = {
    421: "The mail server has too much to do, and asked us to try later.",
    450: "The mailbox cannot be reached at the moment.",
    451: _LATER,
    452: "The mail server has no room at the moment.",
    550: "The mail server does not take mail for this address.",
    551: "The mailbox is somewhere else.",
    552: "The mailbox is full, or the e-mail is too long for it.",
    553: "The mail server does not accept the address.",
    554: "The mail server refused the e-mail.",
    556: "No mail can be sent to the part of the address after the @.",
}
_BY_OUTCOME: Final[Mapping[str, str]] = {
    "accepted": "The mail server took the e-mail.",
    "deferred": _LATER,
    "refused": "The mail server refused the e-mail.",
    "unreachable": "The mail server could not be reached.",
    "channel_refused": "The mail server takes no mail from us. Whoever runs this system has to look into it.",
    "unknown": "The connection was lost at the last moment. The e-mail may have arrived or not.",
    "withdrawn": "The e-mail was not wanted any more.",
    "interrupted": "Sending was interrupted. The e-mail may have arrived or not.",
    "error": "Something went wrong on our side.",
}
# What they say of the mail they say whatever the code.
_WHATEVER_THE_CODE: Final = frozenset({"accepted", "channel_refused", "unknown", "withdrawn", "interrupted", "error"})


def in_plain_words(outcome: str, code: int | None, reply: str) -> str:
    """A sentence for how an attempt ended; ``code`` and ``reply`` are the mail server's.

    Without a code nothing was said by the server, and ``reply`` is a sentence of the notifier already.
    """
    if outcome in _WHATEVER_THE_CODE:
        return _BY_OUTCOME[outcome]
    if code is None:
        return reply or _BY_OUTCOME.get(outcome, _BY_OUTCOME["error"])
    return _by_status(reply, code) or _by_code(code) or _BY_OUTCOME.get(outcome, _BY_OUTCOME["error"])


def status_in_plain_words(status: str) -> str | None:
    """A sentence for an enhanced status code such as ``5.1.1``; None for what is none."""
    found = _ENHANCED.match(status)
    return _sentence(*found.groups()) if found else None


def _by_status(reply: str, code: int) -> str | None:
    found = _ENHANCED.search(reply)
    # A number of another class is no status of this reply.
    return _sentence(*found.groups()) if found and found[1] == str(code // 100) else None


def _sentence(class_: str, subject: str, detail: str) -> str | None:
    if class_ == "4" and subject == "7":
        # Mail servers that do not know us yet let us wait.
        return "The mail server asked us to wait, and to try later."
    return _BY_DETAIL.get(f"{int(subject)}.{int(detail)}") or _BY_SUBJECT.get(str(int(subject)))


def _by_code(code: int) -> str | None:
    return _BY_CODE.get(code) or (_LATER if 400 <= code < 500 else None)
