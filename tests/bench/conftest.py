"""One stage for all tests of the bench."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rich.console import Console
from rich.progress import Progress

from ops.bench.stage import Options, Stage
from ops.bench.stage import stage as opened_stage
from tests.support.loop import LoopThread

TINY = Options(
    events=300,
    rows=4000,
    small_rows=2000,
    rate=50,
    seconds=3,
    rounds=1,
    repeats=5,
    connections=2,
    mails=40,
)


@pytest.fixture(scope="session")
def progress() -> Iterator[Progress]:
    with Progress(console=Console(quiet=True), disable=True) as found:
        yield found


@pytest.fixture(scope="session")
def stage(servers_loop: LoopThread, progress: Progress) -> Iterator[Stage]:
    """Servers with durable settings, as the bench measures on."""
    context = opened_stage(progress)
    yield servers_loop.run(context.__aenter__())
    servers_loop.run(context.__aexit__(None, None, None))
