"""What a budget of wrong passwords comes to, one after the other."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.accounts.sign_in_budgets import FAILURES, FIRST_LOCK, FORGET_AFTER, LONGEST_LOCK, Budget
from tests.support.clock import FakeClock

START = FakeClock().moment


def after(budget: Budget, failures: int, now: datetime) -> Budget:
    for _ in range(failures):
        budget = budget.after_failure(now)
    return budget


def test_the_tenth_wrong_password_locks_for_a_quarter_of_an_hour() -> None:
    nearly = after(Budget(), FAILURES - 1, START)
    assert not nearly.locked(START)
    locked = nearly.after_failure(START)
    assert locked.locked(START)
    assert locked.locked(START + FIRST_LOCK - timedelta(seconds=1))
    assert not locked.locked(START + FIRST_LOCK)


def test_each_lock_lasts_twice_as_long_up_to_an_hour() -> None:
    budget, now, lasted = Budget(), START, []
    for _ in range(5):
        budget = after(budget, FAILURES, now)
        assert budget.locked_until is not None
        lasted.append(budget.locked_until - now)
        now = budget.locked_until
    assert lasted == [FIRST_LOCK, 2 * FIRST_LOCK, LONGEST_LOCK, LONGEST_LOCK, LONGEST_LOCK]


def test_what_went_wrong_a_day_ago_is_forgotten() -> None:
    nearly = after(Budget(), FAILURES - 1, START)
    assert nearly.after_failure(START + FORGET_AFTER).failures == 1
    locked = after(Budget(), FAILURES, START)
    assert locked.locked_until is not None
    later = after(locked, FAILURES, locked.locked_until + FORGET_AFTER)
    assert later.locked_until == locked.locked_until + FORGET_AFTER + FIRST_LOCK


def test_within_a_day_they_add_up_however_slowly_they_come() -> None:
    budget, now = Budget(), START
    for _ in range(FAILURES):
        budget, now = budget.after_failure(now), now + FORGET_AFTER - timedelta(seconds=1)
    assert budget.locks == 1
