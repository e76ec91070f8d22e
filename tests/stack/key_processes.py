"""What services do for their keys, on a clock that a test moves."""

from __future__ import annotations

from dataclasses import dataclass, field

from ops.stack.key_folder import KeyFolder, target
from shared.db import Pool
from shared.deliveries import sealing_keys
from shared.deliveries.sealing import Opener, Sealer
from shared.security.key_files import KeyFile
from shared.security.own_keys import OwnKeys
from shared.security.session_limits import ACCESS_TOKEN
from shared.security.tokens import STAFF, KeyRing, Signer, Verifier
from tests.support.clock import FakeClock

SIGNING = ("admin", "portal", "notifier")
ADMIN, SEALING = target("admin"), target("sealing")


@dataclass
class Processes:
    """The parts of the services that look after keys: a round of each every few seconds of the test's clock."""

    folder: KeyFolder
    clock: FakeClock
    pools: dict[str, Pool]
    signing: dict[str, OwnKeys] = field(default_factory=dict)
    blind: bool = False

    async def start(self) -> None:
        for service in SIGNING:
            file = self.folder.file(target(service))
            pems, ring = file.read_text(), KeyRing()
            signer = Signer(pems, f"portico_{service}", self.clock, ring)
            self.signing[service] = OwnKeys.of(signer, ring, pems, file)
        private = self.folder.file(SEALING)
        self.opener = Opener(private.read_text())
        self.opener_file = KeyFile("SEALING_PRIVATE_KEY", private, private.read_text(), self.opener.take)
        self.sealer = Sealer(self.folder.sealing_public_key)
        self.auditor = KeyRing()
        await self.sleep(20)

    async def sleep(self, seconds: float) -> None:
        """What the command takes for waiting: the processes live on meanwhile."""
        while seconds > 0:
            # A long time has nothing in it that a test looks at.
            step = min(seconds, 2 if seconds <= 20 else 10)
            self.clock.advance(seconds=step)
            seconds -= step
            if not self.blind:
                await self._round()

    async def _round(self) -> None:
        now = self.clock()
        for service, keys in self.signing.items():
            await keys.round(self.pools[f"portico_{service}"], now)
        await self.opener_file.look()
        await sealing_keys.publish(self.pools["portico_notifier"], self.opener, now)
        await sealing_keys.use_newest(self.pools["portico_admin"], self.sealer, now)
        # Nobody signs with what somebody who has just looked would refuse.
        await self.auditor.refresh(self.pools["portico_audit"])
        self.accepted(self.mint())

    @property
    def signer(self) -> Signer:
        return self.signing["admin"].signer

    def mint(self) -> str:
        return self.signer.mint(STAFF, lifetime=ACCESS_TOKEN)

    def accepted(self, token: str) -> None:
        Verifier(self.auditor, self.clock).verify(token, STAFF)
        Verifier(self.signing["admin"].ring, self.clock).verify(token, STAFF)
