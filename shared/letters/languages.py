"""The languages of letters: English stands in the templates, each other one in the catalogue of its folder."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final

from babel import Locale, UnknownLocaleError
from babel.messages.pofile import read_po

SOURCE: Final = "en"
"""The language of the templates themselves."""
_HOME: Final = Locale("en", "US")
_CATALOGUE: Final = "LC_MESSAGES/letters.po"


def _folders() -> Traversable:
    return files(__package__) / "locale"


def _found() -> Mapping[str, str]:
    others = [folder.name for folder in _folders().iterdir() if (folder / _CATALOGUE).is_file()]
    names = {code: Locale.parse(code).get_display_name("en") or code for code in (SOURCE, *sorted(others))}
    return MappingProxyType(names)


LANGUAGES: Final[Mapping[str, str]] = _found()
"""Every language that letters can be written in, by its code, as it is called in English; English is the first."""


def language_of(locale: str) -> str:
    """The language of an agency's locale (``es-US``), or English when there are no letters in it."""
    language = _parsed(locale).language
    return language if language in LANGUAGES else SOURCE


def chosen(language: str | None, agency_locale: str) -> str:
    """The language of a letter: what was chosen, unless there are no letters in it (any more), else the agency's."""
    return language if language is not None and language in LANGUAGES else language_of(agency_locale)


def locale_for(language: str, agency_locale: str) -> Locale:
    """How dates are written in a letter: as the agency does in its own language, else as people in the US do."""
    agency = _parsed(agency_locale)
    return agency if agency.language == language else Locale(language, _HOME.territory)


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """English sentences with what they are in ``language``; those that were not translated are left out."""
    if language == SOURCE:
        return MappingProxyType({})
    with (_folders() / language / _CATALOGUE).open("rb") as file:
        found = read_po(file, locale=language)
    return MappingProxyType({str(m.id): str(m.string) for m in found if m.id and m.string and not m.fuzzy})


@lru_cache(maxsize=64)
def _parsed(locale: str) -> Locale:
    try:
        return Locale.parse(locale, sep="-")
    except (ValueError, UnknownLocaleError):
        return _HOME
