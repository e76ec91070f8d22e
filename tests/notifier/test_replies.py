"""What mail servers say, in plain words."""

from __future__ import annotations

from typing import get_args

import pytest

from services.notifier.delivery import Outcome
from shared.deliveries.replies import in_plain_words, status_in_plain_words

LATER = "The mail server asked us to try later."


@pytest.mark.parametrize(
    ("outcome", "code", "reply", "words"),
    [
        ("refused", 550, "5.1.1 <x@example.com>: no such user", "The mailbox does not exist."),
        ("refused", 550, "mailbox unavailable (#5.1.1)", "The mailbox does not exist."),
        ("refused", 550, "No such user", "The mail server does not take mail for this address."),
        ("refused", 552, "5.2.2 over quota", "The mailbox is full."),
        ("deferred", 452, "4.2.2 over quota", "The mailbox is full."),
        (
            "deferred",
            451,
            "4.7.1 Greylisted, see you in 5 minutes",
            "The mail server asked us to wait, and to try later.",
        ),
        ("deferred", 451, "local error", LATER),
        ("deferred", 471, "something new", LATER),
        ("refused", 550, "5.7.1 no", "The mail server does not let us write to this address."),
        ("refused", 550, "5.7.26 unauthenticated", "The mail server did not believe that the e-mail came from us."),
        (
            "refused",
            554,
            "5.7.99 spam",
            "The mail server refused the e-mail by a rule of its own, as it does with unwanted mail.",
        ),
        ("refused", 599, "what is this", "The mail server refused the e-mail."),
        (
            "refused",
            None,
            "The e-mail address cannot stand in a mail header.",
            "The e-mail address cannot stand in a mail header.",
        ),
        ("unreachable", None, "The mail server took too long.", "The mail server took too long."),
        ("unreachable", None, "", "The mail server could not be reached."),
        ("accepted", 250, "2.1.5 ok", "The mail server took the e-mail."),
        (
            "channel_refused",
            535,
            "5.7.8 no",
            "The mail server takes no mail from us. Whoever runs this system has to look into it.",
        ),
    ],
)
def test_a_reply_comes_to_a_sentence(outcome: str, code: int | None, reply: str, words: str) -> None:
    assert in_plain_words(outcome, code, reply) == words


@pytest.mark.parametrize("reply", ["5.1.1.9 is on a list", "15.1.1 of our rules", "4.1.1 of another class", "5.1 only"])
def test_other_numbers_are_no_status(reply: str) -> None:
    assert in_plain_words("refused", 550, reply) == "The mail server does not take mail for this address."


@pytest.mark.parametrize("outcome", [*get_args(get_args(Outcome)[0]), "interrupted", "error"])
def test_every_outcome_has_words(outcome: str) -> None:
    words = in_plain_words(outcome, None, "")
    assert words.endswith(".")
    assert outcome == "error" or words != in_plain_words("error", None, "")


def test_a_status_alone_has_words_too() -> None:
    assert status_in_plain_words("5.2.1") == "The mailbox is switched off."
    assert status_in_plain_words("5.1.99") == "Something is wrong with the address."
    assert status_in_plain_words("somewhere") is None
