"""The notifier's keys at work: read again from their files, their public halves published, replaced ones withdrawn."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Self

from services.notifier.servers import seal_anew
from services.notifier.settings import ISSUER, NotifierSettings
from shared.clock import Clock
from shared.db import Pool
from shared.deliveries import sealing_keys
from shared.deliveries.sealing import Opener
from shared.security.key_files import KeyFile
from shared.security.own_keys import OwnKeys
from shared.security.tokens import KEYS_EVERY, KeyRing, Signer


@dataclass(frozen=True, slots=True)
class NotifierKeys:
    """What it signs its tokens with, and what it opens sealed secrets with."""

    signer: Signer
    opener: Opener
    _signing: OwnKeys
    _sealing_file: KeyFile
    _clock: Clock

    @classmethod
    def of(cls, settings: NotifierSettings, clock: Clock) -> Self:
        """As the settings say."""
        ring = KeyRing()
        signer = Signer(settings.signing_key, ISSUER, clock, ring)
        opener = Opener(settings.sealing_private_key)
        file = KeyFile(
            "SEALING_PRIVATE_KEY", settings.sealing_private_key_file, settings.sealing_private_key, opener.take
        )
        signing = OwnKeys.of(signer, ring, settings.signing_key, settings.signing_key_file)
        return cls(signer, opener, signing, file, clock)

    async def round(self, pool: Pool) -> None:
        """Once every ``KEYS_EVERY``. Raises what the database driver raises."""
        await self._sealing_file.look()
        await sealing_keys.publish(pool, self.opener, self._clock())
        await seal_anew(pool, self.opener, self._clock)
        await self._signing.round(pool, self._clock())

    async def run(self, pool: Pool) -> None:
        """Round by round, until cancelled."""
        while True:
            await self.round(pool)
            await asyncio.sleep(KEYS_EVERY.total_seconds())
