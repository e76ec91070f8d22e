"""Whatever an owner of the database does to events is found, and named with the first event that it concerns."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.audit import retention
from services.audit.evidence import ExportedSeals
from services.audit.findings import ChainReport
from services.audit.seals import PublicKeys, SealKey
from services.audit.verify import verify
from services.audit.walk import Walked
from shared.actors import operator
from shared.security.tokens import new_signing_key
from tests.audit.events import NOON, an_event
from tests.audit.ledger import KEY, Ledger


@pytest.fixture
async def sealed(ledger: Ledger) -> Ledger:
    """Ten events, sealed after the third, the seventh and the last."""
    for count in (3, 4, 3):
        await ledger.add(count)
        await ledger.seal()
    return ledger


async def test_an_untouched_chain_is_well(sealed: Ledger) -> None:
    await sealed.add(2)
    [report] = await sealed.verify()
    assert report.well, report.findings
    assert (report.events, report.sealed_seq, report.last_seq) == (12, 10, 12)
    assert report.sealed_at == sealed.clock()


async def test_an_edited_event_is_named(sealed: Ledger) -> None:
    await sealed.sql("update audit.events set actor_name = 'Nobody' where {chain} and seq = 5")
    found = await sealed.finding()
    assert (found.kind, found.seq, found.event_id) == ("edited", 5, await sealed.id_at(5))
    assert found.at is not None
    assert found.text.startswith("event 5 was edited")
    # With a seal right before it nothing else can have been.
    await sealed.sql("update audit.events set actor_name = 'cmalek' where {chain} and seq = 5")
    await sealed.sql("update audit.events set actor_name = 'Nobody' where {chain} and seq = 4")
    assert (await sealed.finding()).text == "event 4 was edited"


async def test_the_last_event_edited_before_any_seal_is_named(ledger: Ledger) -> None:
    await ledger.add(4)
    await ledger.sql("update audit.events set type = 'other.thing' where {chain} and seq = 4")
    found = await ledger.finding()
    assert (found.kind, found.seq) == ("edited", 4)


async def test_an_edited_link_is_told_apart(sealed: Ledger) -> None:
    await sealed.sql("update audit.events set link = sha256('x') where {chain} and seq = 5")
    found = await sealed.finding()
    assert (found.kind, found.seq) == ("edited", 5)
    assert "its link was changed, and nothing else" in found.text


async def test_an_edited_event_with_its_own_link_made_anew_is_not_laid_at_its_neighbours_door_alone(
    sealed: Ledger,
) -> None:
    await sealed.sql("update audit.events set actor_name = 'Nobody' where {chain} and seq = 5")
    rows = await sealed.sql("select seq, link from audit.events where {chain} order by seq")
    end = rows[-1]["link"]
    await sealed.relink(5)
    for row in rows[5:]:
        await sealed.sql("update audit.events set link = $1 where {chain} and seq = $2", row["link"], row["seq"])
    await sealed.end(10, end)
    found = await sealed.finding()
    assert (found.kind, found.seq) == ("edited", 6)
    assert "or one from 4 on" in found.text


@pytest.mark.parametrize("numbers", [(5,), (5, 6), (1,), (1, 2, 3, 4)])
async def test_a_gap_is_a_removal(sealed: Ledger, numbers: tuple[int, ...]) -> None:
    await sealed.sql("delete from audit.events where {chain} and seq = any($1::bigint[])", numbers)
    found = await sealed.finding()
    assert (found.kind, found.seq) == ("removed", numbers[0])


@pytest.mark.parametrize("update_chain", [False, True])
@pytest.mark.parametrize("first", [10, 8, 6, 1])
async def test_events_removed_at_the_end_are_missed(sealed: Ledger, first: int, update_chain: bool) -> None:
    await sealed.sql("delete from audit.events where {chain} and seq >= $1", first)
    if update_chain:
        await sealed.end(first - 1)
    found = await sealed.finding()
    assert (found.kind, found.seq) == ("removed", first)
    assert "at the end" in found.text


@pytest.mark.parametrize("update_chain", [False, True])
@pytest.mark.parametrize("first", [1, 2, 5, 8, 9])
async def test_a_removal_with_the_rest_renumbered_is_told_from_an_edit(
    sealed: Ledger, first: int, update_chain: bool
) -> None:
    await sealed.sql("delete from audit.events where {chain} and seq = $1", first)
    await sealed.sql("update audit.events set seq = seq - 1 where {chain} and seq > $1", first)
    if update_chain:
        await sealed.end(9)
    found = await sealed.finding()
    assert (found.kind, found.seq) == ("removed", first)
    assert "renumbered" in found.text


async def test_a_removal_before_any_seal_is_told_by_the_chains_row(ledger: Ledger) -> None:
    await ledger.add(6)
    await ledger.sql("delete from audit.events where {chain} and seq = 3")
    await ledger.sql("update audit.events set seq = seq - 1 where {chain} and seq > 3")
    found = await ledger.finding()
    assert (found.kind, found.seq) == ("removed", 3)
    await ledger.end(5)
    # Now nothing tells the two apart, and it says so.
    found = await ledger.finding()
    assert (found.kind, found.seq) == ("edited", 3)
    assert "or an event before it was removed" in found.text


async def test_a_number_that_is_there_twice_is_an_insertion(sealed: Ledger) -> None:
    genuine = [await sealed.id_at(n) for n in range(1, 11)]
    for number in (1, 4, 10):
        event_id = await sealed.insert(number)
        found = await sealed.finding()
        assert (found.kind, found.seq, found.event_id) == ("inserted", number, event_id)
        assert event_id not in genuine
        await sealed.sql("delete from audit.events where id = $1", event_id)


async def test_an_inserted_twin_with_a_link_that_fits_is_told_from_the_genuine_one(sealed: Ledger) -> None:
    for number in (4, 10):
        event_id = await sealed.insert(number)
        before = (await sealed.sql("select link from audit.events where {chain} and seq = $1", number - 1))[0]["link"]
        made = await sealed.link_after(before, event_id)
        await sealed.sql("update audit.events set link = $1 where id = $2", made, event_id)
        found = await sealed.finding()
        assert (found.kind, found.seq, found.event_id) == ("inserted", number, event_id)
        await sealed.sql("delete from audit.events where id = $1", event_id)


@pytest.mark.parametrize("fitting", [False, True])
@pytest.mark.parametrize("update_chain", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 7, 8, 9, 10])
async def test_an_insertion_with_the_rest_renumbered_is_named(
    sealed: Ledger, number: int, update_chain: bool, fitting: bool
) -> None:
    await sealed.sql("update audit.events set seq = seq + 1 where {chain} and seq >= $1", number)
    event_id = await sealed.insert(number)
    if fitting:
        await sealed.fit(number)
    if update_chain:
        await sealed.end(11)
    found = await sealed.finding()
    assert (found.kind, found.seq, found.event_id) == ("inserted", number, event_id)


async def test_an_event_beyond_the_end_is_an_insertion(sealed: Ledger) -> None:
    event_id = await sealed.insert(11)
    found = await sealed.finding()
    assert (found.kind, found.seq) in [("inserted", 11), ("edited", 11)]
    assert found.event_id == event_id
    await sealed.fit(11)
    found = await sealed.finding()
    assert (found.kind, found.seq, found.event_id) == ("inserted", 11, event_id)


async def test_an_event_beside_the_chain_is_an_insertion(sealed: Ledger) -> None:
    event_id = await sealed.insert(None, link=None)
    found = await sealed.finding()
    assert (found.kind, found.event_id) == ("inserted", event_id)
    # Nor does it help to say that it had always been there.
    await sealed.sql("update audit.chains set unchained = 1")
    found = await sealed.finding()
    assert (found.kind, found.event_id) == ("inserted", event_id)


async def test_an_event_in_a_year_without_a_chain_is_an_insertion(sealed: Ledger) -> None:
    for year, number in ((2031, 1), (2019, None)):
        event_id = await sealed.insert(number, at=datetime(year, 5, 5, tzinfo=UTC))
        found = [r for r in await sealed.verify() if not r.well]
        assert [(r.chain.year, r.findings[0].kind) for r in found] == [(year, "inserted")]
        assert found[0].findings[0].event_id == event_id
        await sealed.sql("delete from audit.events where id = $1", event_id)


@pytest.mark.parametrize("with_links", [False, True])
@pytest.mark.parametrize(("one", "other"), [(4, 5), (1, 2), (9, 10), (2, 9), (1, 10), (3, 8)])
async def test_swapped_events_are_named(sealed: Ledger, one: int, other: int, with_links: bool) -> None:
    columns = "seq, link" if with_links else "seq"
    values = "b.seq, b.link" if with_links else "b.seq"
    await sealed.sql(
        f"update audit.events a set ({columns}) = (select {values} from audit.events b"
        " where b.agency_id = a.agency_id and b.seq = case a.seq when $1 then $2 else $1 end)"
        " where a.agency_id = $3 and a.seq in ($1, $2)",
        *(one, other, sealed.agency),
    )
    found = await sealed.finding()
    assert (found.kind, found.seq, found.event_id) == ("reordered", one, await sealed.id_at(one))


@pytest.mark.parametrize("number", [1, 5, 10])
async def test_an_event_that_lost_or_changed_its_number_is_named(sealed: Ledger, number: int) -> None:
    event_id = await sealed.id_at(number)
    for now in (None, 11, 400):
        await sealed.sql("update audit.events set seq = $1 where id = $2", now, event_id)
        found = await sealed.finding()
        assert (found.kind, found.seq, found.event_id) == ("reordered", number, event_id)
    other = 3 if number != 3 else 4
    await sealed.sql("update audit.events set seq = $1 where id = $2", other, event_id)
    found = await sealed.finding()
    assert found.kind == "reordered"


async def test_an_event_moved_forward_is_named(sealed: Ledger) -> None:
    event_id = await sealed.id_at(3)
    await sealed.sql(
        "update audit.events set seq = case seq when 3 then 8 else seq - 1 end where {chain} and seq between 3 and 8"
    )
    found = await sealed.finding()
    assert (found.kind, found.seq) == ("reordered", 3)
    assert found.event_id != event_id


@pytest.mark.parametrize(("edited", "first"), [(1, 1), (2, 1), (3, 1), (4, 4), (7, 4), (9, 8), (10, 8)])
async def test_a_rewritten_end_contradicts_the_seals(sealed: Ledger, edited: int, first: int) -> None:
    await sealed.sql("update audit.events set actor_name = 'Nobody' where {chain} and seq = $1", edited)
    await sealed.relink(edited)
    found = await sealed.finding()
    assert (found.kind, found.seq, found.event_id) == ("rewritten", first, await sealed.id_at(first))
    expected = (
        "the whole chain was rewritten" if first == 1 else f"rewritten after event {first - 1} (last good seal at"
    )
    assert found.text.startswith(expected)
    # Nor does it help to have the rewritten chain sealed.
    await sealed.add(2)
    await sealed.seal()
    found = await sealed.finding()
    assert (found.kind, found.seq) == ("rewritten", first)


@pytest.mark.parametrize("removed", [1, 5])
async def test_a_removal_with_all_links_made_anew_is_a_rewriting(sealed: Ledger, removed: int) -> None:
    await sealed.sql("delete from audit.events where {chain} and seq = $1", removed)
    await sealed.sql("update audit.events set seq = seq - 1 where {chain} and seq > $1", removed)
    await sealed.relink(removed)
    found = await sealed.finding()
    assert (found.kind, found.seq) == ("rewritten", 1 if removed == 1 else 4)


async def test_events_that_take_the_place_of_removed_ones_are_a_rewriting(sealed: Ledger) -> None:
    await sealed.sql("delete from audit.events where {chain} and seq > 5")
    await sealed.end(5)
    await sealed.add(9)
    found = await sealed.finding()
    assert (found.kind, found.seq) == ("rewritten", 4)


async def test_a_chain_that_is_gone_is_missed(sealed: Ledger) -> None:
    await sealed.sql("delete from audit.events where {chain}")
    await sealed.sql("delete from audit.chains")
    found = await sealed.finding()
    assert found.kind == "missing"
    assert "knows 10 events" in found.text
    # With its seals, but for those that were exported.
    await sealed.sql("delete from audit.seals")
    found = await sealed.finding()
    assert found.kind == "missing"
    # A late event begins it anew.
    await sealed.add(1)
    found = await sealed.finding()
    assert (found.kind, found.seq) == ("removed", 2)
    await sealed.add(14)
    found = await sealed.finding()
    assert (found.kind, found.seq) == ("rewritten", 1)


async def test_a_chain_that_is_gone_with_all_seals_is_missed_by_the_next_year(sealed: Ledger) -> None:
    await sealed.add(3, at=NOON.replace(year=2027))
    await sealed.seal()
    await sealed.sql("delete from audit.events where {chain}")
    await sealed.sql("delete from audit.chains where year = 2026")
    await sealed.sql("delete from audit.seals where year = 2026")
    sealed.export.unlink()
    gone, next_year = await sealed.verify()
    assert (gone.chain.year, gone.findings[0].kind) == (2026, "missing")
    assert "the start of the chain of 2027 knows 10 events" in gone.findings[0].text
    assert next_year.well


async def test_a_chain_whose_row_is_gone_is_named(sealed: Ledger) -> None:
    await sealed.sql("delete from audit.chains")
    found = await sealed.finding()
    assert found.kind == "missing"
    assert "its row" in found.text


async def test_a_changed_row_of_a_chain_is_named(sealed: Ledger) -> None:
    await sealed.sql("update audit.chains set link = sha256('x')")
    found = await sealed.finding()
    assert (found.kind, found.seq) == ("row-changed", 10)
    await sealed.end(6)
    found = await sealed.finding()
    assert (found.kind, found.seq) == ("row-changed", 6)
    await sealed.end(10)
    assert (await sealed.verify())[0].well
    await sealed.sql("update audit.chains set previous_year = 2025, previous_seq = 1, previous_link = sha256('x')")
    found = next(r for r in await sealed.verify() if r.chain.year == 2026).findings[0]
    assert found.kind == "row-changed"


async def test_events_that_were_removed_as_if_their_time_was_over_are_missed(sealed: Ledger) -> None:
    await sealed.sql("update audit.chains set retired_seq = seq, retired_link = link")
    await sealed.sql("delete from audit.events where {chain}")
    found = await sealed.finding()
    assert (found.kind, found.seq) == ("removed", 1)
    assert "before the time of their year was over" in found.text


async def test_a_seal_with_a_wrong_signature_is_named(sealed: Ledger) -> None:
    await sealed.sql("update audit.seals set signature = overlay(signature placing '\\x00' from 9) where seq = 7")
    found = await sealed.finding()
    assert (found.kind, found.seq) == ("seal-wrong", 7)
    assert "in the database" in found.text


@pytest.mark.parametrize(
    "change",
    [
        "seq = 4",
        "unchained = 1",
        "sealed_at = sealed_at + interval '1 microsecond'",
        "previous_year = 2025",
        "previous_link = ''",
    ],
)
async def test_nothing_of_a_seal_can_be_changed(sealed: Ledger, change: str) -> None:
    await sealed.sql(f"update audit.seals set {change} where seq = 3")
    assert (await sealed.finding()).kind == "seal-wrong"


async def test_a_seal_of_an_unknown_key_is_named_and_an_old_key_is_believed(sealed: Ledger) -> None:
    new = SealKey(new_signing_key())
    await sealed.add(1)
    await sealed.sealer(key=new).round()
    found = await sealed.finding()
    assert (found.kind, found.seq) == ("seal-unknown", 11)
    assert new.kid in found.text
    [report] = await sealed.verify(keys=PublicKeys([KEY.public_pem, new.public_pem]))
    assert report.well
    assert report.sealed_seq == 11


async def test_a_seal_that_was_removed_from_the_database_is_named(sealed: Ledger) -> None:
    await sealed.sql("delete from audit.seals where seq = 7")
    found = await sealed.finding()
    assert (found.kind, found.seq) == ("seal-removed", 7)
    # Nobody can tell without what was exported.
    assert (await sealed.verify(exported=[]))[0].well


async def test_an_exported_seal_shows_a_rewriting_though_the_database_has_no_seal(sealed: Ledger) -> None:
    await sealed.sql("update audit.events set actor_name = 'Nobody' where {chain} and seq = 5")
    await sealed.relink(5)
    await sealed.sql("delete from audit.seals")
    assert (await sealed.verify(exported=[]))[0].well
    found = await sealed.finding()
    assert (found.kind, found.seq) == ("rewritten", 4)


async def test_erased_events_are_counted_and_well(sealed: Ledger) -> None:
    await sealed.sql(
        "update audit.events set erased_digest = sha256(salt || convert_to(actor_name, 'UTF8') || '\\x00'"
        " || convert_to(event, 'UTF8')), event = null, salt = null, actor_name = null where {chain} and seq in (2, 5)"
    )
    [report] = await sealed.verify()
    assert report.well, report.findings
    assert report.erased == 2
    await sealed.sql("update audit.events set body = '{}' where {chain} and seq = 5")
    assert (await sealed.finding()).seq == 5


async def test_bytes_moved_from_the_name_into_the_salt_are_an_edit(sealed: Ledger) -> None:
    await sealed.sql(
        "update audit.events set salt = salt || convert_to(left(actor_name, 1), 'UTF8'), actor_name = substr(actor_name, 2)"
        " where {chain} and seq = 6"
    )
    found = await sealed.finding()
    assert (found.kind, found.seq) == ("edited", 6)


async def test_several_years_with_late_events_are_well(ledger: Ledger) -> None:
    for year in (2024, 2025, 2026, 2025, 2023, 2026):
        await ledger.add(3, at=NOON.replace(year=year))
        await ledger.seal()
    reports = await ledger.verify()
    assert [(r.chain.year, r.events, r.well) for r in reports] == [
        (2023, 3, True),
        (2024, 3, True),
        (2025, 6, True),
        (2026, 6, True),
    ]


async def test_what_several_consumers_stored_at_once_is_well(ledger: Ledger) -> None:
    batches = [[an_event(agency_id=ledger.agency) for _ in range(50)] for _ in range(12)]
    await asyncio.gather(*(ledger.keep(*batch) for batch in batches), ledger.sealer().round())
    await ledger.seal()
    [report] = await ledger.verify()
    assert report.well, report.findings
    assert report.events == 600


async def test_events_of_the_time_before_chains_are_counted(ledger: Ledger) -> None:
    await ledger.add(2)
    old = [await ledger.insert(None, salt=None, event=None, link=None, body="{}") for _ in range(3)]
    await ledger.sql("update audit.chains set unchained = 3")
    await ledger.seal()
    [report] = await ledger.verify()
    assert report.well
    assert report.unchained == 3
    await ledger.sql("delete from audit.events where id = $1", old[0])
    found = await ledger.finding()
    assert found.kind == "removed"
    assert "1 of 3" in found.text


LONG_OVER = NOON.replace(year=2017)


async def retire(ledger: Ledger) -> None:
    """What the command does when the time of 2017 is over."""
    conn = await asyncpg.connect(ledger.database.owner_url)
    try:
        found = await retention.shares(conn, 2017)
        await retention.retire(
            conn, year=2017, found=found, by=lambda agency: operator(agency, "ann", "desk"), now=ledger.clock()
        )
    finally:
        await conn.close()


@pytest.fixture
async def old(ledger: Ledger) -> Ledger:
    """Twenty events of a year whose time is over, in a partition."""
    ledger.year = 2017
    await ledger.sql("select audit.ensure_partition(2017)")
    await ledger.add(20, at=LONG_OVER)
    await ledger.seal()
    return ledger


async def of_2017(ledger: Ledger) -> ChainReport:
    return next(r for r in await ledger.verify() if r.chain.year == 2017)


async def test_a_retired_year_is_well_and_late_events_go_on_from_there(old: Ledger) -> None:
    await retire(old)
    report = await of_2017(old)
    assert report.well, report.findings
    assert (report.retired, report.events) == (20, 0)
    await old.add(2, at=LONG_OVER)
    await old.seal()
    report = await of_2017(old)
    assert report.well, report.findings
    assert (report.began_after, report.events, report.last_seq) == (20, 2, 22)
    await old.sql("update audit.chains set retired_link = sha256('x') where year = 2017")
    assert not (await of_2017(old)).well


async def test_an_event_put_among_retired_ones_is_an_insertion(old: Ledger) -> None:
    await retire(old)
    event_id = await old.insert(7, at=LONG_OVER)
    found = (await of_2017(old)).findings[0]
    assert (found.kind, found.seq, found.event_id) == ("inserted", 7, event_id)


async def test_a_year_that_is_retired_while_it_is_walked_is_well(old: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.audit.walk.WINDOW", 2)
    keys, exported = PublicKeys([KEY.public_pem]), ExportedSeals([old.export])
    steps = verify(old.owner, keys=keys, exported=exported, now=old.clock(), agency_id=old.agency)
    reports, walked = [], 0
    async for step in steps:
        if isinstance(step, ChainReport):
            reports.append(step)
        elif isinstance(step, Walked):
            walked += step.events
            if walked == 4:
                await retire(old)
    [report] = [r for r in reports if r.chain.year == 2017]
    assert report.well, report.findings
    assert (report.retired, report.events) == (20, 0)
    assert walked == 0


async def test_a_verification_may_begin_at_a_seal(sealed: Ledger) -> None:
    await sealed.sql("update audit.events set actor_name = 'Nobody' where {chain} and seq = 2")
    [report] = await sealed.verify(since=sealed.clock() - timedelta(minutes=1))
    assert report.well
    assert (report.began_after, report.events) == (7, 3)
    assert report.since_seal == sealed.clock() - timedelta(minutes=5)
    assert not (await sealed.verify(since=sealed.clock() - timedelta(days=400)))[0].well


async def test_other_agencies_are_left_out(sealed: Ledger) -> None:
    other = uuid4()
    await sealed.add(3, agency=other)
    await sealed.sql("update audit.events set actor_name = 'Nobody' where agency_id = $1", other)
    assert [r.well for r in await sealed.verify()] == [True]
    reports = await sealed.verify(agency_id=None)
    assert {r.chain.agency_id: r.well for r in reports} == {sealed.agency: True, other: False}


async def test_events_that_come_in_meanwhile_do_not_disturb(sealed: Ledger) -> None:
    async def coming_in() -> None:
        for _ in range(20):
            await sealed.add(5)
            await sealed.sealer().round()

    incoming = asyncio.create_task(coming_in())
    while not incoming.done():
        [report] = await sealed.verify()
        assert report.well, report.findings
    await incoming
    assert (await sealed.verify())[0].events == 110


def another(value: Any, draw: st.DrawFn) -> Any:
    """A value of the same column that differs in as little as can be."""
    if value is None or isinstance(value, bool):
        return not value
    if isinstance(value, UUID):
        return UUID(int=value.int ^ 1 << draw(st.integers(0, 127)))
    if isinstance(value, datetime):
        return value + timedelta(microseconds=draw(st.integers(1, 10**9)))
    if isinstance(value, int):
        return value + draw(st.integers(1, 30))
    at = draw(st.integers(0, len(value) - 1))
    if isinstance(value, bytes):
        return value[:at] + bytes([value[at] ^ 1 << draw(st.integers(0, 7))]) + value[at + 1 :]
    return value[:at] + chr(ord(value[at]) ^ 1) + value[at + 1 :]


# What is null takes a value of its kind.
INSTEAD_OF_NULL = {
    "client_id": UUID(int=5),
    "case_id": UUID(int=5),
    "portal_login_id": UUID(int=5),
    "change_type": "",
    "erased_digest": b"x" * 32,
    "body": {},
}
NULLABLE = ("seq", "link", "event", "salt", "actor_name")
# When the row was stored is no part of the event.
COLUMNS = (
    *("id", "agency_id", "type", "version", "occurred_at", "actor_key", "actor_name", "client_id", "case_id"),
    *("portal_login_id", "in_activity", "change_type", "body", "event", "salt", "erased_digest", "seq", "link"),
)


@given(data=st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_change_of_any_column_is_found(sealed: Ledger, data: st.DataObject) -> None:
    column = data.draw(st.sampled_from(COLUMNS))
    number = data.draw(st.integers(1, 10))
    [row] = await sealed.sql(f"select {', '.join(COLUMNS)} from audit.events where {{chain}} and seq = $1", number)
    if column in NULLABLE and data.draw(st.booleans()):
        changed: Any = None
    elif column in INSTEAD_OF_NULL:
        changed = INSTEAD_OF_NULL[column]
    else:
        changed = data.draw(st.composite(lambda draw: another(row[column], draw))())
    written = json.dumps(changed) if column == "body" else changed
    await sealed.sql(f"update audit.events set {column} = $1 where id = $2", written, row["id"])
    try:
        reports = await sealed.verify(agency_id=None)
    finally:
        now = changed if column == "id" else row["id"]
        await sealed.sql(f"update audit.events set {column} = $1 where id = $2", row[column], now)
    [own] = [r for r in reports if r.chain.agency_id == sealed.agency and r.chain.year == 2026]
    assert not own.well
    assert own.findings[0].seq is not None
    # An event that carries another's number is met there.
    assert own.findings[0].seq == (min(changed, number) if column == "seq" and changed is not None else number)
