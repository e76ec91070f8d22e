"""Events: the envelope, the typed catalogue with its wording, ids."""

from shared.events import (
    catalogue,
    delivery_catalogue,
    email_settings_catalogue,
    factor_catalogue,
    operator_catalogue,
    passkey_catalogue,
    single_sign_on_catalogue,
    staff_catalogue,
    wording_catalogue,
)
from shared.events.envelope import Actor, ActorKind, Envelope, Subject, from_json
from shared.events.ids import EventIds, lowest_id_at, time_of
from shared.events.registry import (
    ActivityRow,
    Change,
    ChangeEntry,
    Payload,
    SecurityEntry,
    activity_row,
    change_entry,
    known_events,
    payload_of,
    security_entry,
    security_labels,
)

__all__ = [
    "ActivityRow",
    "Actor",
    "ActorKind",
    "Change",
    "ChangeEntry",
    "Envelope",
    "EventIds",
    "Payload",
    "SecurityEntry",
    "Subject",
    "activity_row",
    "catalogue",
    "change_entry",
    "delivery_catalogue",
    "email_settings_catalogue",
    "factor_catalogue",
    "from_json",
    "known_events",
    "lowest_id_at",
    "operator_catalogue",
    "passkey_catalogue",
    "payload_of",
    "security_entry",
    "security_labels",
    "single_sign_on_catalogue",
    "staff_catalogue",
    "time_of",
    "wording_catalogue",
]
