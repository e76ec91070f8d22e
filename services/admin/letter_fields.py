"""Languages and an agency's own wording as the API and the pages take them."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, WithJsonSchema

from shared.http.fields import sentence
from shared.letters.languages import LANGUAGES
from shared.letters.samples import WORDED
from shared.letters.wording import LONGEST_SUBJECT, LONGEST_TEXT, PLACEHOLDERS


def _language(value: str) -> str:
    if value not in LANGUAGES:
        raise sentence(f"Choose one of these: {', '.join(LANGUAGES)}.")
    return value


Language: TypeAlias = Annotated[
    str, AfterValidator(_language), WithJsonSchema({"type": "string", "enum": list(LANGUAGES)})
]
"""One of the languages that letters can be written in, by its code."""


def _worded_mail(value: str) -> str:
    if value not in WORDED:
        raise sentence(f"Choose one of these: {', '.join(WORDED)}.")
    return value


WordedMail: TypeAlias = Annotated[
    str, AfterValidator(_worded_mail), WithJsonSchema({"type": "string", "enum": list(WORDED)})
]
"""A letter that agencies may word in part."""
SubjectText: TypeAlias = Annotated[
    str, Field(max_length=LONGEST_SUBJECT, description="One plain line, without placeholders.")
]
OwnText: TypeAlias = Annotated[
    str,
    Field(
        max_length=LONGEST_TEXT,
        description=f"Text with placeholders: {', '.join(PLACEHOLDERS)} (no username in new_email).",
    ),
]
