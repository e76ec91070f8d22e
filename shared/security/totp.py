"""Codes of an authenticator app (TOTP, RFC 6238) and the recovery codes that stand in for it.

SHA-1, six digits and thirty seconds are what every app knows; a step to each side is taken for clocks that are wrong
(RFC 6238, section 5.2).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime, timedelta
from typing import Final

import pyotp

from shared.security.passwords import new_temporary_password

STEP: Final = timedelta(seconds=30)
WINDOW: Final = 1
"""Steps to each side of the present one."""
RECOVERY_CODES: Final = 10
MOST_WRONG: Final = 100
"""So many wrong codes without a right one in between, and the app opens nothing any more (NIST SP 800-63B-4, 3.2.2)."""

_SEED_BYTES: Final = 20
_DIGITS = re.compile(r"[0-9]{6}")
_NO_CODE = re.compile(r"[\s\u2010-\u2015-]+")


def new_seed() -> str:
    """A fresh shared secret in base32: 160 bits (RFC 4226, section 4, R6)."""
    return pyotp.random_base32(_SEED_BYTES * 8 // 5)


def app_address(seed: str, *, username: str, issuer: str) -> str:
    """The ``otpauth:`` address that an app reads from a picture."""
    return pyotp.TOTP(seed).provisioning_uri(name=username, issuer_name=issuer.replace(":", " "))


def in_groups(seed: str) -> str:
    """A shared secret as a person types it: groups of four."""
    return " ".join(seed[i : i + 4] for i in range(0, len(seed), 4))


def plain(code: str) -> str:
    """A code as it was typed, without spaces and dashes."""
    return _NO_CODE.sub("", code)


def is_of_app(code: str) -> bool:
    """Whether a plain code has the form of an app's; any other is taken for a recovery code."""
    return _DIGITS.fullmatch(code) is not None


def step_of(seed: str, code: str, now: datetime) -> int | None:
    """The time step whose code it is, of those that are good at this moment; None when it is none of them."""
    app, present = pyotp.TOTP(seed), int(now.timestamp()) // int(STEP.total_seconds())
    # All of them are compared, so that the time tells nothing of which one it was.
    matching = [step for step in range(present - WINDOW, present + WINDOW + 1) if _same(app.generate_otp(step), code)]
    return matching[-1] if matching else None


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def new_recovery_codes() -> list[str]:
    """Ten fresh codes, each as good as the app, once."""
    return [new_temporary_password() for _ in range(RECOVERY_CODES)]


def digest_of(code: str) -> bytes:
    """SHA-256 of a plain recovery code: enough for what has more than 112 bits (OWASP ASVS 5.0, 6.5.2)."""
    return hashlib.sha256(plain(code).encode()).digest()
