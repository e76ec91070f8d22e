"""The short round: nothing is lost and nothing is told twice, whatever dies, stops or is cut off."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.faults.faults import FAULTS
from tests.faults.play import SHORT, Fault, play
from tests.faults.rig import Rig, running

pytestmark = [
    pytest.mark.faults,
    pytest.mark.xdist_group("faults"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(180),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig() -> AsyncIterator[Rig]:
    """One stack for all faults: what one of them leaves behind, the next one would find."""
    async with running() as found:
        yield found


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_nothing_is_lost_or_doubled(rig: Rig, fault: Fault) -> None:
    report = await play(rig, fault, SHORT)

    assert report.acknowledged > 0
    assert report.committed > 0
    assert report.wrong(mails_may_double=fault.mails_may_double) == []
    assert report.stored == report.committed
