"""The wordings that agencies know, letter by letter, and what the registry refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from shared.events import Actor, Change, Envelope, Payload, Subject, activity_row, change_entry, from_json
from shared.events.catalogue import (
    BlockChanges,
    FaceSheetUpdated,
    PortalLoginCreated,
    PortalLoginEmailConfirmed,
    PortalLoginUpdated,
    PortalPasswordChanged,
    PortalRefusalChanged,
    PortalSessionEnded,
    PortalSessionRefused,
    PortalSessionStarted,
)
from shared.events.registry import ActivityWording, WrongDeclaration, event

NEXTSTEP = Actor(kind="staff", id=uuid4(), username="nextstep", name="NextStep Solutions")


def enveloped(payload: Payload, changes: dict[str, Any] | None = None) -> Envelope:
    fields: dict[str, Any] = {
        "id": uuid4(),
        "type": payload.type,
        "version": payload.version,
        "agency_id": uuid4(),
        "occurred_at": datetime(2022, 6, 16, 13, 47, 16, tzinfo=UTC),
        "actor": NEXTSTEP,
        "subject": Subject(),
        "payload": payload.model_dump(mode="json"),
    }
    # Through JSON and back, as every event goes.
    return from_json(Envelope(**fields | (changes or {})).to_json())


@pytest.mark.parametrize(
    ("payload", "action", "description"),
    [
        (PortalSessionStarted(username="cmalek"), "Login", "Patient Portal login by cmalek"),
        (PortalSessionEnded(username="cmalek", reason="signed_out"), "Logout", "Patient Portal logout by cmalek"),
        (
            PortalSessionEnded(username="cmalek", reason="idle"),
            "Logout",
            "Patient Portal logout by cmalek (no activity)",
        ),
        (
            PortalSessionRefused(username="cmalek", reason="wrong_password"),
            "Login Failed",
            "Failed Patient Portal login as cmalek",
        ),
        (
            PortalLoginCreated(
                username="cmalek", email="c@example.com", representative=False, active=True, reset_password=True
            ),
            "Profile Created",
            "Portal Login cmalek was added by nextstep",
        ),
        (
            PortalLoginUpdated(username="cmalek", password_updated=True),
            "Profile Updated",
            "Portal Login cmalek was modified by nextstep. Changes: Password updated",
        ),
        (
            PortalLoginUpdated(
                username="cmalek",
                changes=(
                    Change(field="Active", old="Yes", new="No"),
                    Change(field="Portal User Email", old="a@x", new="b@x"),
                ),
                password_updated=True,
            ),
            "Profile Updated",
            "Portal Login cmalek was modified by nextstep. Changes: Active: Yes -> No, Portal User Email: a@x -> b@x, Password updated",
        ),
        (
            PortalLoginUpdated(username="cmalek", password_updated=True, by_link=True),
            "Profile Updated",
            "Portal Login cmalek was modified by nextstep. Changes: Password removed, link to choose one sent",
        ),
        (PortalPasswordChanged(username="cmalek", how="first"), "Reset Password", "Password changed by cmalek"),
    ],
)
def test_client_action_log_wording(payload: Payload, action: str, description: str) -> None:
    row = activity_row(enveloped(payload))
    assert (row.action, row.description) == (action, description)


def test_change_log_of_a_password_reset_has_its_sentences_one_by_one() -> None:
    entry = change_entry(enveloped(PortalLoginUpdated(username="cmalek", password_updated=True)))
    assert entry.change_type == "Portal Login"
    assert entry.description == "Portal Login cmalek was modified."
    assert entry.lines == ("Password updated",)


def test_change_log_of_a_new_login() -> None:
    created = PortalLoginCreated(
        username="cmalek", email="c@example.com", representative=False, active=True, reset_password=True
    )
    entry = change_entry(enveloped(created))
    assert (entry.change_type, entry.description, entry.lines) == ("Portal Login", "Added a new portal login", ())


def test_change_log_of_a_dynamic_field() -> None:
    homeless = Change(field="CurrentHomeless", old="Yes", new="No")
    block = BlockChanges(block="current_residence", label="Current Residence", entries=(homeless,))
    entry = change_entry(enveloped(FaceSheetUpdated(blocks=(block,))))
    assert entry.change_type == "Dynamic Fields"
    assert entry.description == "Updated the following dynamic fields: Current Residence"
    assert entry.lines == ("In current residence field: Current Residence - {Set entry: CurrentHomeless to value: No}",)
    assert entry.changes == (Change(field="Current Residence - CurrentHomeless", old="Yes", new="No"),)


def test_change_log_of_a_refusal() -> None:
    entry = change_entry(enveloped(PortalRefusalChanged(refused=True)))
    assert (entry.change_type, entry.description) == ("Portal Refusal", "Client Refused Portal Login: Yes")


def test_a_confirmed_address_is_in_both_logs() -> None:
    found = enveloped(PortalLoginEmailConfirmed(username="cmalek"))
    row, entry = activity_row(found), change_entry(found)
    assert (row.action, row.description) == ("Email Confirmed", "The new e-mail address of cmalek was confirmed")
    assert entry.change_type == "Portal Login"
    assert entry.description == "Portal Login cmalek: the new e-mail address was confirmed by its owner."


def test_an_own_password_is_no_change_to_the_face_sheet() -> None:
    assert PortalPasswordChanged.change is None


def test_what_people_typed_is_never_read_as_a_format_string() -> None:
    row = activity_row(enveloped(PortalSessionStarted(username="{actor.__class__}{0}")))
    assert row.description == "Patient Portal login by {actor.__class__}{0}"


def test_an_unknown_type_is_shown_as_such() -> None:
    known = PortalSessionStarted(username="cmalek")
    for changes in ({"type": "portal_login.vanished"}, {"version": 99}, {"payload": {"nothing": "fits"}}):
        row = activity_row(enveloped(known, changes))
        assert row.action == changes.get("type", known.type)


def test_a_type_is_declared_once() -> None:
    with pytest.raises(WrongDeclaration, match="declared twice"):

        @event("portal_session.started")
        class Twin(Payload):
            """Happens never."""


def test_a_wording_names_only_what_its_payload_has() -> None:
    with pytest.raises(WrongDeclaration, match="username"):

        @event("portal_session.imagined", activity=ActivityWording("Login", "By {username}"))
        class Imagined(Payload):
            """Happens never."""


def test_a_wording_cannot_reach_into_attributes() -> None:
    with pytest.raises(WrongDeclaration):

        @event("portal_session.reached", activity=ActivityWording("Login", "By {actor.__class__}"))
        class Reached(Payload):
            """Happens never."""
