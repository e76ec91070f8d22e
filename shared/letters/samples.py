"""Samples of letters, for agency admins: about somebody made up, with nothing in them that opens anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from shared.letters.rendering import Letter, Words

TEST_MAIL: Final = "wording_test"
"""The name of the delivery that brings a sample to an admin; which letter it is a sample of stands in its context."""

WORDED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "temporary_password": "Temporary password",
        "invitation_link": "Link to choose a password",
        "password_reset": "Choose a new password",
        "username": "Forgotten username",
        "password_changed": "Password was changed",
        "email_changed": "E-mail address was changed",
        "new_email": "New e-mail address",
        "passkey_changed": "Passkey was added or removed",
        "second_factor_changed": "Second step was changed",
        "second_factor_reset": "Second step was removed by staff",
        "sign_in_refused": "Somebody tried to sign in",
        "new_device": "Sign-in on a new device",
        "login_inactive": "Login was made inactive",
    }
)
"""The letters to clients and representatives, which agencies may word in part, as their admins know them."""

_DETAILS: Final = {
    "passkey_changed": "added",
    "second_factor_changed": "An authenticator app was set up",
    "sign_in_refused": "Somebody typed a wrong password ten times",
    "new_device": "Firefox on Windows",
}
_AGO: Final = timedelta(days=3)


def sample_words(
    mail: str, *, agency_name: str, portal_url: str, time_zone: str, locale: str, language: str, expires_at: datetime
) -> Words:
    """What stands in a sample of the letter ``mail``."""
    return Words(
        username="sample.username",
        agency_name=agency_name,
        portal_url=portal_url,
        secret="THIS-IS-A-SAMPLE",  # noqa: S106 - it says so itself
        expires_at=expires_at,
        time_zone=time_zone,
        locale=locale,
        new_email="s***@example.org",
        detail=_DETAILS.get(mail, ""),
        happened_at=(expires_at - _AGO).isoformat(),
        place="198.51.x.x",
        language=language,
    )


def as_test(letter: Letter) -> Letter:
    """The letter, marked as a test in the list of a mailbox."""
    return replace(letter, subject=f"[Test] {letter.subject}")
