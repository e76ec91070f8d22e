"""Reads a roster: CSV (RFC 4180, UTF-8), one row a case; a client with two cases has two rows with one client number.

Each row is checked by itself and against the rows before it; what is refused is told by line and field.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ops.problems import Problem
from shared.accounts import field_blocks
from shared.accounts.clients import DynamicFields
from shared.accounts.field_blocks import CURRENT_RESIDENCE, Block
from shared.errors import FieldError, InvalidFields
from shared.http.bodies import validate
from shared.http.fields import CaseNumber, ClientNumber, PastDate, PersonName

REQUIRED = ("client_number", "first_name", "last_name", "date_of_birth")
_CASE = ("case_number", "program", "opened_on", "closed_on")
# The column and the entry of the Current Residence block that it fills.
_RESIDENCE = {
    "street": "Street",
    "city": "City",
    "state": "State",
    "zip": "Zip",
    "phone": "Phone",
    "email": "Email",
    "current_homeless": "CurrentHomeless",
}
KNOWN = (*REQUIRED, *_CASE, *_RESIDENCE, "portal_refused")
_LONGEST_PROGRAM = 100


class _Own(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    client_number: ClientNumber
    first_name: PersonName
    last_name: PersonName
    date_of_birth: PastDate


class _Case(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    case_number: CaseNumber


@dataclass(frozen=True, slots=True)
class RosterCase:
    """A case as a row gives it."""

    case_number: str
    program: str
    opened_on: date | None
    closed_on: date | None


@dataclass(frozen=True, slots=True)
class RosterRow:
    """One good row. ``line`` is the line of the file on which it ends."""

    line: int
    client_number: str
    first_name: str
    last_name: str
    date_of_birth: date
    portal_refused: bool
    dynamic_fields: DynamicFields
    case: RosterCase | None

    def same_client(self, other: RosterRow) -> list[str]:
        """The columns in which two rows of one client number disagree."""
        own = ("first_name", "last_name", "date_of_birth")
        return [name for name in own if getattr(self, name) != getattr(other, name)]


@dataclass(frozen=True, slots=True)
class Refused:
    """One thing for which a row was refused."""

    line: int
    field: str
    message: str


def rows_of(path: Path, blocks: Sequence[Block], *, today: date) -> Iterator[RosterRow | list[Refused]]:
    """Every row, good or refused, in the order of the file. Raises Problem when it is no roster at all."""
    seen: dict[str, RosterRow] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_header(path, reader.fieldnames)
            for values in reader:
                yield _row(reader.line_num, values, blocks, seen, today)
    except UnicodeDecodeError as error:
        raise Problem(f"{path} is not UTF-8 (byte {error.start}): export it as UTF-8 and try again.") from None
    except csv.Error as error:
        raise Problem(f"{path} is no CSV: {error}.") from None
    except OSError as error:
        raise Problem(f"{path} can't be read: {error.strerror}.") from None


def _check_header(path: Path, names: Sequence[str] | None) -> None:
    given = list(names or ())
    missing = [name for name in REQUIRED if name not in given]
    unknown = [name for name in given if name not in KNOWN]
    if missing:
        raise Problem(f"{path} lacks the columns {', '.join(missing)}; its first line must name the columns.")
    if unknown:
        raise Problem(f"{path} has columns that are not known: {', '.join(unknown)}. Known are: {', '.join(KNOWN)}.")
    if len(set(given)) != len(given):
        raise Problem(f"{path} names a column twice.")


def _row(
    line: int, values: Mapping[str | None, str | None], blocks: Sequence[Block], seen: dict[str, RosterRow], today: date
) -> RosterRow | list[Refused]:
    if None in values or None in values.values():
        return [Refused(line, "row", "The row has more or fewer cells than the first line has columns.")]
    cells = {str(name): (value or "").strip() for name, value in values.items()}
    errors: list[FieldError] = []
    row = _parsed(line, cells, blocks, errors)
    if row is not None and row.date_of_birth > today:
        errors.append(FieldError("date_of_birth", "Enter a date that is not in the future."))
    if row is None or errors:
        return [Refused(line, e.field, e.message) for e in errors]
    first = seen.setdefault(row.client_number, row)
    if different := row.same_client(first):
        message = f"Differs from line {first.line}, which has the same client number."
        return [Refused(line, name, message) for name in different]
    return row


def _parsed(line: int, cells: Mapping[str, str], blocks: Sequence[Block], errors: list[FieldError]) -> RosterRow | None:
    own = None
    try:
        own = validate(_Own, {name: cells[name] for name in REQUIRED})
    except InvalidFields as error:
        errors.extend(error.errors)
    fields = _residence(cells, blocks, errors)
    case = _case(cells, errors)
    refused = _yes_no(cells, "portal_refused", errors)
    if own is None:
        return None
    return RosterRow(line, own.client_number, own.first_name, own.last_name, own.date_of_birth, refused, fields, case)


def _residence(cells: Mapping[str, str], blocks: Sequence[Block], errors: list[FieldError]) -> DynamicFields:
    given = {entry: cells[column] for column, entry in _RESIDENCE.items() if cells.get(column)}
    try:
        return field_blocks.checked(blocks, {CURRENT_RESIDENCE: given}) if given else {}
    except InvalidFields as error:
        columns = {f"dynamic_fields.{CURRENT_RESIDENCE}.{entry}": column for column, entry in _RESIDENCE.items()}
        errors.extend(FieldError(columns.get(e.field, e.field), e.message) for e in error.errors)
        return {}


def _case(cells: Mapping[str, str], errors: list[FieldError]) -> RosterCase | None:
    opened, closed = _date(cells, "opened_on", errors), _date(cells, "closed_on", errors)
    if opened and closed and closed < opened:
        errors.append(FieldError("closed_on", "Enter a date that is not before opened_on."))
    program = cells.get("program", "")
    if len(program) > _LONGEST_PROGRAM or not program.isprintable():
        errors.append(FieldError("program", f"Use at most {_LONGEST_PROGRAM} characters that can be seen."))
    if not cells.get("case_number"):
        return None
    try:
        number = validate(_Case, {"case_number": cells["case_number"]}).case_number
    except InvalidFields as error:
        errors.extend(error.errors)
        return None
    return RosterCase(number, program, opened, closed)


def _date(cells: Mapping[str, str], name: str, errors: list[FieldError]) -> date | None:
    text = cells.get(name, "")
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        errors.append(FieldError(name, "Enter a date as YYYY-MM-DD."))
        return None


def _yes_no(cells: Mapping[str, str], name: str, errors: list[FieldError]) -> bool:
    text = cells.get(name, "").casefold()
    if text not in ("", "yes", "no"):
        errors.append(FieldError(name, "Enter Yes or No."))
    return text == "yes"
