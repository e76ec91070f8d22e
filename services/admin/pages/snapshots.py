"""What a form showed when editing began: told apart from what was typed, and from what others stored meanwhile.

Values are those of the page's fields by name, a box ``on`` or empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import Unparsable

TICKED: Final = "on"


class Snapshot(BaseModel):
    """A record at one version, as the page's fields show it; it travels with the form in a hidden field."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: UUID
    version: int
    values: Mapping[str, str]

    @classmethod
    def read(cls, text: str) -> Snapshot:
        """One that comes back with a form. Raises Unparsable."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            raise Unparsable("The form could not be read. Open the page again.") from None

    def touched(self, typed: Mapping[str, str]) -> frozenset[str]:
        """The names of the fields that do not hold any more what they held at first."""
        return frozenset(name for name, was in self.values.items() if typed.get(name, was).strip() != was)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a page, by its label."""

    name: str
    label: str
    box: bool = False
    # What stored values are called; of a list.
    names: Mapping[str, str] | None = None

    def shown(self, value: str) -> str:
        """A value as people read it."""
        if self.names is not None:
            return self.names.get(value, value or "The agency's own")
        if self.box:
            return "Yes" if value else "No"
        return value or "(empty)"


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that somebody else changed meanwhile; ``yours`` is None when the person at the page left it alone."""

    label: str
    was: str
    now: str
    yours: str | None


def differences(
    fields: Iterable[Field], base: Snapshot, current: Snapshot, typed: Mapping[str, str]
) -> Sequence[Difference]:
    """What somebody else changed since ``base``, in the order of the fields."""
    touched = base.touched(typed)
    found = []
    for field in fields:
        was, now = base.values.get(field.name, ""), current.values.get(field.name, "")
        if was != now:
            yours = field.shown(typed.get(field.name, "").strip()) if field.name in touched else None
            found.append(Difference(field.label, field.shown(was), field.shown(now), yours))
    return found


def merged(base: Snapshot, current: Snapshot, typed: Mapping[str, str]) -> dict[str, str]:
    """What the fields hold from now on: what was typed where it was typed, and what is stored everywhere else."""
    touched = base.touched(typed)
    return {name: typed[name] if name in touched else value for name, value in current.values.items()}
