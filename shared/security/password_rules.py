"""What a password of one's own must be: long, and neither common nor about oneself (NIST SP 800-63B-4, 3.1.1.2).

There are no composition rules: they make passwords harder to remember without making them harder to guess.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from zxcvbn import zxcvbn

from shared.errors import DomainError, FieldError
from shared.security.blocklist import Blocklist, shipped

LEAST: Final = 15
LEAST_WITH_SECOND_FACTOR: Final = 8
MOST: Final = 256

_OTHER_RULES: Final = (
    "Every character counts, spaces too. You need no special mix of letters, numbers and symbols.",
    "Leave out your username, names, and the name of your agency.",
    "Do not use a common password, one that you use elsewhere, or the same few characters again and again.",
)


def rules_for(least: int) -> tuple[str, ...]:
    """The rules for somebody whose password must have that many characters."""
    return (
        f"Use {least} to {MOST} characters. Four or more unrelated words in a row are easy to remember.",
        *_OTHER_RULES,
    )


RULES: Final = rules_for(LEAST)
"""The rules as the page shows them before anything is typed."""
RULES_FOR_ANYBODY: Final = (
    RULES[0],
    f"If you also sign in with an app, {LEAST_WITH_SECOND_FACTOR} characters are enough.",
    *_OTHER_RULES,
)
"""The same where it is not known yet whose password it is."""

# "Safely unguessable": 10^8 guesses and more, which holds against an offline attack on a slow hash (Wheeler, zxcvbn:
# Low-Budget Password Strength Estimation, 2016). Online guessing is throttled long before.
_LEAST_SCORE: Final = 3
# The estimate's cost grows much faster than the text (4 s for 100 chosen characters), and a stretch that nobody guesses
# makes a whole that nobody guesses: so the beginning is looked at, and the end if the beginning does not suffice.
_STRETCH: Final = 32
# Shorter names are parts of too many words to be refused wherever they stand.
_WORD: Final = 4
# A unit that repeats from the first character to the last.
_LONGEST_UNIT: Final = 7

# What people put behind a common password to make it longer. Up to four characters are tried first; a longer end adds
# something, unless it is on a list itself, as 123456789 is.
_END = re.compile(r"[\W\d_]+$")
_SHORT_END: Final = 4

_NO_LETTER = re.compile(r"[\W_]+")
# The library keeps the words of the person at hand in a dictionary of the whole process.
_one_at_a_time = threading.Lock()


class PasswordRefused(DomainError):
    """Choose another password."""

    status = 422
    field = "new_password"

    def __init__(self, *reasons: str) -> None:
        super().__init__()
        self.reasons = reasons

    @property
    def errors(self) -> tuple[FieldError, ...]:
        """One entry for each reason."""
        return tuple(FieldError("new_password", reason) for reason in self.reasons)


def length_of(password: str) -> int:
    """Its characters as the rules count them: code points in NFKC."""
    return len(unicodedata.normalize("NFKC", password))


def check(password: str, *, context: Sequence[str], least: int = LEAST, blocklist: Blocklist | None = None) -> None:
    """Raise PasswordRefused with every reason against ``password``.

    ``context`` is what belongs to its owner: username, names, e-mail address, agency; ``least`` is
    LEAST_WITH_SECOND_FACTOR for whoever has one (NIST SP 800-63B-4, 3.1.1.2). ``blocklist`` is asked besides the one
    that comes with Portico. It may take a few hundred milliseconds of computing, so an event loop calls it in a thread.
    """
    text = unicodedata.normalize("NFKC", password)
    lost = tuple(_lost(text, (shipped(), *((blocklist,) if blocklist else ()))))
    reasons = list(dict.fromkeys((*_length(text, least), *_about_oneself(text, context), *lost)))
    if _repeats(text):
        reasons.append("Do not repeat the same few characters.")
    elif not lost and least <= len(text) <= MOST and _is_easily_guessed(text, context):
        reasons.append("This is common or easily guessed. Add words that have nothing to do with each other.")
    if reasons:
        raise PasswordRefused(*reasons)


def _length(text: str, least: int) -> Iterable[str]:
    if len(text) < least:
        yield f"Use at least {least} characters. This one has {len(text)}."
    if len(text) > MOST:
        yield f"Use at most {MOST} characters. This one has {len(text)}."


def _repeats(text: str) -> bool:
    return any(text[unit:] == text[:-unit] for unit in range(1, min(_LONGEST_UNIT, len(text) // 2) + 1))


def _lost(text: str, blocklists: Sequence[Blocklist]) -> Iterable[str]:
    def listed(password: str) -> bool:
        return any(blocklist.holds(password) for blocklist in blocklists)

    if listed(text):
        yield "This password is on lists of passwords that others have used and lost."
        return
    base = _END.sub("", text)
    end = text[len(base) :]
    if base and end and (len(end) <= _SHORT_END or listed(_NO_LETTER.sub("", end))) and listed(base):
        yield "Without what stands at its end, this password is on lists of passwords that others have used and lost."


def _about_oneself(text: str, context: Sequence[str]) -> Iterable[str]:
    plain = _folded(text)
    squeezed = _NO_LETTER.sub("", plain)
    for item in dict.fromkeys(context):
        words = [word for word in _NO_LETTER.split(_folded(item)) if word]
        found = [word for word in words if len(word) >= _WORD and word in plain]
        joined = "".join(words)
        if found or (len(words) > 1 and len(joined) >= _WORD and joined in squeezed):
            yield f"Leave out “{item if not found else found[0]}”: your name, username and agency are tried first."


def _folded(text: str) -> str:
    """Without case and accents."""
    letters = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _is_easily_guessed(text: str, context: Sequence[str]) -> bool:
    words = [word for item in context for word in (item, *_NO_LETTER.split(item)) if word]
    stretches = dict.fromkeys((text[:_STRETCH], text[-_STRETCH:]))
    with _one_at_a_time:
        return all(zxcvbn(stretch, user_inputs=words)["score"] < _LEAST_SCORE for stretch in stretches)
