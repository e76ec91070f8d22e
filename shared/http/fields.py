"""The kinds of value that people and programs send us, shared by the API's bodies and the pages' forms."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, TypeAlias

from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SecretStr,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

CUSTOM_ERROR = "sentence"
"""The error type of every check here: its message is already a sentence for people."""

EARLIEST_DATE = date(1850, 1, 1)

_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Marks that turn the direction of text: they can make one name look like another.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_USERNAME = r"^[A-Za-z0-9._@-]{3,64}$"
_EMAIL_HINT = "Enter an e-mail address such as name@example.org."


def sentence(message: str, *, field: str | None = None) -> PydanticCustomError:
    """An error for a validator to raise; ``field`` names the field at fault where the model as a whole is checked."""
    # The message goes in as a value: pydantic would take braces in a template for placeholders.
    return PydanticCustomError(CUSTOM_ERROR, "{message}", {"message": message, "field": field})


def has_control_characters(text: str, *, allowed: str = "") -> bool:
    """Whether ``text`` holds control characters or lone surrogates: PostgreSQL, headers and UTF-8 refuse them."""
    # isprintable() runs in C and settles almost every text; it is also false for harmless characters.
    return not text.isprintable() and any(
        unicodedata.category(character) in ("Cc", "Cs") and character not in allowed for character in text
    )


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text: ``Annotated[str, Line(100)]``.

    Comes out in NFC and stripped. Control and direction characters are refused, and so is the start of an encoded
    word (``=?``), which mail software may decode into a header of its own (CVE-2024-6923, CVE-2026-1299).
    """

    most: int
    least: int = 1

    def check(self, value: str) -> str:
        """``value`` as it is kept; raises a sentence otherwise."""
        if has_control_characters(value) or any(c in _BIDI or c in "\u2028\u2029" for c in value):
            raise sentence("Remove the characters that cannot be seen.")
        text = unicodedata.normalize("NFC", value).strip()
        if "=?" in text:
            raise sentence("Do not use =? here.")
        if len(text) < self.least:
            raise sentence("Enter a value." if self.least == 1 else f"Use at least {self.least} characters.")
        if len(text) > self.most:
            raise sentence(f"Use at most {self.most} characters.")
        return text

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check after pydantic made sure that there is a string."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Document the lengths."""
        return {**handler(schema), "minLength": self.least, "maxLength": self.most}


def _email(value: str) -> str:
    text = value.strip()
    if not text:
        raise sentence("Enter a value.")
    if len(text) > 254:
        raise sentence("Use at most 254 characters.")
    if has_control_characters(text) or "=?" in text or '"' in text:
        raise sentence(_EMAIL_HINT)
    try:
        found = validate_email(
            text,
            check_deliverability=False,
            # Lets .test pass: demonstrations and trials live on reserved domains.
            test_environment=True,
            strict=True,
            allow_quoted_local=False,
            allow_domain_literal=False,
            allow_display_name=False,
            allow_smtputf8=False,
        )
    except EmailNotValidError:
        raise sentence(_EMAIL_HINT) from None
    address = found.ascii_email
    if address is None or "." not in (found.ascii_domain or "") or len(address) > 254:
        raise sentence(_EMAIL_HINT)
    return address


def _username(value: str) -> str:
    text = value.strip()
    if not re.fullmatch(_USERNAME, text):
        raise sentence("Use 3 to 64 letters, digits or any of . _ - @")
    return text


def _iso_date(value: object) -> object:
    # Left to itself pydantic takes a number in a form for seconds since 1970.
    if isinstance(value, str):
        try:
            if _ISO_DATE.fullmatch(value.strip()):
                return date.fromisoformat(value.strip())
        except ValueError:
            pass
        raise sentence("Enter a date as YYYY-MM-DD.")
    return value


def _not_too_early(value: date) -> date:
    if value < EARLIEST_DATE:
        raise sentence(f"Enter a date from {EARLIEST_DATE} on.")
    return value


def _printable(value: str) -> str:
    if not value.isprintable() or not value.isascii():
        raise sentence("This value is not valid.")
    return value


def _to_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


PersonName: TypeAlias = Annotated[str, Line(100)]
ClientNumber: TypeAlias = Annotated[str, Line(32)]
CaseNumber: TypeAlias = Annotated[str, Line(32)]
Username: TypeAlias = Annotated[
    str,
    AfterValidator(_username),
    WithJsonSchema({"type": "string", "minLength": 3, "maxLength": 64, "pattern": _USERNAME}),
]
Email: TypeAlias = Annotated[
    str, AfterValidator(_email), WithJsonSchema({"type": "string", "format": "email", "maxLength": 254})
]
"""An address with an ASCII local part; an international domain comes out in its ASCII form, as SMTP wants it."""
IsoDate: TypeAlias = Annotated[date, BeforeValidator(_iso_date, json_schema_input_type=date)]
PastDate: TypeAlias = Annotated[IsoDate, AfterValidator(_not_too_early)]
"""A date that has been; whether it lies after today is for the use case to say, which knows the time."""
Password: TypeAlias = Annotated[SecretStr, Field(min_length=1, max_length=1024)]
"""A password as typed; the rules for a new one are the use case's."""
Limit: TypeAlias = Annotated[int, Field(ge=1, le=200, description="How many items a page holds at most.")]
"""For ``limit: Limit = 25``."""
Cursor: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=512),
    AfterValidator(_printable),
    Field(description="Where to go on."),
]
"""What ``next_cursor`` of the page before said."""
Timestamp: TypeAlias = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""An aware time, in UTC inside and with ``Z`` outside."""


class Body(BaseModel):
    """What a caller sends as JSON: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    def changes(self) -> dict[str, Any]:
        """The fields that the caller named, for updates that leave the others as they are."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}


class Query(BaseModel):
    """What a caller puts after the ``?``: nothing unknown, numbers and dates read from their text."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Answer(BaseModel):
    """What we send: built from our own values, by alias, times in UTC with ``Z``."""

    model_config = ConfigDict(
        frozen=True,
        from_attributes=True,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        ser_json_temporal="iso8601",
    )
