"""The account: every event and every mail of a fault, once the system has settled."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any
from uuid import UUID

from redis.asyncio import Redis

from ops.stack.environment import broker_url
from services.audit.evidence import ExportedSeals
from services.audit.findings import ChainReport
from services.audit.seals import PublicKeys
from services.audit.verify import open_pool, verify
from shared.deliveries.queue import QUEUES
from shared.streams import GROUP, STREAM
from tests.faults.load import Load
from tests.faults.rig import Rig

SETTLE_SECONDS = 110.0
_LOOK_AGAIN_SECONDS = 0.2
_SEALING_SECONDS = 10.0

_COMMITTED = "(select id, kind, created_at from accounts.outbox union all select id, kind, created_at from mail.outbox)"
_LOST = f"""
select o.id from {_COMMITTED} o
where o.kind = 'event' and o.created_at >= $1 and not exists (select from audit.events e where e.id = o.id)
"""
# What the audit service says of itself has no outbox row.
_FROM_NOWHERE = f"""
select e.id from audit.events e
where e.type <> 'log.viewed' and e.stored_at >= $1 and not exists (select from {_COMMITTED} o where o.id = e.id)
"""
_COUNTS = f"""
select count(*) as committed, count(e.id) as stored, max(e.stored_at) filter (where o.created_at <= $2) as last_stored
from {_COMMITTED} o left join audit.events e on e.id = o.id where o.kind = 'event' and o.created_at >= $1
"""
_UNPUBLISHED = """
select (select count(*) from accounts.outbox where published_at is null and created_at >= $1)
    + (select count(*) from mail.outbox where published_at is null and created_at >= $1)
"""
_UNFINISHED = "select count(*) from mail.deliveries where finished_at is null and created_at >= $1"
_DEAD = "select count(*) from audit.dead_letters where received_at >= $1"


@dataclass(slots=True)
class Report:
    """What became of everything. ``facts`` prove that the fault took place."""

    fault: str
    acknowledged: int = 0
    failed: int = 0
    # Of the failed ones: those that had reached a process, which ended or fell silent before it answered.
    cut_off: int = 0
    cut_off_but_done: int = 0
    committed: int = 0
    stored: int = 0
    lost: int = 0
    doubled: int = 0
    dead_letters: int = 0
    # What `portico audit verify` would find: a chain that broke, or a seal that does not fit.
    chain_findings: list[str] = field(default_factory=list)
    # Acknowledged requests whose change is not in the database, or whose event is not in the log.
    missing: int = 0
    mails: int = 0
    mails_forgotten: int = 0
    mails_doubled: int = 0
    # Mails of which there are more than two copies.
    mails_doubled_again: int = 0
    # Of the doubled ones: those whose copies have different Message-IDs, by which nobody can tell that they are copies.
    mails_disguised: int = 0
    # From the end of the fault until the last event committed before it was stored, and the last mail asked for arrived.
    recovery_seconds: float = 0.0
    mail_seconds: float = 0.0
    unsettled: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def wrong(self, *, mails_may_double: int) -> list[str]:
        """What is not allowed, in words; empty when everything is well."""
        never = (
            "lost",
            "doubled",
            "dead_letters",
            "chain_findings",
            "missing",
            "mails_forgotten",
            "mails_doubled_again",
        )
        counts = ((name, getattr(self, name)) for name in (*never, "mails_disguised"))
        found = [
            *self.unsettled,
            *self.chain_findings,
            *(f"{name.replace('_', ' ')}: {count}" for name, count in counts if count),
        ]
        if self.mails_doubled > mails_may_double:
            found.append(f"mails doubled: {self.mails_doubled}, and at most {mails_may_double} may be")
        return found

    def as_json(self) -> dict[str, Any]:
        """For files."""
        return asdict(self)


async def settle(rig: Rig, since: datetime) -> list[str]:
    """Wait until nothing of the time after ``since`` is on its way any more; what still is after a while is answered in words."""
    end = time.monotonic() + SETTLE_SECONDS
    async with Redis.from_url(broker_url(rig.valkey.url)) as broker:
        while waiting := await _on_its_way(rig, broker, since):
            if time.monotonic() > end:
                return waiting
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    return []


async def _on_its_way(rig: Rig, broker: Redis, since: datetime) -> list[str]:
    database = rig.database
    found = {
        "rows unpublished": await database.fetchval(_UNPUBLISHED, since),
        "events not stored": len(await database.fetch(_LOST, since)),
        "deliveries unfinished": await database.fetchval(_UNFINISHED, since),
        "tasks queued": sum([await broker.llen(queue) for queue in QUEUES]),
        "entries unread or unacknowledged": await unread(rig),
    }
    return [f"{name}: {count}" for name, count in found.items() if count]


async def unpublished(rig: Rig) -> int:
    """Rows that no relay has put anywhere yet."""
    return int(await rig.database.fetchval(_UNPUBLISHED, datetime.fromtimestamp(0, UTC)))


async def unread(rig: Rig) -> int:
    """Entries that no consumer has acknowledged: behind the group's last one, or pending."""
    if not await rig.redis.exists(STREAM):
        return 0
    for group in await rig.redis.xinfo_groups(STREAM):
        if group["name"] == GROUP:
            beyond = await rig.redis.xrange(STREAM, min=f"({group['last-delivered-id']}")
            return len(beyond or ()) + int(group["pending"])
    return int(await rig.redis.xlen(STREAM))


