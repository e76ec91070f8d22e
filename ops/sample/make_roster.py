"""Makes the sample rosters: ``python -m ops.sample.make_roster``. The same people come out each time.

Everybody is made up. E-mail domains (RFC 2606) and phone numbers (555-01xx) are reserved for examples.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from datetime import date, timedelta

from ops.importing.roster import KNOWN
from ops.sample.data import ROSTERS

_SEED = 20260302
_TODAY = date(2026, 9, 30)

_ENGLISH = (
    "Alice Amelia Andrew Arthur Beatrice Brandon Caleb Charlotte Clara Daniel Deborah Edward Eleanor Emily Ethan Faith"
    " Florence George Grace Hannah Harold Henry Isaac Jacob Joan Katherine Laura Leonard Lucy Margaret Martha Nathan"
    " Nora Oliver Patrick Pearl Ralph Rebecca Ruth Samuel Sarah Simon Stella Theodore Thomas Victor Violet Walter Wendy"
).split()
_SPANISH = (
    "Adriana Alejandro Ana Andrés Beatriz Camila Carlos Carmen Diego Elena Esteban Fernanda Gabriela Héctor Inés Isabel"
    " Javier José Juan Lucía Luis Manuel María Mateo Mónica Óscar Paula Raúl Rocío Rosa Santiago Sofía Tomás Verónica"
).split()
_VIETNAMESE = (
    "Anh Bảo Châu Dũng Đức Giang Hà Hải Hiếu Hồng Hương Khánh Kim Lan Linh Long Mai Minh Nga Ngọc Phúc".split()
)
_ENGLISH_LAST = (
    "Adams Baker Barnes Bennett Brooks Carter Clark Collins Cooper Davies Dixon Ellis Fisher Fletcher Foster Gardner"
    " Graham Harper Hayes Hughes Hunter Jackson Jenkins Kelly Lambert Lawson Marsh Mason Morgan Murphy Newton O'Brien"
    " O'Connor Palmer Parker Pearson Porter Price Quinn Reed Rhodes Russell Shaw Spencer Stone Turner Walsh Ward Wells"
).split()
_SPANISH_LAST = (
    "Aguilar Álvarez Castillo Castro Delgado Díaz Espinoza Fernández Flores Fuentes García Gómez González Guerrero"
    " Gutiérrez Hernández Herrera Jiménez López Márquez Martínez Mendoza Molina Morales Núñez Ortiz Peña Pérez Ramírez"
).split()
_VIETNAMESE_LAST = "Bùi Đặng Đinh Đỗ Dương Hồ Hoàng Huỳnh Lê Lý Ngô Nguyễn Phạm Phan Tạ Trần Trịnh Trương Võ Vũ".split()
_PEOPLE = ((_ENGLISH, _ENGLISH_LAST), (_SPANISH, _SPANISH_LAST), (_VIETNAMESE, _VIETNAMESE_LAST))
_STREETS = (
    "Alder Birch Cedar Chestnut Elm Hawthorn Juniper Laurel Linden Magnolia Maple Oak Poplar Spruce Willow".split()
)
_TOWNS = (
    ("Fairhaven", "OH", "432"),
    ("Millbrook", "OH", "441"),
    ("Eastfield", "PA", "152"),
    ("Stillwater", "MI", "490"),
)
_PROGRAMS = ("Residential", "Outpatient", "Day Services", "Respite", "Foster Care", "Supported Living")
_DOMAINS = ("example.com", "example.net", "example.org")


def rows(people: random.Random, first_number: int, count: int) -> Iterator[dict[str, str]]:
    """A row a case; about one client in sixteen has two cases, about a third no e-mail address."""
    for n in range(count):
        client = _client(people, first_number + n * 7)
        cases = 2 if people.random() < 1 / 16 else 1
        for m in range(cases):
            yield client | _case(people, n * 2 + m, is_open=m == cases - 1 and people.random() < 0.8)


def _client(people: random.Random, number: int) -> dict[str, str]:
    firsts, lasts = people.choices(_PEOPLE, weights=(6, 3, 1))[0]
    first, last = people.choice(firsts), people.choice(lasts)
    if lasts is _SPANISH_LAST and people.random() < 0.25:
        last = f"{last} {people.choice(lasts)}"
    born = _TODAY - timedelta(days=people.randint(4 * 365, 88 * 365))
    town, state, zip_prefix = people.choice(_TOWNS)
    homeless = people.random() < 0.05
    email = "" if people.random() < 1 / 3 else f"client{number}@{people.choice(_DOMAINS)}"
    return {
        "client_number": str(number),
        "first_name": first,
        "last_name": last,
        "date_of_birth": born.isoformat(),
        "street": "" if homeless else f"{people.randint(1, 990)} {people.choice(_STREETS)} Street",
        "city": town,
        "state": state,
        "zip": "" if homeless else f"{zip_prefix}{people.randint(0, 99):02}",
        "phone": f"({people.randint(201, 989)}) 555-01{people.randint(0, 99):02}",
        "email": email,
        "current_homeless": "Yes" if homeless else "No",
        "portal_refused": "Yes" if people.random() < 0.04 else "No",
    }


def _case(people: random.Random, n: int, *, is_open: bool) -> dict[str, str]:
    opened = _TODAY - timedelta(days=people.randint(20, 9 * 365))
    closed = "" if is_open else min(_TODAY, opened + timedelta(days=people.randint(30, 900))).isoformat()
    return {
        "case_number": f"C{opened:%y}-{10_000 + n}",
        "program": people.choice(_PROGRAMS),
        "opened_on": opened.isoformat(),
        "closed_on": closed,
    }


def write(slug: str, first_number: int, count: int, extra: tuple[dict[str, str], ...] = ()) -> None:
    """Write one agency's roster."""
    people = random.Random(f"{_SEED} {slug}")  # noqa: S311 - sample people, no secret
    ROSTERS.mkdir(exist_ok=True)
    with (ROSTERS / f"{slug}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, KNOWN, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows([*extra, *rows(people, first_number, count)])


MALEK = {
    "client_number": "100001",
    "case_number": "C22-10001",
    "first_name": "Catherine",
    "last_name": "Malek",
    "date_of_birth": "1987-06-16",
    "program": "Outpatient",
    "opened_on": "2022-06-14",
    "street": "12 Linden Street",
    "city": "Fairhaven",
    "state": "OH",
    "zip": "43210",
    "phone": "(614) 555-0142",
    "email": "cmalek@example.com",
    "current_homeless": "No",
    "portal_refused": "No",
}

if __name__ == "__main__":
    write("riverside", 100_010, 2_000, (MALEK,))
    write("lakeside", 200_010, 120)
    write("hillcrest", 300_010, 60)
