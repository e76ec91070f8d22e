"""What a process does about itself once it has started."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from shared.process import settle


class Knot:
    """Refers to itself, so that nothing but a collection frees it."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_what_is_there_at_the_start_is_not_looked_at_again() -> None:
    gc.unfreeze()
    settle()
    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold()[0] > 10_000


def test_garbage_of_before_and_after_is_freed() -> None:
    before = weakref.ref(Knot())
    settle()
    assert before() is None
    after = weakref.ref(Knot())
    gc.collect()
    assert after() is None
