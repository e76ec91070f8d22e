"""The verification of all chains, in a process of its own as an operator's command is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ops.bench.child import Bench, play
from services.audit.evidence import ExportedSeals
from services.audit.findings import ChainReport
from services.audit.seals import PublicKeys
from services.audit.verify import open_pool, verify
from shared.clock import system_clock


async def verify_all(bench: Bench, told: Mapping[str, Any]) -> None:
    """Verify the store at ``store_url``; answers how many events in how many seconds, and how much was found wrong."""
    pool = await open_pool(told["store_url"])
    try:
        await pool.check()
        await bench.ready()
        started, events, findings = time.perf_counter(), 0, 0
        async for step in verify(pool, keys=PublicKeys([]), exported=ExportedSeals([]), now=system_clock()):
            if isinstance(step, ChainReport):
                events += step.events
                findings += len(step.findings)
        bench.say(seconds=time.perf_counter() - started, rows=events, findings=findings)
    finally:
        await pool.close()


if __name__ == "__main__":
    play(verify_all)
