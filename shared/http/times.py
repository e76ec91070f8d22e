"""How pages of staff and clients write a moment."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo


def short_time(moment: datetime, zone: ZoneInfo) -> str:
    """``6/16/2022 9:46 AM``."""
    local = moment.astimezone(zone)
    half = "AM" if local.hour < 12 else "PM"
    return f"{local.month}/{local.day}/{local.year} {local.hour % 12 or 12}:{local:%M} {half}"
