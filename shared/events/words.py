"""What the Security Log puts into its sentences for the values of payloads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ENDINGS: Final[Mapping[str, str]] = {
    "signed_out": "they signed out",
    "idle": "nothing was done for a while",
    "expired": "its time was over",
    "revoked": "it was ended before its time",
}
"""Why a session ended."""

PROOFS: Final[Mapping[str, str]] = {
    "password": "",
    "passkey": " with a passkey",
    "single_sign_on": " with single sign-on",
}
"""What somebody signed in with, where it is worth a word."""

REFUSALS: Final[Mapping[str, str]] = {
    "unknown_username": "nobody has this username",
    "wrong_password": "the password was wrong",
    "inactive": "it is not active",
    "temporary_password_expired": "the temporary password had expired",
    "no_password": "there is no password yet",
    "locked": "it is locked for a while",
    "wrong_code": "the code of the second step was wrong",
    "local_sign_in_off": "passwords are switched off",
    "unknown_person": "no staff user has the name that the identity provider gave",
    "other_identity": "somebody else has this name at the identity provider now",
    "provider_refused": "the identity provider did not sign them in",
    "not_proven": "what the identity provider said was not proved",
    "other_browser": "the identity provider's answer came to another browser than the one that asked",
    "unknown_passkey": "nobody here has this passkey",
    "wrong_passkey": "the passkey did not answer as it has to",
    "copied_passkey": "there may be a copy of the passkey",
}
"""Why a sign-in was refused: for agency admins, the person who tried is not told."""

PASSWORDS: Final[Mapping[str, str]] = {
    "first": "chose a password in place of the temporary one",
    "own": "changed the password",
    "reset": "chose a password with a reset e-mail",
    "link": "chose a password with the link from an e-mail",
}
"""How the owner of a login came to another password."""

LOGS: Final[Mapping[str, str]] = {
    "changes": "the Face Sheet Change Log",
    "activity": "a Client Action Log",
    "security": "the Security Log",
}
"""What pages call the logs."""

ROLES: Final[Mapping[str, str]] = {
    "staff": "a staff user",
    "supervisor": "a supervisor",
    "agency_admin": "an agency admin",
}
"""Roles with their articles."""
