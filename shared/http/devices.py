"""What a browser calls itself, in words that its owner knows."""

from __future__ import annotations

from functools import lru_cache

import ua_parser

UNKNOWN = "Unknown device"


@lru_cache(maxsize=1024)
def device_of(user_agent: str) -> str:
    """``Mobile Safari on iOS``; a header is only what somebody says, so it decides nothing."""
    found = ua_parser.parse(user_agent)
    browser = found.user_agent.family if found.user_agent else None
    system = found.os.family if found.os else None
    return " on ".join(part for part in (browser, system) if part) or UNKNOWN
