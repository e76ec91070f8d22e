"""The sample agencies and their staff. Demonstrations only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.actors import Role

ROSTERS = Path(__file__).parent / "rosters"


@dataclass(frozen=True, slots=True)
class SampleStaff:
    """A staff user of a sample agency."""

    username: str
    display_name: str
    role: Role


@dataclass(frozen=True, slots=True)
class SampleAgency:
    """A sample agency; its roster is ``rosters/<slug>.csv``."""

    slug: str
    name: str
    contracted: bool
    time_zone: str
    staff: tuple[SampleStaff, ...]


def email_of(agency: SampleAgency, person: SampleStaff) -> str:
    """Where a sample staff user gets e-mails: a domain that is reserved for examples (RFC 2606)."""
    return f"{person.username}@{agency.slug}.example.org"


AGENCIES = (
    SampleAgency(
        "riverside",
        "Riverside Family Services",
        True,
        "America/New_York",
        (
            SampleStaff("nextstep", "NextStep Solutions", "staff"),
            SampleStaff("supervisor", "Sam Rivera", "supervisor"),
            SampleStaff("agencyadmin", "Alex Morgan", "agency_admin"),
        ),
    ),
    SampleAgency(
        "lakeside",
        "Lakeside Community Care",
        True,
        "America/Los_Angeles",
        (
            SampleStaff("lakestaff", "Lee Walker", "staff"),
            SampleStaff("supervisor", "Lakeside Supervisor", "supervisor"),
        ),
    ),
    SampleAgency(
        "hillcrest",
        "Hillcrest Homes",
        False,
        "America/Chicago",
        (
            SampleStaff("hillstaff", "Holly Reyes", "staff"),
            SampleStaff("supervisor", "Hillcrest Supervisor", "supervisor"),
        ),
    ),
)
