"""The face sheet's part of the edit page: its fields, what they hold, and the change that they ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.admin.pages.snapshots import TICKED, Field, Snapshot
from services.admin.use_cases.face_sheets import FaceSheet, FaceSheetChange
from shared.accounts.clients import DynamicFields
from shared.accounts.field_blocks import CURRENT_RESIDENCE, RESIDENCE_EMAIL, Block
from shared.errors import FieldError, InvalidFields
from shared.http.bodies import validate
from shared.http.fields import Body, PastDate, PersonName
from shared.http.forms import Form

FIRST_NAME, LAST_NAME, DATE_OF_BIRTH, REFUSED = "first_name", "last_name", "date_of_birth", "portal_refused"
DEACTIVATE = "deactivate_portal_logins"
_ANSWERS = {"yes": True, "no": False}


class Details(Body):
    """A client's own fields."""

    first_name: PersonName
    last_name: PersonName
    date_of_birth: PastDate


def entry_name(block: str, entry: str) -> str:
    """The name of a dynamic field's input."""
    return f"dynamic_fields.{block}.{entry}"


RESIDENCE_EMAIL_FIELD = entry_name(CURRENT_RESIDENCE, RESIDENCE_EMAIL)


def blocks_of(sheet: FaceSheet) -> Sequence[Block]:
    """The blocks that are in use."""
    return [block for block in sheet.blocks if not block.retired]


def fields_of(sheet: FaceSheet) -> list[Field]:
    """Every field of the page in its order."""
    fields = [
        Field(FIRST_NAME, "First Name"),
        Field(LAST_NAME, "Last Name"),
        Field(DATE_OF_BIRTH, "Date of Birth"),
        *(Field(name, f"{block.label} - {label}") for block, name, label, _ in _entries(sheet)),
    ]
    if sheet.agency.contracted:
        fields.append(Field(REFUSED, "Client Refused Portal Login", box=True))
    return fields


def snapshot_of(sheet: FaceSheet) -> Snapshot:
    """What the fields hold when nothing was typed yet."""
    client = sheet.client
    values = {
        FIRST_NAME: client.first_name,
        LAST_NAME: client.last_name,
        DATE_OF_BIRTH: client.date_of_birth.isoformat(),
    }
    values |= {name: client.dynamic_fields.get(block.key, {}).get(key, "") for block, name, _, key in _entries(sheet)}
    if sheet.agency.contracted:
        values[REFUSED] = TICKED if client.portal_refused else ""
    return Snapshot(id=client.id, version=client.version, values=values)


def _entries(sheet: FaceSheet) -> Iterator[tuple[Block, str, str, str]]:
    """Block, input's name, label and key of each entry that is in use."""
    for block in blocks_of(sheet):
        for entry in block.entries:
            if not entry.retired:
                yield block, entry_name(block.key, entry.key), entry.label, entry.key


def typed_into(sheet: FaceSheet, base: Snapshot, form: Form[Any]) -> dict[str, str]:
    """What the page's fields hold as they were sent; a field that was not on that page holds what it held."""
    typed = {field.name: form.values.get(field.name, base.values.get(field.name, "")) for field in fields_of(sheet)}
    if REFUSED in typed:
        typed[REFUSED] = TICKED if form.checked(REFUSED) else ""
    return typed


def change_of(
    sheet: FaceSheet, base: Snapshot, typed: Mapping[str, str], unreadable: Mapping[str, str], answer: str
) -> FaceSheetChange:
    """The change that the touched fields ask for. Raises InvalidFields.

    ``unreadable`` names fields with characters that cannot be stored; ``answer`` is yes, no or nothing to whether a
    refusal makes the client's logins inactive.
    """
    touched = base.touched(typed)
    errors = [FieldError(name, message) for name, message in unreadable.items() if name in typed]
    details: Details | None = None
    try:
        details = validate(Details, {name: typed[name] for name in Details.model_fields if typed[name].strip()})
    except InvalidFields as error:
        errors.extend(error.errors)
    if errors or details is None:
        raise InvalidFields(*errors)
    return FaceSheetChange(
        first_name=details.first_name if FIRST_NAME in touched else None,
        last_name=details.last_name if LAST_NAME in touched else None,
        date_of_birth=details.date_of_birth if DATE_OF_BIRTH in touched else None,
        portal_refused=bool(typed[REFUSED]) if REFUSED in touched else None,
        dynamic_fields=_touched_entries(sheet, typed, touched),
        deactivate_portal_logins=_ANSWERS.get(answer),
    )


def _touched_entries(sheet: FaceSheet, typed: Mapping[str, str], touched: frozenset[str]) -> DynamicFields:
    given: DynamicFields = {}
    for block, name, _, key in _entries(sheet):
        if name in touched:
            given.setdefault(block.key, {})[key] = typed[name]
    return given
