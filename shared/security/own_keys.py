"""The signing keys of one service at work: read again from their file, published ahead, withdrawn when replaced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

import structlog

from shared.db import Pool
from shared.security.key_files import KeyFile
from shared.security.tokens import KeyRing, Signer

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """What a process does for its signing keys, round by round; any number of replicas do the same."""

    signer: Signer
    ring: KeyRing
    file: KeyFile

    @classmethod
    def of(cls, signer: Signer, ring: KeyRing, pems: str, path: Path | None) -> Self:
        """``pems`` is what the signer holds, ``path`` the file that it came from, if it has one."""
        return cls(signer, ring, KeyFile("SIGNING_KEY", path, pems, signer.take))

    async def round(self, pool: Pool, now: datetime) -> None:
        """Once every ``KEYS_EVERY``. Raises what the database driver raises."""
        await self.file.look()
        await self.ring.publish(pool, self.signer, now)
        await self.ring.refresh(pool)
        if replaced := self.signer.replaced():
            for kid in await self.ring.withdraw(pool, replaced, now):
                log.info("signing key withdrawn", kid=kid)
