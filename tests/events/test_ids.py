"""Event ids: UUIDv7 of the event's own time, in the order in which they were made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122

from hypothesis import given
from hypothesis import strategies as st

from shared.events import EventIds, lowest_id_at, time_of

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@given(MOMENTS)
def test_an_id_is_a_version_7_uuid_of_its_time(moment: datetime) -> None:
    found = EventIds()(moment)
    assert (found.version, found.variant) == (7, RFC_4122)
    assert timedelta() <= moment - time_of(found) < timedelta(milliseconds=1)


@given(st.lists(MOMENTS, min_size=2, max_size=20))
def test_later_events_have_higher_ids(moments: list[datetime]) -> None:
    ids = EventIds()
    made = [ids(moment) for moment in sorted(moments)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_events_of_one_moment_keep_their_order() -> None:
    moment, ids = datetime(2026, 3, 2, 9, 30, tzinfo=UTC), EventIds()
    made = [ids(moment) for _ in range(1000)]
    assert made == sorted(made)


def test_an_event_of_the_past_keeps_its_own_time() -> None:
    ids = EventIds()
    ids(datetime(2026, 3, 2, tzinfo=UTC))
    past = datetime(2022, 6, 14, 10, 46, 18, tzinfo=UTC)
    assert time_of(ids(past)) == past


@given(MOMENTS)
def test_the_lowest_id_bounds_a_moment(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    ids = EventIds()
    assert ids(whole - timedelta(milliseconds=1)) < lowest_id_at(whole) <= ids(whole)
