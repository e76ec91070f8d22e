"""What tests do with an authenticator app."""

from __future__ import annotations

import re
from html import unescape

import pyotp

from tests.support.clock import FakeClock

SEED_IN_PAGE = re.compile(r'id="app-key">([A-Z2-7 ]+)<')
CODES_IN_PAGE = re.compile(r"<li>([A-Za-z2-9]{5}(?:-[A-Za-z2-9]{5}){3})</li>")


class App:
    """An app that holds a shared secret; it knows the test's time."""

    def __init__(self, seed: str, clock: FakeClock) -> None:
        self._totp = pyotp.TOTP(seed.replace(" ", ""))
        self._clock = clock

    def code(self, *, steps: int = 0) -> str:
        """The code that it shows, or that of so many steps later."""
        return self._totp.at(self._clock().timestamp(), counter_offset=steps)

    def next_code(self) -> str:
        """The code that it shows after the present one."""
        self._clock.advance(seconds=30)
        return self.code()

    def wrong_code(self) -> str:
        """Six digits that it does not show now, nor right before or after."""
        shown = {self.code(steps=steps) for steps in (-1, 0, 1)}
        return next(code for code in ("000000", "111111", "222222", "333333") if code not in shown)


def seed_in(page: str) -> str:
    """The key that a page shows."""
    found = SEED_IN_PAGE.search(page)
    assert found, page
    return found[1]


def codes_in(page: str) -> list[str]:
    """The recovery codes that a page shows."""
    return CODES_IN_PAGE.findall(unescape(page))
