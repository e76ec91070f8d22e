"""What a client is found by, and what a query asks for: the same folding on both sides.

Accents, case and apostrophes do not count: ``nguyen`` finds Nguyễn, ``obrien`` finds O'Brien.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import date

# A query is cut to this many words; more only narrow what is already narrow.
MOST_WORDS = 6

_APOSTROPHES = re.compile(r"['’ʼ`]")
_DATE_TYPED = re.compile(r"^(\d{1,2})/(\d{1,2})/(\d{4})$")
# Letters that Unicode does not decompose into a base letter and a mark.
_UNDECOMPOSED = str.maketrans({"đ": "d", "ł": "l", "ø": "o", "ı": "i"})


def folded(text: str) -> str:
    """Lower case without accents and apostrophes."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return _APOSTROPHES.sub("", bare.translate(_UNDECOMPOSED))


def terms_of_client(
    *, first_name: str, last_name: str, date_of_birth: date, client_number: str, case_numbers: Iterable[str]
) -> set[str]:
    """Every term under which the client is found; a prefix of a term finds it too."""
    terms: set[str] = set()
    for name in (first_name, last_name):
        words = folded(name).split()
        for word in words:
            terms.update({word, *word.split("-")})
    terms.add(date_of_birth.isoformat())
    terms.add(date_of_birth.strftime("%m/%d/%Y"))
    terms.update(folded(number) for number in (client_number, *case_numbers))
    return {term for term in terms if term}


def words_of_query(query: str) -> list[str]:
    """The prefixes that a client must all have. A date may be written 3/7/1966 or 03/07/1966 or 1966-03-07."""
    words = [_as_stored_date(word) for word in folded(query).replace(",", " ").split()]
    return list(dict.fromkeys(words))[:MOST_WORDS]


def _as_stored_date(word: str) -> str:
    match = _DATE_TYPED.match(word)
    return f"{int(match[1]):02}/{int(match[2]):02}/{match[3]}" if match else word
