"""Numbers of things in sentences."""

from __future__ import annotations


def counted(number: int, one: str) -> str:
    """``1 event``, ``2,000 events``."""
    return f"1 {one}" if number == 1 else f"{number:,} {one}s"
