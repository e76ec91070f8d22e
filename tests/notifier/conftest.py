"""A delivery in the queue, a mail server that does as it is told, and the courier between them."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.notifier.channel import Pauses
from services.notifier.delivery import Courier
from services.notifier.dkim_signing import DkimSigner
from services.notifier.mailer import Mailer, Patience, SmtpServer
from services.notifier.servers import Servers
from services.notifier.slots import Slots
from services.notifier.sweep import Sweep
from shared.accounts.agencies import Agency
from shared.actors import system
from shared.db import Pool
from shared.deliveries import store as deliveries
from shared.deliveries.return_paths import ReturnPaths
from shared.deliveries.sealing import Opener, Sealer, new_key_pair
from shared.deliveries.store import MailName
from shared.events import Envelope, Subject, from_json
from shared.letters import Letters
from shared.mail_reach import Network
from shared.outbox import Work
from tests.notifier.smtp import Script, mail_server
from tests.support.clock import FakeClock
from tests.support.databases import Database, Databases
from tests.support.loop import LoopThread
from tests.support.people import World

SENDER = "no-reply@portico.example"
SECRET = "h7Kqp-Rw9Tz-mN4xV-u8Jbc"


@dataclass(frozen=True, slots=True)
class Keys:
    """The notifier's pair."""

    private: str
    public: str


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys(*new_key_pair())


@pytest.fixture(scope="session")
def one_database(databases: Databases, servers_loop: LoopThread) -> Iterator[Database]:
    found = servers_loop.run(databases.create())
    yield found
    servers_loop.run(databases.give_back(found))


@pytest.fixture
async def database(one_database: Database) -> Database:
    """One for all tests here, emptied for each: copying one takes longer than most of them."""
    conn = await asyncpg.connect(one_database.owner_url)
    try:
        await conn.execute(
            "truncate mail.deliveries, mail.delivery_attempts, mail.channels, mail.outbox, accounts.agencies, accounts.outbox cascade"
        )
    finally:
        await conn.close()
    return one_database


@pytest.fixture
async def notifier_pool(database: Database) -> AsyncIterator[Pool]:
    pool = await Pool.open(database.url("portico_notifier"), size=8)
    yield pool
    await pool.close()


@pytest.fixture
def notifier_work(notifier_pool: Pool, clock: FakeClock) -> Work:
    return Work(notifier_pool, clock, table="mail.outbox")


@pytest.fixture
async def smtp() -> AsyncIterator[Script]:
    async with mail_server() as script:
        yield script


@dataclass(slots=True)
class Queued:
    """A delivery that a publisher queued."""

    id: UUID
    portal_login_id: UUID
    client_id: UUID


class Post:
    """Puts e-mails into the queue as publishers do, and looks at what became of them with the owner's eyes."""

    def __init__(self, database: Database, work: Work, agency: Agency, keys: Keys) -> None:
        self._owner = database.owner_url
        self.work = work
        self.agency = agency
        self._sealer = Sealer(keys.public)

    async def queue(
        self,
        *,
        mail: MailName = "temporary_password",
        recipient: str = "cmalek@client.example",
        secret: str = SECRET,
        hours: float = 72,
        context: dict[str, Any] | None = None,
        portal_login_id: UUID | None = None,
        staff_user_id: UUID | None = None,
        sealer: Sealer | None = None,
        agency: Agency | None = None,
    ) -> Queued:
        """Queue one; for the same login it takes the place of the one before."""
        login_id, client_id = portal_login_id or uuid4(), uuid4()
        owner = Subject(client_id=client_id, portal_login_id=login_id)
        if staff_user_id:
            owner = Subject(staff_user_id=staff_user_id)
        agency = agency or self.agency
        async with self.work.transaction(system(agency.id, "test")) as tx:
            delivery_id = await deliveries.queue(
                tx,
                sealer=sealer or self._sealer,
                mail=mail,
                owner=owner,
                recipient=recipient,
                context=context
                or {
                    "username": "cmalek",
                    "portal_url": "http://localhost:8082/riverside/",
                    "agency_name": agency.name,
                },
                secret=secret,
                expires_at=tx.now + timedelta(hours=hours),
            )
        return Queued(delivery_id, login_id, client_id)

    async def cancel(self, queued: Queued) -> None:
        """As a login made inactive does."""
        async with self.work.transaction(system(self.agency.id, "test")) as tx:
            owner = Subject(client_id=queued.client_id, portal_login_id=queued.portal_login_id)
            await deliveries.end_open(tx, owner, state="cancelled", reason="login made inactive")

    async def sql(self, text: str, *values: Any) -> list[asyncpg.Record]:
        """Anything, as the owner."""
        conn = await asyncpg.connect(self._owner)
        try:
            return await conn.fetch(text, *values)
        finally:
            await conn.close()

    async def row(self, queued: Queued) -> asyncpg.Record:
        """The delivery's row."""
        return (await self.sql("select * from mail.deliveries where id = $1", queued.id))[0]

    async def attempts(self, queued: Queued) -> list[tuple[int, str | None, int | None]]:
        """Number, outcome and reply code of each."""
        rows = await self.sql(
            "select number, outcome, reply_code from mail.delivery_attempts where delivery_id = $1 order by number",
            queued.id,
        )
        return [tuple(row) for row in rows]

    async def events(self, queued: Queued) -> list[Envelope]:
        """What the notifier reported of it, in order."""
        rows = await self.sql("select body from mail.outbox where kind = 'event' order by id")
        found = [from_json(row["body"]) for row in rows]
        return [event for event in found if event.payload["delivery_id"] == str(queued.id)]

    async def reported(self, queued: Queued) -> list[str]:
        """The types of those."""
        return [event.type for event in await self.events(queued)]


