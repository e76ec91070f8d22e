"""Each part of the bench measures something, at the smallest sizes. What it measures is nothing that a test asks for."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis
from rich.progress import Progress

from ops.bench import api, hashing, ingest, latency, mail, memory, partitions, queries, sign_ins, usernames, verify
from ops.bench.figures import Figure, Part
from ops.bench.stage import Stage
from tests.bench.conftest import TINY

# They share their servers.
pytestmark = pytest.mark.xdist_group("bench")


def by_name(part: Part) -> dict[str, Figure]:
    """The figures, each with a name of its own, a unit and a size."""
    found = {figure.name: figure for figure in part.figures}
    assert len(found) == len(part.figures)
    assert all(figure.unit and figure.size for figure in part.figures)
    return found


def rates(part: Part) -> dict[str, Figure]:
    """The same where each has a limit that was measured."""
    found = by_name(part)
    for figure in found.values():
        assert figure.ours > 0
        assert figure.limit
        assert figure.limit_name
    return found


async def test_ingest_compares_consumers_with_plain_inserts_and_with_each_other(stage: Stage) -> None:
    found = rates(await ingest.measure(stage, TINY))
    assert {name: str(figure.target) for name, figure in found.items()} == {
        "one consumer, 8 agencies": "ratio >= 0.7",
        "two consumers, 8 agencies": "ratio >= 1.15",
        "one consumer, one agency": "ratio >= 0.7",
        "two consumers, one agency": "ratio >= 1",
    }
    assert found["two consumers, one agency"].limit == found["one consumer, one agency"].ours


async def test_plain_inserts_store_the_rows_of_the_consumer_letter_by_letter(stage: Stage) -> None:
    async with (
        Redis.from_url(stage.valkey.url) as redis,
        stage.database("test_ours") as ours,
        stage.database("test_plain") as plain,
    ):
        bench = ingest.Ingest(stage, redis, ours)
        await bench.consume(ingest.published(2, 300), consumers=2)
        await bench.insert_plainly(plain, 300)
        contents = []
        for database in (ours, plain):
            async with database.owner() as conn:
                contents.append(
                    await conn.fetch("select id, agency_id, event, salt, seq, link from audit.events order by id")
                )
    assert len(contents[0]) == 300
    assert contents[0] == contents[1]


async def test_latency_tells_p50_and_p99_and_how_they_went(stage: Stage) -> None:
    part = await latency.measure(stage, TINY)
    found = by_name(part)
    assert [str(figure.target) for figure in found.values()] == ["< 20", "< 150"]
    assert 0 < found["commit to visible, p50"].ours <= found["commit to visible, p99"].ours
    # One in 25, of three seconds without the warm-up.
    assert "6 samples" in found["commit to visible, p50"].size
    assert [len(series.values) for series in part.series] == [3, 3]


async def test_queries_compares_a_large_store_with_a_small_one_for_both_clients(stage: Stage) -> None:
    part = await queries.measure(stage, TINY)
    found = rates(part)
    assert len([name for name in found if name.endswith("quiet client")]) == 21
    assert len([name for name in found if name.endswith("busy client")]) == 21
    targets = {str(figure.target) for name, figure in found.items() if not name.startswith("noise")}
    assert targets == {"ratio <= 1.5"}


async def test_api_compares_the_service_with_a_bare_handler(stage: Stage) -> None:
    found = rates(await api.measure(stage, TINY))
    assert list(found) == ["first page of activity", "first page of activity, p99"]


async def test_verify_compares_the_walk_with_fetching_and_hashing(stage: Stage) -> None:
    [figure] = rates(await verify.measure(stage, TINY)).values()
    assert str(figure.target) == "ratio >= 0.5"
    assert figure.size == "300 events of 8 agencies"


async def test_partitions_compares_each_layout_with_one_partition(stage: Stage) -> None:
    found = rates(await partitions.measure(stage, TINY))
    assert len(found) == 12
    assert {figure.limit_name for figure in found.values()} == {"one partition"}


async def test_memory_watches_every_process_of_a_whole_product(progress: Progress) -> None:
    part = await memory.measure(progress, TINY)
    found = by_name(part)
    assert set(found) == {
        *("admin", "portal", "audit", "notifier", "mailbox", "postgres", "valkey"),
        *("portico up", "postgres, shared buffers"),
    }
    assert all(figure.target for name, figure in found.items() if name != "postgres, shared buffers")
    assert all(min(series.values) > 1 for series in part.series)
    assert part.notes[0].startswith("150 events (0 refused), ")
    assert "(0 refused)" in part.notes[0]


async def test_hashing_compares_the_pool_with_one_thread(progress: Progress) -> None:
    rates(await hashing.measure(progress, TINY))


async def test_sign_ins_tells_what_a_flood_does_to_people_and_what_it_is_told(stage: Stage) -> None:
    part = await sign_ins.measure(stage, TINY)
    found = by_name(part)
    assert {str(figure.target) for figure in found.values() if figure.target} == {
        "ratio >= 0.85",
        "ratio < 5",
        "<= 0",
        "<= 60",
    }
    assert found["sign-ins with the right password"].ours > 0
    assert found["sign-ins with the right password"].size.endswith(" 0 refused")
    assert found["page, p99"].ours > 0
    assert found["answered otherwise than 401, or than 429 or 503 with Retry-After"].reached
    assert "times 401" in part.notes[0]


async def test_usernames_compares_those_that_exist_with_others(stage: Stage) -> None:
    assert len(rates(await usernames.measure(stage, TINY))) == 3


async def test_mail_compares_the_notifier_with_aiosmtplib_at_a_near_and_a_far_mail_server(stage: Stage) -> None:
    found = by_name(await mail.measure(stage, TINY))
    assert {name: str(figure.target or "") for name, figure in found.items()} == {
        "one notifier, a mail server that answers at once": "ratio >= 0.8",
        "one notifier, a mail server that answers after 50 ms": "ratio >= 0.8",
        "two notifiers, a mail server that answers at once": "",
        "memory of the notifier": "<= 4",
    }
    assert all(figure.ours > 0 for name, figure in found.items() if "notifier," in name)
