"""The events of what agencies word themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.events.registry import Change, Payload, SecurityWording, event

_SHORT: Final = 60


@event(
    "agency.email_wording_changed",
    security=SecurityWording(
        "E-mail Wording Changed", "{actor} changed the wording of the e-mail {letter}, in {language}: {in_words}."
    ),
)
class EmailWordingChanged(Payload):
    """An agency's admin changed what an e-mail to the agency's clients says. No text is the product's own words.

    ``mail`` is its folder of templates, ``letter`` what it is called, ``language`` a language's name in English.
    """

    mail: str
    letter: str
    language: str
    changes: tuple[Change, ...]

    @property
    def in_words(self) -> str:
        """Each text with how the old and the new one begin."""
        return ", ".join(str(Change(field=c.field, old=_short(c.old), new=_short(c.new))) for c in self.changes)

    @property
    def changed_fields(self) -> Sequence[Change]:
        """The texts, whole."""
        return self.changes


def _short(text: str | None) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= _SHORT else f"{line[: _SHORT - 1]}…"
