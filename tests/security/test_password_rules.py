"""The rules for a password of one's own."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.security.password_rules import RULES, PasswordRefused, check

CONTEXT = ("c.malek", "catherine@example.org", "Catherine", "Málek", "Riverside Family Services", "Jo")


def reasons(password: str) -> tuple[str, ...]:
    try:
        check(password, context=CONTEXT)
    except PasswordRefused as error:
        return tuple(found.message for found in error.errors if found.field == "new_password")
    return ()


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "walking home along the canal",
        "x7#qLm2!vTz9&kRw",
        "паровоз едет по мосту домой",
        "jo likes plums and pears",
        "🚲 wheels and 🍐 trees daily",
        "a long one " + "with many different words in it, more and more of them " * 4,
    ],
)
def test_long_and_uncommon_ones_are_taken(password: str) -> None:
    assert reasons(password) == ()


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("plum pear fig", "at least 15 characters. This one has 13."),
        ("n" * 100 + "plum pear fig lamp oven cart" * 6, "at most 256"),
        ("123456789012345", "lists of passwords"),
        ("qwertyuiopasdfghjkl", "lists of passwords"),
        ("Password123456789", "lists of passwords"),
        ("sunshinedaisies", "easily guessed"),
        ("iloveyou iloveyou iloveyou", "easily guessed"),
        ("aaaaaaaaaaaaaaaaaaaa", "same few characters"),
        ("abcabcabcabcabcabcab", "same few characters"),
        ("MALEK likes purple lamps", "malek"),
        ("purple málek and her lamps", "malek"),
        ("riverside lamps and pears", "riverside"),
        ("cathérine buys blue pears", "catherine"),
        ("C-Malek buys blue pears", "malek"),
    ],
)
def test_each_rule_gives_its_reason(password: str, words: str) -> None:
    assert any(words in reason for reason in reasons(password)), reasons(password)


def test_every_reason_is_told_at_once() -> None:
    assert len(reasons("malek1234")) == 2


def test_characters_are_counted_after_normalisation() -> None:
    assert any("at least 15" in reason for reason in reasons("e\u0301" * 14))
    # One code point that NFKC makes three of.
    assert not any("at least" in reason for reason in reasons("ﬃ" * 5 + "plum"))


def test_no_mix_of_characters_is_asked_for() -> None:
    assert reasons("plumpearlampovencart") == ()
    assert not any("digit" in rule or "uppercase" in rule for rule in RULES)


def test_a_strong_end_saves_a_weak_beginning() -> None:
    assert reasons("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa plum lamp sofa kettle wagon") == ()


def test_the_longest_password_costs_less_than_a_few_seconds() -> None:
    # Each of these characters may stand for several letters: the estimate tries them all.
    crafted = ("@4a(<{c369g1!|l0o$5s7+tz2%x" * 12)[:256]
    started = time.perf_counter()
    reasons(crafted)
    assert time.perf_counter() - started < 3


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80), st.lists(st.text(max_size=20), max_size=4))
def test_nothing_that_can_be_typed_breaks_it(password: str, context: list[str]) -> None:
    with suppress(PasswordRefused):
        check(password, context=context)
