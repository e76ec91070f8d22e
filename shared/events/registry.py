"""The registry: one class per event declares its type, its payload and its wording, all checked at import."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.events.envelope import Actor, Envelope

_TYPE = re.compile(r"^[a-z][a-z_]*\.[a-z][a-z_]*$")
# Placeholders that every wording may use besides the payload's own fields and properties.
_ACTOR_PLACEHOLDERS = frozenset({"actor", "actor_name"})


_BEYOND = "This version of the log cannot describe the event."
_ERASED = "The personal details of this entry were erased."


class WrongDeclaration(TypeError):
    """An event is declared twice, or its wording names something that it does not have."""


class Change(BaseModel):
    """One field that changed, named as the page labels it. Never holds a secret."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    field: str
    old: str | None = None
    new: str | None = None

    def __str__(self) -> str:
        return f"{self.field}: {self.old or '(none)'} -> {self.new or '(none)'}"


@dataclass(frozen=True, slots=True)
class ActivityWording:
    """The row in the Client Action Log.

    Placeholders are the payload's fields and properties, ``actor`` and ``actor_name``.
    """

    action: str
    description: str


@dataclass(frozen=True, slots=True)
class ChangeWording:
    """The entry in the Face Sheet Change Log; further sentences come from the payload's ``change_lines``."""

    change_type: str
    description: str


@dataclass(frozen=True, slots=True)
class SecurityWording:
    """The entry in the Security Log: what kind of event it is called there, and one sentence that says what happened.

    Placeholders as in :class:`ActivityWording`. Time, address and who did it stand beside the sentence.
    """

    label: str
    description: str


class Payload(BaseModel):
    """Base of all event payloads; a subclass becomes an event through :func:`event`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: ClassVar[str]
    version: ClassVar[int]
    activity: ClassVar[ActivityWording | None]
    change: ClassVar[ChangeWording | None]
    security: ClassVar[SecurityWording | None]

    @property
    def change_lines(self) -> Sequence[str]:
        """The sentences after the first in the change log, one an item."""
        return ()

    @property
    def changed_fields(self) -> Sequence[Change]:
        """What changed, field by field, with old and new value."""
        return ()


P = TypeVar("P", bound=type[Payload])
_registry: dict[tuple[str, int], type[Payload]] = {}


def event(
    type_: str,
    *,
    version: int = 1,
    activity: ActivityWording | None = None,
    change: ChangeWording | None = None,
    security: SecurityWording | None = None,
) -> Callable[[P], P]:
    """Declare a payload class as the event ``type_``, in the logs that it has a wording for.

    Raises WrongDeclaration while the module is imported.
    """

    def declare(cls: P) -> P:
        if not _TYPE.match(type_):
            raise WrongDeclaration(f"{cls.__name__}: {type_!r} is no event type (noun.past_tense)")
        if (type_, version) in _registry:
            raise WrongDeclaration(f"{type_} version {version} is declared twice")
        if not (cls.__doc__ or "").strip():
            raise WrongDeclaration(f"{cls.__name__} needs a docstring that says when it happens")
        for wording in (activity, change, security):
            if wording is not None:
                _check_placeholders(cls, wording.description)
        cls.type, cls.version = type_, version
        cls.activity, cls.change, cls.security = activity, change, security
        _registry[type_, version] = cls
        return cls

    return declare


def _check_placeholders(cls: type[Payload], template: str) -> None:
    allowed = (
        _ACTOR_PLACEHOLDERS | set(cls.model_fields) | {n for n in dir(cls) if isinstance(getattr(cls, n), property)}
    )
    for _, name, spec, conversion in string.Formatter().parse(template):
        if name is not None and (name not in allowed or spec or conversion):
            raise WrongDeclaration(f"{cls.__name__}: the wording names {{{name}}}, which the payload does not have")


def known_events() -> Mapping[tuple[str, int], type[Payload]]:
    """Every declared event by type and version."""
    return dict(_registry)


def security_labels() -> Mapping[str, str]:
    """Every type that belongs to the Security Log, with what it is called there."""
    return {type_: cls.security.label for (type_, _), cls in sorted(_registry.items()) if cls.security}


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """An event as the Client Action Log words it."""

    action: str
    description: str


@dataclass(frozen=True, slots=True)
class ChangeEntry:
    """An event as the Face Sheet Change Log words it; the old and new values stand in ``changes``."""

    change_type: str
    description: str
    lines: tuple[str, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class SecurityEntry:
    """An event as the Security Log words it."""

    label: str
    description: str


def activity_row(envelope: Envelope) -> ActivityRow:
    """The event's row in the Client Action Log. An event that is not known (any more, or yet) is shown by its type."""
    declared = _registry.get((envelope.type, envelope.version))
    if envelope.erased and declared is not None and declared.activity is not None:
        return ActivityRow(declared.activity.action, _ERASED)
    payload = payload_of(envelope)
    if payload is None or payload.activity is None:
        return ActivityRow(envelope.type, _ERASED if envelope.erased else _BEYOND)
    return ActivityRow(payload.activity.action, _worded(payload.activity.description, payload, envelope.actor))


def change_entry(envelope: Envelope) -> ChangeEntry:
    """The event's entry in the Face Sheet Change Log; unknown ones as in :func:`activity_row`."""
    declared = _registry.get((envelope.type, envelope.version))
    if envelope.erased and declared is not None and declared.change is not None:
        return ChangeEntry(declared.change.change_type, _ERASED, (), ())
    payload = payload_of(envelope)
    if payload is None or payload.change is None:
        return ChangeEntry(envelope.type, _ERASED if envelope.erased else _BEYOND, (), ())
    return ChangeEntry(
        payload.change.change_type,
        _worded(payload.change.description, payload, envelope.actor),
        tuple(payload.change_lines),
        tuple(payload.changed_fields),
    )


def security_entry(envelope: Envelope) -> SecurityEntry:
    """The event's entry in the Security Log; unknown ones as in :func:`activity_row`."""
    label = security_labels().get(envelope.type, envelope.type)
    if envelope.erased:
        return SecurityEntry(label, _ERASED)
    payload = payload_of(envelope)
    if payload is None or payload.security is None:
        return SecurityEntry(label, _BEYOND)
    return SecurityEntry(payload.security.label, _worded(payload.security.description, payload, envelope.actor))


def payload_of(envelope: Envelope) -> Payload | None:
    """The typed payload, or None when the type is unknown or the payload does not fit it."""
    cls = _registry.get((envelope.type, envelope.version))
    if cls is None:
        return None
    try:
        return cls.model_validate(envelope.payload)
    except ValidationError:
        return None


def _worded(template: str, payload: Payload, actor: Actor) -> str:
    # Only the declaration's own text is a format string; what people typed is put in as values and never read as one.
    names = [name for _, name, _, _ in string.Formatter().parse(template) if name]
    values = {n: getattr(payload, n) for n in names if n not in _ACTOR_PLACEHOLDERS}
    return template.format(actor=actor.username, actor_name=actor.name, **values)
