"""Where each key stands: the next, the current or an old one, and what still needs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from ops.stack.key_folder import TARGETS, Target
from shared.deliveries.sealing_keys import SEALED_AHEAD
from shared.security.tokens import NEXT_FOR, REPLACED_AFTER

State = Literal["unread", "next", "current", "old", "withdrawn"]

LONGEST: Final = timedelta(days=366)
"""A key that has been in use for longer is told as something to look at (NIST SP 800-57 part 1, 5.3.6)."""
IN_FLIGHT: Final = timedelta(minutes=1)
"""Transactions that sealed something for the key before may still be open."""

_AHEAD: Final[Mapping[str, timedelta]] = {"signing": NEXT_FOR, "sealing": SEALED_AHEAD}


@dataclass(frozen=True, slots=True)
class Published:
    """A public key as the database has it. ``waiting``: e-mails that nothing else opens."""

    target: Target
    name: str
    since: datetime
    withdrawn_at: datetime | None
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Key:
    """One key. ``in_file`` is None where the files were not to be seen; ``needed`` says by what, "" for nothing.

    ``spare`` says that it can be dropped from its file.
    """

    target: Target
    name: str
    state: State
    since: datetime | None
    needed: str
    in_file: bool | None
    spare: bool = False
    look: bool = False


def standing(
    published: Iterable[Published], files: Mapping[str, Sequence[str]] | None, now: datetime
) -> dict[str, list[Key]]:
    """The keys of each target by its name, the newest first. ``files`` holds the names of the keys in each file."""
    known = list(published)
    found = {}
    for target in TARGETS:
        held = None if files is None else list(files[target.name])
        if target.use == "boxes":
            found[target.name] = _boxes(target, held or [])
        else:
            found[target.name] = _of(target, [p for p in known if p.target == target], held, now)
    return found


def _of(target: Target, known: list[Published], held: list[str] | None, now: datetime) -> list[Key]:
    place = {name: number for number, name in enumerate(held or [])}
    known.sort(key=lambda p: place.get(p.name, len(place)))
    known.sort(key=lambda p: p.since, reverse=True)
    live = [p for p in known if p.withdrawn_at is None]
    current = next((p for p in live if now - p.since >= _AHEAD[target.use]), live[-1] if live else None)
    unread = [
        Key(target, name, "unread", None, "no process has read it yet", in_file=True, look=True)
        for name in place
        if name not in {p.name for p in known}
    ]
    return unread + [_key(p, live, current, None if held is None else p.name in place, now) for p in known]


def _key(one: Published, live: list[Published], current: Published | None, in_file: bool | None, now: datetime) -> Key:
    if one.withdrawn_at is not None or current is None:
        spare = not one.waiting and one.withdrawn_at is not None and now - one.withdrawn_at >= IN_FLIGHT
        return Key(one.target, one.name, "withdrawn", one.since, _waiting(one), in_file, spare=spare)
    if one is current:
        needed = "signs the tokens" if one.target.use == "signing" else "what is sealed now"
        return Key(one.target, one.name, "current", one.since, needed, in_file, look=now - one.since > LONGEST)
    if live.index(one) < live.index(current):
        verb = "signs" if one.target.use == "signing" else "is sealed for"
        begins = one.since + _AHEAD[one.target.use]
        return Key(one.target, one.name, "next", one.since, f"{verb} from {begins:%H:%M:%S} UTC on", in_file)
    return _old(one, current, in_file, now)


def _old(one: Published, current: Published, in_file: bool | None, now: datetime) -> Key:
    if one.target.use == "sealing":
        spare = not one.waiting and now - current.since >= SEALED_AHEAD + IN_FLIGHT
        return Key(one.target, one.name, "old", one.since, _waiting(one), in_file, spare=spare)
    over = current.since + REPLACED_AFTER
    needed = f"tokens until {over:%H:%M:%S} UTC" if over > now else ""
    # Services withdraw what they hold by themselves; a key in no file has nobody who would.
    return Key(one.target, one.name, "old", one.since, needed, in_file, spare=over <= now, look=in_file is False)


def _waiting(one: Published) -> str:
    if not one.waiting:
        return ""
    count = "more than 10,000" if one.waiting > 10_000 else f"{one.waiting:,}"
    return f"{count} {'e-mail that waits' if one.waiting == 1 else 'e-mails that wait'}"


def _boxes(target: Target, held: Sequence[str]) -> list[Key]:
    return [
        Key(
            target,
            name,
            "current" if number == 0 else "old",
            None,
            "what is sealed now" if number == 0 else "what was sealed with it before",
            in_file=True,
        )
        for number, name in enumerate(held)
    ]
