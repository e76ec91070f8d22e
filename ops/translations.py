"""Keeps the catalogues of the letters: ``python -m ops.translations`` (``--check`` only compares).

It collects the sentences of the templates into ``letters.pot`` and brings the catalogue of each language up to date.
A further language is a folder: ``mkdir -p shared/letters/locale/fr/LC_MESSAGES`` and run it with ``--add fr``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from shared.accounts.password_mails import ATTACKS_IN_WORDS, SECOND_STEP_REMOVED
from shared.events.factor_catalogue import CHANGES_IN_WORDS
from shared.http.devices import UNKNOWN
from shared.letters.rendering import GREETING, MOMENT

_LETTERS: Final = Path(__file__).parents[1] / "shared" / "letters"
_LOCALE: Final = _LETTERS / "locale"
_TEMPLATE: Final = _LOCALE / "letters.pot"
_LONGEST_LINE: Final = 120
_NO_DATE: Final = datetime(2026, 1, 1, tzinfo=UTC)

DETAILS: Final = (*CHANGES_IN_WORDS.values(), *ATTACKS_IN_WORDS.values(), SECOND_STEP_REMOVED, UNKNOWN)
"""What mails that tell of several things are given as their ``detail``."""

_NOTES: Final = {
    MOMENT: "A date and time, in the letters of CLDR (https://unicode.org/reports/tr35/tr35-dates.html).",
    GREETING: "The first line of every mail, unless an agency words it itself.",
}


def extracted() -> Catalog:
    """Every sentence of the letters, in the order of the templates."""
    catalog = _new()
    for sentence in (MOMENT, GREETING):
        catalog.add(sentence, auto_comments=[_NOTES[sentence]])
    found = extract_from_dir(
        _LETTERS / "templates",
        method_map=[("**", "jinja2.ext:babel_extract")],
        options_map={"**": {"silent": "false", "trim_blocks": "true"}},
        keywords={"_": None},
    )
    for file, _, message, _, _ in sorted(found, key=lambda entry: entry[:2]):
        # The mail alone: that a sentence stands in both of its parts helps nobody who translates.
        catalog.add(str(message), locations=[(Path(file).parent.as_posix() if "/" in file else file, 0)])
    for sentence in DETAILS:
        catalog.add(sentence, auto_comments=["What was changed, or what happened."])
    return catalog


def catalogue_files() -> dict[str, Path]:
    """The catalogue of each language."""
    return {path.parts[-3]: path for path in sorted(_LOCALE.glob("*/LC_MESSAGES/letters.po"))}


def troubles() -> list[str]:
    """What is missing, too much, unsure or wrong in the catalogues, a sentence each."""
    wanted = extracted()
    found = [f"letters.pot: {word}" for word in _compared(wanted, _read(_TEMPLATE))]
    for language, path in catalogue_files().items():
        catalog = _read(path, language)
        found += [f"{language}: {word}" for word in _compared(wanted, catalog)]
        for message in _messages(catalog):
            if not message.string or message.fuzzy:
                found.append(f"{language}: not translated: {message.id}")
            found += [f"{language}: {error}: {message.id}" for error in message.check(catalog)]
            if sorted(_placeholders(message.id)) != sorted(_placeholders(message.string)):
                found.append(f"{language}: other placeholders: {message.id}")
    return found


def update(*, new: str | None = None) -> None:
    """Write them anew; what was translated stays."""
    wanted = extracted()
    _write(_TEMPLATE, wanted)
    files = catalogue_files() | ({new: _LOCALE / new / "LC_MESSAGES" / "letters.po"} if new else {})
    for language, path in files.items():
        catalog = _read(path, language) if path.exists() else _new(language)
        catalog.update(wanted, no_fuzzy_matching=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, catalog)


def _compared(wanted: Catalog, have: Catalog) -> Iterator[str]:
    wanted_ids, have_ids = ({str(message.id) for message in _messages(c)} for c in (wanted, have))
    yield from (f"missing: {sentence}" for sentence in sorted(wanted_ids - have_ids))
    yield from (f"no letter says any more: {sentence}" for sentence in sorted(have_ids - wanted_ids))


def _messages(catalog: Catalog) -> Iterator[Message]:
    return (message for message in catalog if message.id)


def _placeholders(sentence: object) -> list[str]:
    return [part.partition(")s")[0] for part in str(sentence).split("%(")[1:]]


def _new(language: str | None = None) -> Catalog:
    header = "# What letters say, by the sentences of their templates; see ops/translations.py."
    return Catalog(
        locale=language,
        project="Portico",
        version="1",
        header_comment=header,
        msgid_bugs_address="see CONTRIBUTING.md",
        last_translator="Portico",
        language_team="Portico",
        charset="utf-8",
        fuzzy=False,
    )


def _read(path: Path, language: str | None = None) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=language)


def _write(path: Path, catalog: Catalog) -> None:
    # Without a date and line numbers, so that it changes when a sentence does and not otherwise.
    catalog.creation_date = catalog.revision_date = _NO_DATE
    with path.open("wb") as file:
        write_po(file, catalog, width=_LONGEST_LINE, include_lineno=False, ignore_obsolete=True)


def main(arguments: list[str]) -> int:
    """0, or 1 when ``--check`` finds that a catalogue is not complete or not up to date."""
    if "--check" not in arguments:
        update(new=arguments[arguments.index("--add") + 1] if "--add" in arguments else None)
    found = troubles()
    for trouble in found:
        print(trouble)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
