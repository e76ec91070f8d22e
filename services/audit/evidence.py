"""What verification believes: seals with a good signature, from the database and from exported files together."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec

from services.audit.findings import Chain, Finding
from services.audit.seals import NoSeal, PublicKeys, Seal, from_line


@dataclass(frozen=True, slots=True)
class Known:
    """The link of a chain's event ``seq``, by the word of ``name``. ``sealed_at``: of a seal of the chain itself."""

    seq: int
    link: bytes
    name: str
    sealed_at: datetime | None = None


@dataclass(slots=True)
class Evidence:
    """What good seals say of one chain, and what is wrong with the others.

    ``first`` is the earliest good seal: it says where the chain began and what lay beside it.
    """

    known: dict[int, list[Known]] = field(default_factory=dict)
    first: Seal | None = None
    findings: list[Finding] = field(default_factory=list)

    def add(self, known: Known) -> None:
        """Another word on one of its links."""
        self.known.setdefault(known.seq, []).append(known)

    def last_before(self, moment: datetime) -> Known | None:
        """The last good seal that was made before a moment."""
        made = [k for ks in self.known.values() for k in ks if k.sealed_at is not None and k.sealed_at < moment]
        return max(made, key=lambda k: k.seq, default=None)


def weigh(stored: Sequence[Seal], exported: Sequence[Seal], keys: PublicKeys) -> Evidence:
    """Put together what the seals of one chain say."""
    evidence = Evidence()
    held = {(s.seq, s.link) for s in stored}
    wrong: list[tuple[Seal, str]] = []
    unknown: list[tuple[Seal, str]] = []
    removed: list[Seal] = []
    judged: set[Seal] = set()
    for seal, where in [*((s, "in the database") for s in stored), *((s, "in an exported file") for s in exported)]:
        if seal in judged:
            continue
        judged.add(seal)
        verdict = keys.judge(seal)
        if verdict != "good":
            (wrong if verdict == "wrong" else unknown).append((seal, where))
            continue
        evidence.add(Known(seal.seq, seal.link, f"the seal of {_moment(seal.sealed_at)}", seal.sealed_at))
        if evidence.first is None or (seal.sealed_at, seal.seq) < (evidence.first.sealed_at, evidence.first.seq):
            evidence.first = seal
        if (seal.seq, seal.link) not in held:
            removed.append(seal)
    evidence.findings = _seal_findings(wrong, unknown, removed)
    return evidence


def _seal_findings(
    wrong: list[tuple[Seal, str]], unknown: list[tuple[Seal, str]], removed: list[Seal]
) -> list[Finding]:
    found = []
    if wrong:
        seal, where = min(wrong, key=lambda w: w[0].seq)
        text = f"{_count(len(wrong))} a wrong signature, first that of event {seal.seq:,} {where}"
        found.append(Finding("seal-wrong", text, seal.seq))
    if unknown:
        seal, where = min(unknown, key=lambda w: w[0].seq)
        text = f"{_count(len(unknown))} the signature of a key that was not given ({seal.kid}), first {where}"
        found.append(Finding("seal-unknown", text, seal.seq))
    if removed:
        seal = min(removed, key=lambda s: s.seq)
        number = "1 exported seal is" if len(removed) == 1 else f"{len(removed):,} exported seals are"
        text = f"{number} missing in the database, first that of event {seal.seq:,} of {_moment(seal.sealed_at)}"
        found.append(Finding("seal-removed", text, seal.seq))
    return found


def _count(seals: int) -> str:
    return "1 seal carries" if seals == 1 else f"{seals:,} seals carry"


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


class _Which(msgspec.Struct):
    agency_id: UUID
    year: int


class ExportedSeals:
    """Seals in files: found by their chain, and read when they are asked for. Raises OSError.

    ``lines`` and ``damaged`` count what is a seal and what is none.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = list(paths)
        # By chain, for each file where its lines begin: files may hold more than fits into memory.
        self._places: dict[tuple[UUID, int], list[array[int]]] = {}
        self.lines = self.damaged = 0
        decoder = msgspec.json.Decoder(_Which)
        for number, path in enumerate(self._paths):
            with path.open("rb") as file:
                place = 0
                for line in file:
                    self._note(decoder, line, number, place)
                    place += len(line)

    def _note(self, decoder: msgspec.json.Decoder[_Which], line: bytes, file: int, place: int) -> None:
        if not line.strip():
            return
        try:
            which = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeError):
            self.damaged += 1
            return
        self.lines += 1
        places = self._places.setdefault((which.agency_id, which.year), [])
        while len(places) <= file:
            places.append(array("q"))
        places[file].append(place)

    def chains(self) -> set[Chain]:
        """Of which chains there are seals."""
        return {Chain(*name) for name in self._places}

    def of(self, chain: Chain) -> list[Seal]:
        """The seals of a chain, in the order in which they were exported."""
        found = []
        for number, places in enumerate(self._places.get((chain.agency_id, chain.year), ())):
            with self._paths[number].open("rb") as file:
                for place in places:
                    file.seek(place)
                    try:
                        found.append(from_line(file.readline()))
                    except NoSeal:
                        self.damaged += 1
        return found
