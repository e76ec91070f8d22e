"""Dynamic field blocks: what an agency keeps on its face sheets besides a client's own fields.

A block has entries with a type and, for ``choice``, the choices. Values are text; a date is ISO 8601; empty means that
nothing is known. ``Current Residence`` ships with every agency and gives the e-mail address of a new portal login.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal
from uuid import UUID

from email_validator import EmailNotValidError, validate_email

from shared.accounts.clients import DynamicFields
from shared.db import Connection, named_queries
from shared.errors import FieldError, InvalidFields
from shared.events import Change
from shared.events.catalogue import BlockChanges

SQL = named_queries(__package__, "sql/field_blocks.sql")

EntryKind = Literal["text", "phone", "email", "date", "choice"]
LONGEST_VALUE = 200
CURRENT_RESIDENCE = "current_residence"
RESIDENCE_EMAIL = "Email"

_PHONE = re.compile(r"^[0-9+()./ x#*-]{3,40}$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a block. ``key`` names it in the API and in the change log."""

    key: str
    label: str
    kind: EntryKind
    choices: tuple[str, ...] = ()
    retired: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """A block with its entries in the order of the page."""

    key: str
    label: str
    entries: tuple[Entry, ...]
    retired: bool = False

    def entry(self, key: str) -> Entry | None:
        """The entry of this key that is in use."""
        return next((e for e in self.entries if e.key == key and not e.retired), None)


DEFAULT_BLOCKS: tuple[Block, ...] = (
    Block(
        CURRENT_RESIDENCE,
        "Current Residence",
        (
            Entry("Street", "Street", "text"),
            Entry("City", "City", "text"),
            Entry("State", "State", "text"),
            Entry("Zip", "Zip", "text"),
            Entry("Phone", "Phone", "phone"),
            Entry(RESIDENCE_EMAIL, "Email", "email"),
            Entry("CurrentHomeless", "CurrentHomeless", "choice", ("Yes", "No")),
        ),
    ),
)


async def of_agency(conn: Connection) -> list[Block]:
    """The blocks of the transaction's agency."""
    entries: dict[UUID, list[Entry]] = {}
    for r in await conn.fetch(SQL["entries"]):
        entry = Entry(r["key"], r["label"], r["kind"], tuple(r["choices"]), r["retired"])
        entries.setdefault(r["block_id"], []).append(entry)
    return [
        Block(r["key"], r["label"], tuple(entries.get(r["id"], ())), r["retired"])
        for r in await conn.fetch(SQL["blocks"])
    ]


async def insert(conn: Connection, agency_id: UUID, block_id: UUID, block: Block, position: int) -> None:
    """Add a block with its entries."""
    await conn.execute(SQL["insert_block"], block_id, agency_id, block.key, block.label, position)
    for n, e in enumerate(block.entries):
        await conn.execute(SQL["insert_entry"], block_id, agency_id, e.key, e.label, e.kind, list(e.choices), n)


def checked(blocks: Sequence[Block], given: Mapping[str, Mapping[str, str]]) -> DynamicFields:
    """What was given, cleaned. Raises InvalidFields with ``dynamic_fields.<block>.<entry>`` for each that is wrong."""
    by_key = {b.key: b for b in blocks if not b.retired}
    errors: list[FieldError] = []
    clean: DynamicFields = {}
    for block_key, values in given.items():
        block = by_key.get(block_key)
        if block is None:
            errors.append(FieldError(f"dynamic_fields.{block_key}", "This agency has no such block."))
            continue
        for key, typed in values.items():
            field, entry = f"dynamic_fields.{block_key}.{key}", block.entry(key)
            if entry is None:
                errors.append(FieldError(field, f"{block.label} has no such entry."))
                continue
            try:
                clean.setdefault(block_key, {})[key] = _checked_value(entry, typed)
            except ValueError as error:
                errors.append(FieldError(field, str(error)))
    if errors:
        raise InvalidFields(*errors)
    return clean


def _checked_value(entry: Entry, typed: str) -> str:
    value = typed.strip()
    if len(value) > LONGEST_VALUE:
        raise ValueError(f"Use at most {LONGEST_VALUE} characters.")
    if _CONTROL.search(value):
        raise ValueError("Use letters, digits and punctuation only, on one line.")
    if not value:
        return ""
    if entry.kind == "email":
        return _checked_email(value)
    if entry.kind == "phone" and not _PHONE.match(value):
        raise ValueError("Enter a phone number, for example (407) 555-0193.")
    if entry.kind == "choice" and value not in entry.choices:
        raise ValueError(f"Choose one of: {', '.join(entry.choices)}.")
    if entry.kind == "date":
        return _checked_date(value)
    return value


def _checked_email(value: str) -> str:
    # It may become the address of a portal login, so it has to be one that every mail system takes. An encoded word
    # (=?...?=) could be decoded into a header of its own.
    try:
        found = validate_email(
            value, check_deliverability=False, test_environment=True, strict=True, allow_smtputf8=False
        )
    except EmailNotValidError:
        found = None
    if found is None or found.ascii_email is None or "=?" in value or "." not in (found.ascii_domain or ""):
        raise ValueError("Enter an e-mail address such as name@example.com.")
    return found.ascii_email


def _checked_date(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise ValueError("Enter a date such as 2026-03-07.") from None


def differences(blocks: Sequence[Block], before: DynamicFields, given: DynamicFields) -> tuple[BlockChanges, ...]:
    """What ``given`` changes, block by block in the order of the page."""
    found = []
    for block in blocks:
        changes = tuple(
            Change(field=e.key, old=before.get(block.key, {}).get(e.key, ""), new=given[block.key][e.key])
            for e in block.entries
            if e.key in given.get(block.key, {}) and given[block.key][e.key] != before.get(block.key, {}).get(e.key, "")
        )
        if changes:
            found.append(BlockChanges(block=block.key, label=block.label, entries=changes))
    return tuple(found)


def merged(before: DynamicFields, given: DynamicFields) -> DynamicFields:
    """``before`` with what was given in it; entries that were not named stay as they are, empty ones go."""
    result = {key: dict(values) for key, values in before.items()}
    for key, values in given.items():
        result[key] = {k: v for k, v in (result.get(key, {}) | values).items() if v}
    return {key: values for key, values in result.items() if values}
