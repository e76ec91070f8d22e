"""What a verification found, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.table import Table

from ops.audit.counts import counted
from services.audit.findings import ChainReport, Finding


def show(reports: Sequence[ChainReport], names: Mapping[UUID, str], *, since: datetime | None, exported: bool) -> None:
    """Print a table of the chains, then each finding in a sentence, then the outcome."""
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for heading in ("agency", "year"):
        table.add_column(heading, no_wrap=True)
    for heading in ("events", "erased", "retired"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("sealed up to", no_wrap=True)
    table.add_column("found", no_wrap=True)
    for report in reports:
        retired = f"{report.retired:,}" if report.retired else ""
        erased = f"{report.erased:,}" if report.erased else ""
        found = ", ".join(dict.fromkeys(f.kind for f in report.findings)) or "well"
        chain = report.chain
        table.add_row(
            *(_name(names, chain.agency_id), str(chain.year), f"{report.events:,}", erased, retired),
            *(_sealed(report), found),
        )
    console.print(table)
    for report in reports:
        for finding in report.findings:
            _say(console, f"{_name(names, report.chain.agency_id)} {report.chain.year}: {_sentence(finding)}")
    _tell_limits(console, reports, since=since, exported=exported)
    events, bad = sum(r.events for r in reports), sum(not r.well for r in reports)
    if bad:
        _say(console, f"TAMPERING was found in {bad:,} of {counted(len(reports), 'chain')}.")
    else:
        _say(console, f"Well: {counted(events, 'event')} in {counted(len(reports), 'chain')} as they were stored.")


def _tell_limits(console: Console, reports: Sequence[ChainReport], *, since: datetime | None, exported: bool) -> None:
    begun = [r for r in reports if r.since_seal is not None]
    if since is not None:
        _say(
            console,
            f"{counted(len(begun), 'chain')} began at the last good seal before {since:%Y-%m-%d}, which was believed"
            f" for {counted(sum(r.began_after for r in begun), 'event')}; {len(reports) - len(begun):,} had none and"
            " were walked as a whole.",
        )
    if not exported:
        _say(console, "No exported seals were given: seals that were removed from the database are not missed.")
    unsealed = sum(max(0, r.last_seq - (r.sealed_seq or 0)) for r in reports if r.well)
    if unsealed:
        _say(console, f"No seal vouches yet for {counted(unsealed, 'event')}.")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)


def _name(names: Mapping[UUID, str], agency_id: UUID) -> str:
    return names.get(agency_id, str(agency_id))


def _sealed(report: ChainReport) -> str:
    if report.sealed_seq is None:
        return "-"
    return f"{report.sealed_seq:,}" + (f" ({report.sealed_at:%Y-%m-%d %H:%M} UTC)" if report.sealed_at else "")


def _sentence(finding: Finding) -> str:
    event = ""
    if finding.event_id is not None:
        when = f" of {finding.at:%Y-%m-%d %H:%M:%S} UTC" if finding.at else ""
        event = f" (event {finding.event_id}{when})"
    return f"{finding.kind}: {finding.text}{event}."


def as_json(reports: Sequence[ChainReport], names: Mapping[UUID, str]) -> str:
    """The same for programs."""
    return json.dumps(
        {
            "well": all(r.well for r in reports),
            "events": sum(r.events for r in reports),
            "chains": [_chain(r, names) for r in reports],
        },
        indent=1,
    )


def _chain(report: ChainReport, names: Mapping[UUID, str]) -> dict[str, Any]:
    return {
        "agency_id": str(report.chain.agency_id),
        "agency": names.get(report.chain.agency_id),
        "year": report.chain.year,
        "well": report.well,
        "events": report.events,
        "erased": report.erased,
        "unchained": report.unchained,
        "retired": report.retired,
        "began_after": report.began_after,
        "since_seal": _moment(report.since_seal),
        "sealed_seq": report.sealed_seq,
        "sealed_at": _moment(report.sealed_at),
        "last_seq": report.last_seq,
        "findings": [
            {
                "kind": f.kind,
                "text": f.text,
                "seq": f.seq,
                "event_id": str(f.event_id) if f.event_id else None,
                "at": _moment(f.at),
            }
            for f in report.findings
        ],
    }


def _moment(when: datetime | None) -> str | None:
    return when.isoformat() if when is not None else None
