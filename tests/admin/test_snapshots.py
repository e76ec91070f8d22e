"""What was typed, what somebody else stored, and what the fields hold afterwards."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.admin.pages.snapshots import Difference, Field, Snapshot, differences, merged
from services.admin.pages.wording import as_options, case_facts, iso_as_us_date, log_time, us_date
from shared.accounts.clients import Case
from shared.errors import Unparsable

_ID = UUID(int=7)
_WORDS = st.text("ab ", max_size=3)
_VALUES = st.fixed_dictionaries({"x": _WORDS.map(str.strip), "y": _WORDS.map(str.strip)})


def snapshot(values: dict[str, str], version: int = 1) -> Snapshot:
    return Snapshot(id=_ID, version=version, values=values)


def test_a_field_is_touched_when_it_says_something_else() -> None:
    base = snapshot({"a": "one", "b": "", "c": "on"})
    assert base.touched({"a": " one ", "b": "  ", "c": "on"}) == frozenset()
    assert base.touched({"a": "ONE", "b": "x", "c": ""}) == {"a", "b", "c"}
    assert base.touched({}) == frozenset(), "what was not on the page was not touched"


def test_differences_name_what_others_changed() -> None:
    base = snapshot({"a": "1", "b": "1", "c": "", "d": "same"})
    current = snapshot({"a": "2", "b": "2", "c": "on", "d": "same"}, 2)
    fields = [Field("a", "A"), Field("b", "B"), Field("c", "C", box=True), Field("d", "D")]
    assert differences(fields, base, current, {"a": "mine", "b": "1", "c": "", "d": "mine"}) == [
        Difference("A", "1", "2", "mine"),
        Difference("B", "1", "2", None),
        Difference("C", "No", "Yes", None),
    ]


@given(_VALUES, _VALUES, _VALUES)
def test_nothing_typed_is_lost_and_nothing_stored_is_undone(
    base: dict[str, str], current: dict[str, str], typed: dict[str, str]
) -> None:
    now = merged(snapshot(base), snapshot(current, 2), typed)
    for name in ("x", "y"):
        assert now[name] == (typed[name] if typed[name].strip() != base[name] else current[name])


@given(_VALUES)
def test_a_snapshot_comes_back_from_its_form(values: dict[str, str]) -> None:
    found = snapshot(values)
    assert Snapshot.read(found.model_dump_json()) == found


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"id": "x", "version": 1, "values": {}}', '{"id": 1e999}'])
def test_what_is_no_snapshot_is_refused(text: str) -> None:
    with pytest.raises(Unparsable):
        Snapshot.read(text)


def test_dates_and_times_are_written_as_staff_know_them() -> None:
    assert us_date(date(1966, 3, 7)) == "03/07/1966"
    assert us_date(None) == ""
    assert iso_as_us_date("2020-05-06") == "05/06/2020"
    assert iso_as_us_date("some day") == "some day"
    zone = ZoneInfo("America/New_York")
    assert log_time(datetime(2022, 6, 16, 13, 46, 48, tzinfo=UTC), zone) == "6/16/2022 9:46:48 AM"
    assert log_time(datetime(2022, 6, 16, 4, 0, tzinfo=UTC), zone) == "6/16/2022 12:00:00 AM"
    assert log_time(datetime(2022, 6, 16, 16, 5, 9, tzinfo=UTC), zone) == "6/16/2022 12:05:09 PM"


def test_a_case_in_one_line() -> None:
    case = Case(_ID, _ID, "C1", "Residential", date(2019, 4, 30), date(2020, 1, 2))
    assert case_facts(case) == "Residential, opened 04/30/2019, closed 01/02/2020"
    assert case_facts(Case(_ID, _ID, "C1", "", None, None)) == ""


def test_a_list_offers_what_is_stored_even_when_it_is_no_choice_any_more() -> None:
    assert as_options(("Yes", "No"), "No") == [("", "Not recorded"), ("Yes", "Yes"), ("No", "No")]
    assert as_options(("Yes", "No"), "Unsure")[-1] == ("Unsure", "Unsure")
