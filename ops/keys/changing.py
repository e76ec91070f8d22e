"""Keys are changed: added to their files, waited for, withdrawn, dropped. Each step leaves something that works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ops.audit.databases import Operator, connection
from ops.keys.standing import Key, Published, standing
from ops.problems import Problem
from ops.stack.key_folder import TARGETS, KeyFolder, Target
from shared.clock import Clock
from shared.db import Pool, named_queries
from shared.deliveries.sealing_keys import SEALED_AHEAD
from shared.events import Payload, Subject
from shared.events.operator_catalogue import KeyAdded, KeyWithdrawn
from shared.outbox import Work
from shared.security.tokens import KEYS_EVERY, PUBLISHED_AHEAD

SQL: Final = named_queries(__package__, "sql/keys.sql")

# Every process has read its files, and the database, within this.
READ_BY: Final = 2 * KEYS_EVERY + timedelta(seconds=2)
_PUBLISHED_WITHIN: Final = timedelta(seconds=20)
_LOOK_AGAIN_SECONDS: Final = 0.5
_BY_ISSUER: Final = {f"portico_{target.service}": target for target in TARGETS if target.use == "signing"}
_SEALING: Final = next(target for target in TARGETS if target.use == "sealing")


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one deployment: what its database says, and the files where they are at hand.

    ``owner_url`` belongs to the owner of the accounts database, ``admin_url`` to portico_admin.
    """

    owner_url: str = field(repr=False)
    admin_url: str = field(repr=False)
    folder: KeyFolder | None
    operator: Operator
    clock: Clock
    say: Callable[[str], None]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def standing(self) -> dict[str, list[Key]]:
        """Where each key stands, by its target's name. Raises Problem."""
        files = None if self.folder is None else {target.name: self.folder.names(target) for target in TARGETS}
        return standing(await self._published(), files, self.clock())

    async def rotate(self, targets: Sequence[Target], *, leaked: bool) -> bool:
        """Give each a new key. ``leaked``: the ones before are withdrawn at once. False when something is not done."""
        with self._files().alone():
            await self._can_be_recorded()
            await self._tidy(targets)
            stand = await self.standing()
            # All of them come to an end, also when one can't: a key that leaked is not to wait for another service.
            done = await asyncio.gather(
                *(self._rotate(t, stand[t.name], leaked=leaked) for t in targets), return_exceptions=True
            )
        for outcome in done:
            if isinstance(outcome, BaseException):
                raise outcome
        return all(done)

    async def revoke(self, name: str) -> bool:
        """Withdraw one key that somebody may have got hold of; a new one takes its place where there is no other."""
        with self._files().alone():
            await self._can_be_recorded()
            stand = await self.standing()
            key = next((key for keys in stand.values() for key in keys if key.name == name), None)
            if key is None:
                raise Problem(f"There is no key called {name!r}: see `portico keys list --all`.")
            if key.target.use == "boxes":
                raise Problem("A key of boxes can't be revoked: what it sealed would be lost. Rotate it instead.")
            if key.state == "withdrawn":
                self.say(f"{_called(key.target, name)} was withdrawn before.")
                return True
            others = [k for k in stand[key.target.name] if k.name != name and k.state in ("current", "next")]
            heir = next((k.name for k in others if k.in_file), None)
            if heir is None:
                heir = await self._add(key.target)
            return await self._replace_leaked(key.target, heir, [name])

    async def tidy(self) -> None:
        """Drop from the files what nothing needs, and withdraw what is in no file any more."""
        with self._files().alone():
            await self._can_be_recorded()
            if not await self._tidy(TARGETS):
                self.say("There is nothing to drop.")

    def _files(self) -> KeyFolder:
        if self.folder is None:
            raise Problem("KEYS_FOLDER is not set: name the folder of the keys with --keys.")
        return self.folder

    async def _rotate(self, target: Target, keys: Sequence[Key], *, leaked: bool) -> bool:
        waiting = next((key for key in keys if key.state in ("next", "unread")), None)
        if waiting is not None and not leaked:
            self.say(f"{target.name} has a new key already: {waiting.name} ({waiting.needed}).")
            return waiting.state == "next"
        name = await self._add(target)
        if target.use == "boxes":
            self.say(f"{_called(target, name)} seals from now on. The keys before it stay, to open what they sealed.")
            if leaked:
                self.say("So what they sealed is no secret to whoever has them and the database.")
            return True
        if leaked:
            return await self._replace_leaked(target, name, [k.name for k in keys if k.state != "withdrawn"])
        if not await self._known(target, name, timedelta()):
            self.say(f"{_called(target, name)} was added, but no process has read it yet: do they see this folder?")
            return False
        self.say(f"{_called(target, name)} was added. {_WHAT_FOLLOWS[target.use]}")
        return True

    async def _add(self, target: Target) -> str:
        files, key = self._files(), target.new_key()
        name, before = target.name_of(key), files.read(target)
        if target.use == "boxes":
            # Everybody can open with it before anybody seals with it.
            files.write(target, [*before, key])
            await self.sleep(READ_BY.total_seconds())
        files.write(target, [key, *before])
        await self._record([KeyAdded(service=target.service, use=target.use, key=name)])
        return name

    async def _replace_leaked(self, target: Target, heir: str, leaked: Sequence[str]) -> bool:
        ahead = PUBLISHED_AHEAD if target.use == "signing" else SEALED_AHEAD
        if not await self._known(target, heir, ahead + KEYS_EVERY):
            raise Problem(
                f"No process of {target.service} has read its new key {heir}, so nothing was withdrawn:"
                " do they see this folder? Run the command again when they do."
            )
        if target.use == "signing":
            await self._drop(target, leaked)
            # Nobody signs with what nobody accepts in a moment.
            await self.sleep(READ_BY.total_seconds())
        await self._withdraw(target, leaked, "leaked")
        if target.use == "sealing":
            self.say("E-mails that wait are still opened with the key before; `portico keys tidy` drops it after them.")
        return True

    async def _tidy(self, targets: Sequence[Target]) -> bool:
        """Whether there was something to do."""
        stand, done = await self.standing(), False
        for target in targets:
            keys = stand[target.name]
            # Only where the files are those of this database: another deployment's keys are no old ones of ours.
            if not any(key.state == "current" and key.in_file for key in keys):
                continue
            spare = [key for key in keys if key.spare]
            await self._withdraw(target, [key.name for key in spare if key.state == "old"], "replaced")
            dropped = [key.name for key in spare if key.in_file]
            await self._drop(target, dropped)
            for name in dropped:
                self.say(f"{_called(target, name)} was dropped from its file: nothing needs it any more.")
            done = done or bool(spare and (dropped or any(key.state == "old" for key in spare)))
        return done

    async def _drop(self, target: Target, names: Sequence[str]) -> None:
        files = self._files()
        before = files.read(target)
        kept = [key for key in before if target.name_of(key) not in names]
        if kept and len(kept) < len(before):
            files.write(target, kept)

    async def _withdraw(self, target: Target, names: Sequence[str], reason: str) -> None:
        query = SQL["withdraw_signing" if target.use == "signing" else "withdraw_sealing"]
        async with connection(self.owner_url) as conn:
            done = [r[0] for r in await conn.fetch(query, list(names), self.clock())]
        await self._record(
            [KeyWithdrawn(service=target.service, use=target.use, key=name, reason=reason) for name in done]
        )
        for name in done:
            self.say(f"{_called(target, name)} was withdrawn.")

    async def _known(self, target: Target, name: str, ahead: timedelta) -> bool:
        """Wait until a key has been public for so long; false when no process publishes it."""
        gives_up = self.clock() + _PUBLISHED_WITHIN
        while True:
            since = next((p.since for p in await self._published() if (p.target, p.name) == (target, name)), None)
            if since is not None and self.clock() - since >= ahead:
                return True
            if since is None and self.clock() >= gives_up:
                return False
            await self.sleep(_LOOK_AGAIN_SECONDS)

    async def _published(self) -> list[Published]:
        async with connection(self.owner_url) as conn:
            signing, sealing = await conn.fetch(SQL["signing"]), await conn.fetch(SQL["sealing"])
        found = [
            Published(_BY_ISSUER[r["issuer"]], r["kid"], r["created_at"], r["withdrawn_at"])
            for r in signing
            if r["issuer"] in _BY_ISSUER
        ]
        return found + [
            Published(_SEALING, r["name"], r["created_at"], r["withdrawn_at"], r["waiting"]) for r in sealing
        ]

    async def _record(self, payloads: Sequence[Payload]) -> None:
        """In the log of every agency: their people's tokens and passwords depend on it."""
        if not payloads:
            return
        async with connection(self.owner_url) as conn:
            agencies = [r["id"] for r in await conn.fetch(SQL["agencies"])]
        async with self._admin() as pool:
            work = Work(pool, self.clock, table="accounts.outbox")
            for agency_id in agencies:
                async with work.transaction(self.operator.at(agency_id)) as tx:
                    await tx.append_all([(payload, Subject()) for payload in payloads])

    async def _can_be_recorded(self) -> None:
        """Raises what the driver raises, before anything is changed that could not be written down afterwards."""
        async with self._admin() as pool:
            await pool.check()

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[Pool]:
        pool = await Pool.open(self.admin_url, size=1, application_name="portico-keys")
        try:
            yield pool
        finally:
            await pool.close()


_WHAT_FOLLOWS: Final = {
    "signing": "It is published and signs in six minutes; the one before is withdrawn six minutes after that.",
    "sealing": "E-mails are sealed for it in ten seconds.",
}


def _called(target: Target, name: str) -> str:
    return f"Key {name} of {target.name}"


def moment(when: datetime | None) -> str:
    """For people."""
    return f"{when:%Y-%m-%d %H:%M:%S} UTC" if when is not None else ""