@pytest.fixture
async def post(database: Database, admin_work: Work, world: World, keys: Keys) -> Post:
    return Post(database, admin_work, await world.agency(), keys)


@dataclass
class MakeCourier:
    """Couriers as processes have them."""

    work: Work
    keys: Keys
    jitter: float = 0.0
    lease: timedelta = timedelta(seconds=150)
    patience: Patience = field(default_factory=lambda: Patience(until_content=1.0, after_content=0.5))
    observed: list[tuple[str, str]] = field(default_factory=list)
    opener: Opener | None = None
    # Where the servers of these tests are.
    inside: tuple[Network, ...] = (ip_network("127.0.0.0/8"),)
    reserved: tuple[str, ...] = ()
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    dkim: DkimSigner | None = None
    return_paths: ReturnPaths | None = None
    slots: Slots = field(default_factory=lambda: Slots(64))
    keep: int = 0
    mailers: list[Mailer] = field(default_factory=list)

    def __call__(self, script: Script, *, private_key: str | None = None, pauses: Pauses | None = None) -> Courier:
        return self.to(SmtpServer("127.0.0.1", script.port, "plaintext"), private_key=private_key, pauses=pauses)

    def to(self, server: SmtpServer, *, private_key: str | None = None, pauses: Pauses | None = None) -> Courier:
        """With this server as the operator's."""
        opener = self.opener or Opener(private_key or self.keys.private)
        operators = self.mailer(server)
        return Courier(
            self.work,
            servers=Servers(operators, opener, make=self.mailer, inside=self.inside, reserved=self.reserved),
            letters=Letters(),
            opener=opener,
            sender=SENDER,
            pauses=pauses or Pauses(),
            lease=self.lease,
            jitter=lambda: self.jitter,
            slots=self.slots,
            observe=lambda mail, outcome: self.observed.append((mail, outcome)),
            dkim=self.dkim,
            return_paths=self.return_paths,
        )

    def mailer(self, server: SmtpServer) -> Mailer:
        made = Mailer(server, hello="portico.example", tls=self.tls, patience=self.patience, keep=self.keep)
        self.mailers.append(made)
        return made


@pytest.fixture
async def make_courier(notifier_work: Work, keys: Keys) -> AsyncIterator[MakeCourier]:
    made = MakeCourier(notifier_work, keys)
    yield made
    for mailer in made.mailers:
        await mailer.close()


@pytest.fixture
def courier(make_courier: MakeCourier, smtp: Script) -> Courier:
    return make_courier(smtp)


class HeardQueue:
    """A delivery queue that only remembers."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.away = False

    async def put_all(self, delivery_ids: Any) -> None:
        if self.away:
            raise ConnectionError
        self.ids += delivery_ids


@pytest.fixture
def heard() -> HeardQueue:
    return HeardQueue()


@pytest.fixture
def sweep(notifier_work: Work, heard: HeardQueue) -> Sweep:
    return Sweep(notifier_work, heard, every=10)