async def account(rig: Rig, load: Load, name: str, *, began: float, ended: float, facts: Mapping[str, Any]) -> Report:
    """Everything of a fault that lasted from ``began`` to ``ended``, by the clock of this machine."""
    report = Report(name, facts=dict(facts))
    since, until = datetime.fromtimestamp(began, UTC), datetime.fromtimestamp(ended, UTC)
    report.unsettled = await settle(rig, since)
    counts = await rig.database.fetchrow(_COUNTS, since, until)
    assert counts is not None
    report.committed, report.stored = counts["committed"], counts["stored"]
    if counts["last_stored"] is not None:
        report.recovery_seconds = round(max(0.0, counts["last_stored"].timestamp() - ended), 2)
    report.lost = len(await rig.database.fetch(_LOST, since))
    report.doubled = len(await rig.database.fetch(_FROM_NOWHERE, since))
    report.dead_letters = await rig.database.fetchval(_DEAD, since)
    end = time.monotonic() + _SEALING_SECONDS
    while (found := await _verified(rig)) and time.monotonic() < end:
        # A seal that was exported by a process that then could not commit it is put into the database by the next round.
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    report.chain_findings = found
    await _account_requests(rig, load, report)
    await _account_mails(rig, load, report, ended)
    return report


async def _verified(rig: Rig) -> list[str]:
    """Walk all chains, with all seals that were made until now."""
    keys = PublicKeys([rig.environment.secrets.seal_public_key])
    exported = ExportedSeals([path for path in (rig.folder / "seals.jsonl",) if path.exists()])
    pool = await open_pool(rig.postgres.url)
    try:
        steps = [step async for step in verify(pool, keys=keys, exported=exported, now=datetime.now(UTC))]
    finally:
        await pool.close()
    return [f"{f.kind}: {f.text}" for step in steps if isinstance(step, ChainReport) for f in step.findings]


async def _account_requests(rig: Rig, load: Load, report: Report) -> None:
    ids = await _changes(rig, load)
    stored = {
        row["id"] for row in await rig.database.fetch("select id from audit.events where id = any($1)", _all(ids))
    }
    # Each value was asked for once: two events that set it are one change told twice.
    report.doubled += sum(len(events) - 1 for events in ids.values())
    current = await _current(rig, load)
    report.acknowledged, report.failed = len(load.acknowledged), len(load.failed)
    cut_off = [sent for sent in load.failed if sent.cut_off]
    report.cut_off = len(cut_off)
    report.cut_off_but_done = sum(1 for sent in cut_off if sent.value in ids)
    for sent in load.acknowledged:
        if not any(event in stored for event in ids.get(sent.value, ())) or (
            sent.kind == "_add_login" and sent.value not in current
        ):
            report.missing += 1
    # A value that a face sheet shows and no event tells of would be a change without a record.
    report.missing += sum(1 for value in current if value not in ids)


def _all(ids: Mapping[str, list[UUID]]) -> list[UUID]:
    return [event for events in ids.values() for event in events]


async def _changes(rig: Rig, load: Load) -> dict[str, list[UUID]]:
    """The committed events that set each of the load's values."""
    found: dict[str, list[UUID]] = defaultdict(list)
    rows = await rig.database.fetch(
        "select id, body from accounts.outbox where kind = 'event' and position($1 in body) > 0", load.mark
    )
    for row in rows:
        event = json.loads(row["body"])
        for value in _values(event["type"], event["payload"]):
            if value.startswith(load.mark):
                found[value].append(row["id"])
    return found


def _values(kind: str, payload: Mapping[str, Any]) -> list[str]:
    if kind == "face_sheet.updated":
        return [entry["new"] for block in payload["blocks"] for entry in block["entries"] if entry["new"]]
    return [payload["username"]] if kind == "portal_login.created" else []


async def _current(rig: Rig, load: Load) -> set[str]:
    """The load's values that the accounts database shows now."""
    logins = await rig.database.fetch(
        "select username from accounts.portal_logins where starts_with(username, $1)", load.mark
    )
    sheets = await rig.database.fetch(
        "select dynamic_fields -> 'current_residence' ->> 'Street' as value from accounts.clients"
        " where starts_with(dynamic_fields -> 'current_residence' ->> 'Street', $1)",
        load.mark,
    )
    return {row["username"] for row in logins} | {row["value"] for row in sheets}


async def _account_mails(rig: Rig, load: Load, report: Report, ended: float) -> None:
    rows = await rig.database.fetch(
        "select recipient, created_at from mail.deliveries where starts_with(recipient, $1)", load.mark
    )
    before = {row["recipient"] for row in rows if row["created_at"].timestamp() <= ended}
    wanted = Counter(row["recipient"] for row in rows)
    arrived = await asyncio.to_thread(_arrived, rig.mails, load.mark)
    report.mails = sum(len(ids) for ids in arrived.values())
    last = max((moment for address in before for moment, _ in arrived.get(address, ())), default=ended)
    report.mail_seconds = round(max(0.0, last - ended), 2)
    # A login that was acknowledged has its delivery, whatever else there is.
    expected = {load.address(s.value) for s in load.acknowledged if s.kind == "_add_login"} | wanted.keys()
    report.mails_forgotten = sum(1 for address in expected if not arrived.get(address))
    for copies in arrived.values():
        report.mails_doubled += len(copies) - 1
        report.mails_doubled_again += len(copies) > 2
        report.mails_disguised += len({message_id for _, message_id in copies}) - 1


def _arrived(folder: Path, mark: str) -> dict[str, list[tuple[float, str]]]:
    """What reached each address of a load: when, and under which Message-ID."""
    found: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for path in folder.glob("*.eml"):
        with path.open("rb") as file:
            headers = BytesHeaderParser().parse(file, headersonly=True)
        address = str(headers["Delivered-To"])
        if address.startswith(mark):
            # The mailbox names files by the microsecond of their arrival.
            found[address].append((int(path.name.partition("-")[0]) / 1e6, str(headers["Message-ID"])))
    return found
