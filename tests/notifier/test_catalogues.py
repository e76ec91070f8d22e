"""Catalogues say everything that letters say, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from ops import translations
from shared.deliveries.store import MailName
from shared.letters.samples import TEST_MAIL, WORDED

TEMPLATES = Path(translations.__file__).parents[1] / "shared" / "letters" / "templates"
FOLDERS = {path.parent.name for path in TEMPLATES.glob("*/subject.txt")}


def test_every_sentence_is_translated_and_none_is_stale() -> None:
    """Run ``make translations`` after a change of the templates, and translate what is new."""
    assert translations.troubles() == []


def test_a_missing_a_stale_and_a_wrong_translation_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = translations.extracted()
    wanted.add("A sentence that nobody has translated")
    wanted.delete("Keep it to yourself")
    monkeypatch.setattr(translations, "extracted", lambda: wanted)
    found = translations.troubles()
    assert "es: missing: A sentence that nobody has translated" in found
    assert "es: no letter says any more: Keep it to yourself" in found


def test_a_further_language_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translations, "_LOCALE", tmp_path)
    monkeypatch.setattr(translations, "_TEMPLATE", tmp_path / "letters.pot")
    translations.update(new="fr")
    assert list(translations.catalogue_files()) == ["fr"]
    found = translations.troubles()
    assert "fr: not translated: Keep it to yourself" in found
    before = (tmp_path / "letters.pot").read_bytes()
    translations.update()
    assert (tmp_path / "letters.pot").read_bytes() == before


def test_every_mail_has_templates_and_every_one_to_clients_can_be_worded() -> None:
    assert set(get_args(MailName)) - {TEST_MAIL} == FOLDERS
    to_staff = {name for name in FOLDERS if name.startswith("staff_") or name == "email_test"}
    assert set(WORDED) == FOLDERS - to_staff


def test_nothing_but_written_sentences_goes_through_the_catalogue() -> None:
    """What is given to ``_`` is taken for markup of ours."""
    for path in TEMPLATES.rglob("*.*"):
        assert not re.search(r"\b_\((?![\"'])", path.read_text("utf-8")), path


def test_every_sentence_in_a_template_goes_through_the_catalogue() -> None:
    for folder in sorted(FOLDERS):
        for line in (TEMPLATES / folder / "body.txt").read_text("utf-8").splitlines():
            bare = "" if line.startswith("{#") else line
            while "{{" in bare or "{%" in bare:
                head, _, rest = bare.partition("{{" if "{{" in bare else "{%")
                bare = head + rest.partition("}}" if "}}" in rest else "%}")[2]
            for path in ("/confirm-email", "/not-me", "/reset", "/invitation"):
                bare = bare.replace(path, "")
            assert not any(c.isalpha() for c in bare), (folder, line)
