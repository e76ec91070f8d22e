"""How pages write dates, times and yes or no."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from shared.accounts.clients import Case


def us_date(value: date | None) -> str:
    """``03/07/1966``; nothing for no date."""
    return f"{value:%m/%d/}{value.year:04}" if value else ""


def log_time(moment: datetime, zone: ZoneInfo) -> str:
    """``6/16/2022 9:46:48 AM``, as the Face Sheet Change Log writes it."""
    local = moment.astimezone(zone)
    half = "AM" if local.hour < 12 else "PM"
    return f"{local.month}/{local.day}/{local.year} {local.hour % 12 or 12}:{local:%M:%S} {half}"


def case_facts(case: Case) -> str:
    """A case's program and dates in one line."""
    dates = f"opened {us_date(case.opened_on)}" if case.opened_on else ""
    closed = f"closed {us_date(case.closed_on)}" if case.closed_on else ""
    return ", ".join(part for part in (case.program, dates, closed) if part)


def iso_as_us_date(text: str) -> str:
    """A date that is kept as text; what is none stays as it is."""
    try:
        return us_date(date.fromisoformat(text))
    except ValueError:
        return text


def as_options(choices: Sequence[str], chosen: str) -> list[tuple[str, str]]:
    """What a list offers, with what is stored although it is no choice any more: an untouched field stays as it is."""
    kept = [chosen] if chosen and chosen not in choices else []
    return [("", "Not recorded"), *((choice, choice) for choice in [*choices, *kept])]


def combined(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, str]:
    """Both, the second before the first where they disagree."""
    return {**first, **second}


FILTERS: Mapping[str, Callable[..., Any]] = {
    "us_date": us_date,
    "iso_as_us_date": iso_as_us_date,
    "as_options": as_options,
    "combined": combined,
}
"""The filters of the templates."""
