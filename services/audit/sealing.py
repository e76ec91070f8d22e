"""Sealing: every few minutes the ends of all chains that moved are signed, exported, and then put into the database.

Export first, then commit: there is never a seal in the database that was not exported. One that was exported when the
process died before the commit is put into the database by the next round.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncpg

from services.audit.figures import SealFigures
from services.audit.seals import NoSeal, PublicKeys, Seal, SealKey, from_line
from shared.clock import Clock
from shared.db import Connection, Pool, named_queries

SQL: Final = named_queries(__package__, "sql/sealing.sql")

# Chains that are sealed in one transaction: their ends are locked for a moment only.
BATCH: Final = 200
# More than the seals of one round of ten thousand chains.
_TAIL_BYTES: Final = 4 * 1024 * 1024


class SealsNotExported(OSError):
    """The file of exported seals cannot be written. Sealing waits until it can."""


class SealsFile:
    """The file that seals are exported to, one a line, readable by its owner only.

    Replicas on one machine share it: they append in turns. Raises SealsNotExported.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, seals: Sequence[Seal]) -> None:
        """Add seals to the end and have the disk keep them. What was written in part is taken back."""
        try:
            self._append(b"".join(seal.to_line() for seal in seals))
        except OSError as error:
            raise SealsNotExported(error.errno, error.strerror) from error

    def _append(self, lines: bytes) -> None:
        new = not self._path.exists()
        handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            end = os.fstat(handle).st_size
            try:
                if end and os.pread(handle, 1, end - 1) != b"\n":
                    # Somebody died in the middle of a line.
                    lines = b"\n" + lines
                _write_all(handle, lines)
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, end)
                raise
        finally:
            os.close(handle)
        if new:
            _keep_name(self._path.parent)

    def tail(self) -> list[Seal]:
        """The seals at the end of the file: all of the last round, and more."""
        try:
            with self._path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                lines = file.read().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise SealsNotExported(error.errno, error.strerror) from error
        found = []
        for line in lines:
            try:
                found.append(from_line(line))
            except NoSeal:
                # The first line may be cut off here, any other one by somebody who died.
                continue
        return found


def _write_all(handle: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]


def _keep_name(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Sealer:
    """Seals chains, in turns with other replicas. Without a file the seals are in the database only."""

    def __init__(self, pool: Pool, key: SealKey, file: SealsFile | None, *, clock: Clock, figures: SealFigures) -> None:
        self._pool = pool
        self._key = key
        self._file = file
        self._clock = clock
        self.figures = figures

    async def round(self) -> int:
        """Seal every chain that moved; answers how many. Raises SealsNotExported, and what the driver raises."""
        sealed = 0
        try:
            await self._measure()
            # Each time: who died between export and commit may have been another replica, and not come back.
            await self._put_back()
            while made := await self._seal_some():
                sealed += made
        except Exception:
            self.figures.failures.inc()
            raise
        await self._measure()
        return sealed

    async def _seal_some(self) -> int:
        async with self._pool.transaction(None) as conn:
            await conn.execute(SQL["take_turns"])
            now = self._clock()
            unsigned = [Seal(**r, sealed_at=now, kid=self._key.kid) for r in await conn.fetch(SQL["unsealed"], BATCH)]
            seals = [self._key.sign(seal) for seal in unsigned]
            if not seals:
                return 0
            if self._file is not None:
                await asyncio.to_thread(self._file.append, seals)
            await _insert(conn, seals)
            agencies, years = [s.agency_id for s in seals], [s.year for s in seals]
            await conn.execute(SQL["lock_chains"], agencies, years)
            await conn.execute(SQL["mark_sealed"], agencies, years, [s.seq for s in seals])
        self.figures.made.inc(len(seals))
        return len(seals)

    async def _put_back(self) -> None:
        """Put seals into the database that were exported just before a process died, or the database went away."""
        if self._file is None:
            return
        own = PublicKeys([self._key.public_pem])
        async with self._pool.transaction(None) as conn:
            await conn.execute(SQL["take_turns"])
            found = await asyncio.to_thread(self._file.tail)
            columns = [s.agency_id for s in found], [s.year for s in found], [s.seq for s in found]
            try:
                held = {tuple(r) for r in await conn.fetch(SQL["held_seals"], *columns)}
            except asyncpg.DataError:
                # Numbers that are none of ours, so nothing of it is.
                return
            missing = [s for s in found if (s.agency_id, s.year, s.seq) not in held]
            await _insert(conn, [s for s in missing if own.judge(s) == "good"])

    async def _measure(self) -> None:
        async with self._pool.transaction(None) as conn:
            self.figures.unsealed.set(await conn.fetchval(SQL["unsealed_seconds"]))


async def _insert(conn: Connection, seals: Sequence[Seal]) -> None:
    if not seals:
        return
    rows = (
        (
            s.agency_id,
            s.year,
            s.seq,
            s.link,
            s.unchained,
            s.previous_year,
            s.previous_seq,
            s.previous_link,
            s.sealed_at,
            s.kid,
            s.signature,
        )
        for s in seals
    )
    await conn.execute(SQL["insert_seals"], *map(list, zip(*rows, strict=True)))
