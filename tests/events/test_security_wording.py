"""The sentences of the Security Log: what each says, and that every event is in it which people would look for there."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from shared.events import Change, Payload, known_events, security_entry, security_labels
from shared.events.catalogue import (
    FaceSheetViewed,
    PortalLoginLocked,
    PortalLoginReported,
    PortalLoginUnlocked,
    PortalLoginUpdated,
    PortalPasswordChanged,
    PortalSessionEnded,
    PortalSessionRefused,
    PortalSessionStarted,
)
from shared.events.operator_catalogue import AuditLogErased, AuditLogVerified
from shared.events.passkey_catalogue import PortalPasskeyRemoved, StaffPasskeyAdded
from shared.events.registry import SecurityWording, WrongDeclaration, event
from shared.events.single_sign_on_catalogue import AgencySingleSignOnChanged
from shared.events.staff_catalogue import (
    LogViewed,
    StaffCreated,
    StaffLocked,
    StaffPasswordChanged,
    StaffPasswordResetRequested,
    StaffReported,
    StaffSessionEnded,
    StaffSessionRefused,
    StaffSessionStarted,
    StaffUnlocked,
    StaffUpdated,
)
from tests.events.test_wording import enveloped

UNTIL = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("payload", "label", "sentence"),
    [
        (PortalSessionStarted(username="cmalek"), "Portal Sign-in", "cmalek signed in to the portal."),
        (
            PortalSessionEnded(username="cmalek", reason="idle"),
            "Portal Sign-out",
            "The portal session of cmalek ended: nothing was done for a while.",
        ),
        (
            PortalSessionRefused(username="cmalek", reason="wrong_password"),
            "Portal Sign-in Refused",
            "A sign-in to the portal as cmalek was refused: the password was wrong.",
        ),
        (
            PortalLoginUpdated(
                username="cmalek", changes=(Change(field="Active", old="No", new="Yes"),), password_updated=True
            ),
            "Portal Login Changed",
            "nextstep changed the portal login cmalek. Changes: Active: No -> Yes, Password updated",
        ),
        (
            PortalLoginLocked(username="cmalek", failures=10, until=UNTIL, known_device=False),
            "Portal Login Locked",
            "cmalek was locked after 10 wrong passwords.",
        ),
        (PortalLoginUnlocked(username="cmalek"), "Portal Login Unlocked", "nextstep unlocked the portal login cmalek."),
        (
            PortalLoginReported(username="cmalek"),
            "Change Reported",
            "The owner of the portal login cmalek said that a change was not theirs. It is locked now.",
        ),
        (
            PortalPasswordChanged(username="cmalek", how="link"),
            "Portal Password Changed",
            "cmalek chose a password with the link from an e-mail.",
        ),
        (
            PortalPasswordChanged(username="cmalek", how="reset"),
            "Portal Password Changed",
            "cmalek chose a password with a reset e-mail.",
        ),
        (StaffSessionStarted(username="nextstep"), "Staff Sign-in", "nextstep signed in."),
        (
            StaffSessionStarted(username="nextstep", how="passkey"),
            "Staff Sign-in",
            "nextstep signed in with a passkey.",
        ),
        (
            PortalSessionStarted(username="cmalek", how="passkey"),
            "Portal Sign-in",
            "cmalek signed in to the portal with a passkey.",
        ),
        (
            PortalSessionRefused(username="cmalek", reason="copied_passkey"),
            "Portal Sign-in Refused",
            "A sign-in to the portal as cmalek was refused: there may be a copy of the passkey.",
        ),
        (
            PortalPasskeyRemoved(username="cmalek", passkey="My phone", reason="reported"),
            "Portal Passkey Removed",
            "The passkey My phone of cmalek was removed (the login was locked).",
        ),
        (
            StaffPasskeyAdded(username="nextstep", passkey="Desk"),
            "Staff Passkey Added",
            "nextstep added the passkey Desk.",
        ),
        (
            StaffSessionEnded(username="nextstep", reason="signed_out"),
            "Staff Sign-out",
            "The session of nextstep ended: they signed out.",
        ),
        (
            StaffSessionRefused(username=None, reason="unknown_username"),
            "Staff Sign-in Refused",
            "A sign-in as an unknown username was refused: nobody has this username.",
        ),
        (
            StaffLocked(username="nextstep", failures=10, until=UNTIL, known_device=True),
            "Staff User Locked",
            "nextstep was locked after 10 wrong passwords.",
        ),
        (
            StaffCreated(username="new", role="agency_admin"),
            "Staff User Added",
            "nextstep added new as an agency admin.",
        ),
        (
            StaffUpdated(
                username="new", changes=(Change(field="Role", old="Staff", new="Supervisor"),), password_updated=True
            ),
            "Staff User Changed",
            "nextstep changed new. Changes: Role: Staff -> Supervisor, Password updated",
        ),
        (StaffUnlocked(username="new"), "Staff User Unlocked", "nextstep unlocked new."),
        (
            StaffReported(username="new"),
            "Staff Change Reported",
            "new said that a change was not theirs. Nobody gets in with it now.",
        ),
        (StaffPasswordChanged(username="new", how="own"), "Staff Password Changed", "new changed the password."),
        (
            StaffPasswordResetRequested(username="new"),
            "Staff Password Reset Requested",
            "A password reset e-mail was requested for new.",
        ),
        (LogViewed(log="changes"), "Log Viewed", "nextstep read the Face Sheet Change Log."),
        (
            StaffSessionStarted(username="nextstep", how="single_sign_on"),
            "Staff Sign-in",
            "nextstep signed in with single sign-on.",
        ),
        (
            StaffSessionRefused(username=None, reason="unknown_person", how="single_sign_on"),
            "Staff Sign-in Refused",
            "A sign-in as an unknown username was refused: no staff user has the name that the identity provider gave.",
        ),
        (
            AgencySingleSignOnChanged(
                changes=(Change(field="Issuer", old=None, new="https://a.example"),), secret_changed=True
            ),
            "Single Sign-On Changed",
            "nextstep changed single sign-on: Issuer: (none) -> https://a.example, Client Secret updated.",
        ),
        (LogViewed(log="security"), "Log Viewed", "nextstep read the Security Log."),
        (
            AuditLogErased(reason="Asked for by Catherine Malek", events=3),
            "Details Erased",
            "nextstep erased the personal details of 3 events of a client.",
        ),
        (
            AuditLogVerified(outcome="tampered", chains=1, events=9),
            "Log Verified",
            "nextstep verified the record of 9 events: it was tampered with.",
        ),
    ],
)
def test_security_log_wording(payload: Payload, label: str, sentence: str) -> None:
    entry = security_entry(enveloped(payload))
    assert (entry.label, entry.description) == (label, sentence)


def test_what_people_look_for_is_in_the_security_log() -> None:
    """Whatever is about signing in, passwords, staff and logs; face sheets and e-mails are not."""
    about = re.compile(r"(_session|_password|_username|_login|^staff|^log|^key|^agency|^audit_log|^dead_letter)\b")
    expected = {type_ for type_, _ in known_events() if about.search(type_.partition(".")[0])}
    assert expected <= set(security_labels())
    assert not {
        type_ for type_ in security_labels() if type_.startswith(("face_sheet.", "delivery.", "client.", "case."))
    }


def test_every_version_of_an_event_is_in_the_security_log_or_none_is() -> None:
    for (type_, version), declared in known_events().items():
        assert (declared.security is not None) == (type_ in security_labels()), (type_, version)


def test_kinds_of_events_have_names_of_their_own() -> None:
    labels = list(security_labels().values())
    assert len(labels) == len(set(labels))


def test_what_is_done_by_or_to_a_portal_login_is_in_its_activity_too() -> None:
    """The filter by a portal login reads the index of the Client Action Log."""
    for (type_, _), declared in known_events().items():
        if declared.security is not None and type_.startswith("portal_"):
            assert declared.activity is not None, type_


def test_what_people_typed_is_never_read_as_a_format_string() -> None:
    entry = security_entry(enveloped(PortalSessionStarted(username="{actor.__class__}{0}")))
    assert entry.description == "{actor.__class__}{0} signed in to the portal."


def test_an_erased_event_keeps_its_kind_and_tells_nothing_more() -> None:
    entry = security_entry(enveloped(PortalSessionStarted(username="cmalek")).model_copy(update={"erased": True}))
    assert entry.label == "Portal Sign-in"
    assert "erased" in entry.description
    assert "cmalek" not in entry.description


def test_an_unknown_event_is_shown_by_its_type() -> None:
    known = PortalSessionStarted(username="cmalek")
    assert security_entry(enveloped(known, {"type": "portal_session.vanished"})).label == "portal_session.vanished"
    assert security_entry(enveloped(known, {"version": 99})).label == "Portal Sign-in"
    assert security_entry(enveloped(FaceSheetViewed())).label == "face_sheet.viewed"


def test_a_wording_names_only_what_its_payload_has() -> None:
    with pytest.raises(WrongDeclaration, match="password"):

        @event("portal_session.imagined", security=SecurityWording("Imagined", "{password}"))
        class Imagined(Payload):
            """Happens never."""
