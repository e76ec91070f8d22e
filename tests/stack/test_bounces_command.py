"""`portico bounces`, as an operator runs it: on a Maildir, and on a mailbox over IMAP."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from ops.bounces.mailboxes import ImapMailbox, Maildir
from ops.bounces.taking import take, take_all
from ops.problems import Problem
from shared.accounts.agencies import Agency
from shared.actors import system
from shared.deliveries import store as deliveries
from shared.deliveries.return_paths import ReturnPaths, ReturnTokens
from shared.deliveries.sealing import Sealer, new_key_pair
from shared.events import Subject, from_json
from shared.outbox import Work
from tests.notifier.smtp import Certificate, certificate
from tests.support import returned_mails
from tests.support.clock import FakeClock
from tests.support.databases import Database
from tests.support.imap_server import PASSWORD, USERNAME, Account, imap_server
from tests.support.people import World
from tests.support.returned_mails import HARD, plain_report, postfix

KEY = "a-key-for-trials-that-is-long-enough"
TOKENS = ReturnTokens(KEY)
PATHS = ReturnPaths("bounces@mail.portico.example", TOKENS)
RECIPIENT = "cmalek@client.example"


@dataclass(slots=True)
class Post:
    """E-mails that were handed over, and what became of them."""

    database: Database
    work: Work
    agency: Agency

    async def sent(self, *, attempts: int = 1, recipient: str = RECIPIENT) -> UUID:
        async with self.work.transaction(system(self.agency.id, "test")) as tx:
            owner = Subject(client_id=tx.new_id(), portal_login_id=tx.new_id())
            delivery_id = await deliveries.queue(
                tx,
                sealer=Sealer(new_key_pair()[1]),
                mail="temporary_password",
                owner=owner,
                recipient=recipient,
                context={},
                secret="x",
                expires_at=tx.now + timedelta(hours=72),
            )
        await self.rows("update mail.deliveries set attempts = $2 where id = $1", delivery_id, attempts)
        return delivery_id

    async def rows(self, query: str, *values: Any) -> list[asyncpg.Record]:
        conn = await asyncpg.connect(self.database.owner_url)
        try:
            return await conn.fetch(query, *values)
        finally:
            await conn.close()

    async def bounces(self) -> list[tuple[UUID, str, str]]:
        rows = await self.rows("select delivery_id, kind, source from mail.bounces order by id")
        return [tuple(row) for row in rows]

    async def flagged(self) -> list[str]:
        return [row["address"] for row in await self.rows("select address from mail.bounced_addresses")]


@pytest.fixture
async def post(database: Database, admin_work: Work, world: World) -> Post:
    return Post(database, admin_work, await world.agency())


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    folder = tmp_path / "Maildir"
    for part in ("new", "cur", "tmp"):
        (folder / part).mkdir(parents=True)
    return folder


def message_id(delivery_id: UUID) -> str:
    return f"<{delivery_id}@portico.example>"


@pytest.mark.parametrize("system_", HARD)
async def test_a_report_of_each_system_flags_the_address(post: Post, system_: str) -> None:
    delivery = await post.sent()
    raw = HARD[system_][0](PATHS.of(delivery), message_id(delivery))
    assert await take(post.work, raw, TOKENS) == "recorded"
    assert await post.bounces() == [(delivery, "hard", "report")]
    assert await post.flagged() == [RECIPIENT]
    rows = await post.rows("select body from accounts.outbox where kind = 'event' order by id")
    events = [from_json(row["body"]) for row in rows]
    [bounced] = [event for event in events if event.type == "delivery.bounced"]
    assert (bounced.actor.kind, bounced.actor.username, bounced.agency_id) == (
        "system",
        "returned mail",
        post.agency.id,
    )
    assert RECIPIENT not in bounced.to_json()
    assert await take(post.work, raw, TOKENS) == "known"


async def test_a_complaint_by_mail_flags_the_address(post: Post) -> None:
    delivery = await post.sent()
    raw = returned_mails.spam_report(PATHS.of(delivery), message_id(delivery))
    assert await take(post.work, raw, TOKENS) == "recorded"
    assert await post.bounces() == [(delivery, "complaint", "report")]
    assert await post.flagged() == [RECIPIENT]


async def test_trouble_that_passes_flags_nothing(post: Post) -> None:
    delivery = await post.sent()
    raw = plain_report(PATHS.of(delivery), status="4.2.2", diagnostic="452 4.2.2 full")
    assert await take(post.work, raw, TOKENS) == "recorded"
    assert await post.flagged() == []


async def test_a_forged_return_address_says_nothing(post: Post) -> None:
    delivery, other = await post.sent(), await post.sent(recipient="other@client.example")
    own = PATHS.of(other)
    forged = ReturnPaths("bounces@mail.portico.example", ReturnTokens("another-key-that-somebody-made-up"))
    spliced = own.replace(TOKENS.token(other), TOKENS.token(delivery)[:25] + TOKENS.token(other)[25:])
    for came_to in (forged.of(delivery), spliced, "bounces+@mail.portico.example", f"bounces+{delivery}@a.example"):
        assert await take(post.work, plain_report(came_to, status="5.1.1"), TOKENS) == "not_ours"
    assert await post.bounces() == []


async def test_a_message_id_counts_with_the_recipient_alone(post: Post) -> None:
    delivery = await post.sent()
    wrong = plain_report("b@a.example", message_id(delivery), status="5.1.1", who="somebody@client.example")
    assert await take(post.work, wrong, TOKENS) == "not_ours"
    right = plain_report("b@a.example", message_id(delivery), status="5.1.1", who=RECIPIENT.upper())
    assert await take(post.work, right, None) == "recorded"


async def test_what_was_never_sent_did_not_come_back(post: Post) -> None:
    delivery = await post.sent(attempts=0)
    assert await take(post.work, postfix(PATHS.of(delivery), message_id(delivery)), TOKENS) == "not_ours"


async def test_a_report_touches_the_agency_of_its_mail_alone(post: Post, world: World) -> None:
    there = await world.agency("lakeside")
    delivery = await post.sent()
    elsewhere = replace(post, agency=there)
    await elsewhere.sent()
    await take(post.work, postfix(PATHS.of(delivery), message_id(delivery)), TOKENS)
    rows = await post.rows("select agency_id from mail.bounced_addresses")
    assert [row["agency_id"] for row in rows] == [post.agency.id]
    states = await post.rows("select agency_id, state from mail.deliveries where id <> $1", delivery)
    assert [(row["agency_id"], row["state"]) for row in states] == [(there.id, "queued")]


async def test_a_maildir_is_sorted_into_handled_and_unclear(post: Post, maildir: Path, tmp_path: Path) -> None:
    first, second = await post.sent(), await post.sent(recipient="other@client.example")
    (maildir / "new" / "1.a.host").write_bytes(postfix(PATHS.of(first), message_id(first)))
    (maildir / "cur" / "2.b.host:2,RS").write_bytes(plain_report(PATHS.of(second), status="4.2.2"))
    (maildir / "new" / "3.c.host").write_bytes(returned_mails.out_of_office(PATHS.of(first)))
    (maildir / "new" / "4.d.host").write_bytes(returned_mails.from_a_person(PATHS.of(first)))
    (maildir / "new" / "5.e.host").write_bytes(plain_report("b@a.example", status="5.1.1"))
    (maildir / "new" / "6.f.host").write_bytes(b"x" * (2 * 1024 * 1024))
    secret = tmp_path / "secret"
    secret.write_bytes(postfix(PATHS.of(second), message_id(second)))
    (maildir / "new" / "7.g.host").symlink_to(secret)
    os.mkfifo(maildir / "new" / "8.h.host")
    counts = await take_all(post.work, Maildir(maildir), TOKENS)
    assert counts == {"recorded": 2, "automatic": 1, "unclear": 4, "not_ours": 1}
    assert sorted(os.listdir(maildir / ".Portico-handled" / "cur")) == ["1.a.host:2,S", "2.b.host:2,S", "3.c.host:2,S"]
    unclear = ["4.d.host:2,S", "5.e.host:2,S", "6.f.host:2,S", "7.g.host:2,S", "8.h.host:2,S"]
    assert sorted(os.listdir(maildir / ".Portico-unclear" / "cur")) == unclear
    assert os.listdir(maildir / "new") == os.listdir(maildir / "cur") == []
    assert secret.exists()
    assert (await take_all(post.work, Maildir(maildir), TOKENS)).total() == 0


async def test_what_was_handled_is_kept_for_a_week(post: Post, maildir: Path) -> None:
    delivery = await post.sent()
    (maildir / "new" / "1.a.host").write_bytes(postfix(PATHS.of(delivery), message_id(delivery)))
    os.utime(maildir / "new" / "1.a.host", (0, 0))
    await take_all(post.work, Maildir(maildir), TOKENS)
    kept = maildir / ".Portico-handled" / "cur" / "1.a.host:2,S"
    assert kept.exists()
    os.utime(kept, (0, 0))
    await take_all(post.work, Maildir(maildir), TOKENS)
    assert not kept.exists()


async def test_a_mail_stays_while_the_database_is_away(post: Post, maildir: Path) -> None:
    delivery = await post.sent()
    (maildir / "new" / "1.a.host").write_bytes(postfix(PATHS.of(delivery), message_id(delivery)))
    await post.rows("alter table mail.bounces rename to bounces_away")
    try:
        with pytest.raises(asyncpg.UndefinedTableError):
            await take_all(post.work, Maildir(maildir), TOKENS)
    finally:
        await post.rows("alter table mail.bounces_away rename to bounces")
    assert (maildir / "new" / "1.a.host").exists()
    assert await post.flagged() == []


async def portico(database: Database, *arguments: str, **settings: str) -> tuple[int, str]:
    """Status and everything it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops", "bounces", *arguments),
        env={**os.environ, "DATABASE_URL": database.url("portico_admin"), **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode()


async def test_the_command_says_what_it_read(post: Post, maildir: Path) -> None:
    delivery = await post.sent()
    (maildir / "new" / "1.a.host").write_bytes(postfix(PATHS.of(delivery), message_id(delivery)))
    (maildir / "new" / "2.a.host").write_bytes(postfix(PATHS.of(delivery), message_id(delivery)))
    found = await portico(post.database, BOUNCE_MAILDIR=str(maildir), BOUNCE_KEY=KEY)
    assert found == (0, "2 mails read: 1 came back, 1 known already.\n")
    assert await post.flagged() == [RECIPIENT]


@pytest.mark.parametrize(
    ("arguments", "settings", "sentence"),
    [
        ((), {}, "Say where returned e-mails arrive"),
        (("--maildir", "/nowhere/at/all"), {}, "is no Maildir"),
        (("--imap",), {}, "BOUNCE_IMAP_URL is not set."),
        (("--imap",), {"BOUNCE_IMAP_URL": "imap://a:pass7@host.example"}, "BOUNCE_IMAP_URL must be a URL"),
        (("--maildir", "/nowhere"), {"BOUNCE_KEY": "short"}, "BOUNCE_KEY can't be used"),
    ],
)
async def test_what_is_missing_is_one_sentence(
    database: Database, arguments: tuple[str, ...], settings: dict[str, str], sentence: str
) -> None:
    status, said = await portico(database, *arguments, **settings)
    assert status == 2
    assert sentence in said
    assert len(said.splitlines()) == 1
    assert "pass7" not in said


@pytest.fixture(scope="module")
def cert(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("imap"))


@pytest.fixture
async def account(cert: Certificate) -> AsyncIterator[Account]:
    async with imap_server(cert.server) as found:
        yield found


def url(account: Account, password: str = PASSWORD) -> str:
    return f"imaps://{USERNAME.replace('@', '%40')}:{password}@127.0.0.1:{account.port}/INBOX"


async def test_a_mailbox_over_imap_is_sorted_alike(post: Post, account: Account, cert: Certificate) -> None:
    delivery = await post.sent()
    account.put(postfix(PATHS.of(delivery), message_id(delivery)))
    account.put(returned_mails.from_a_person("b@a.example"))
    account.put(b"x" * (2 * 1024 * 1024))
    counts = await take_all(post.work, ImapMailbox.at(url(account), cert.pem), TOKENS)
    assert counts == {"recorded": 1, "unclear": 2}
    assert {name: list(mails) for name, mails in account.folders.items()} == {
        "INBOX": [],
        "Portico-handled": [1],
        "Portico-unclear": [2, 3],
    }
    # The giant was never fetched.
    assert not any("FETCH 3 (BODY" in line for line in account.said)
    assert (await take_all(post.work, ImapMailbox.at(url(account), cert.pem), TOKENS)).total() == 0


async def test_a_server_with_another_certificate_hears_no_password(post: Post, account: Account) -> None:
    with pytest.raises(Problem, match=r"The certificate of 127\.0\.0\.1 is not valid\."):
        await take_all(post.work, ImapMailbox.at(url(account)), TOKENS)
    assert account.said == []


async def test_a_wrong_password_is_told_without_it(post: Post, account: Account, cert: Certificate) -> None:
    with pytest.raises(Problem) as told:
        await take_all(post.work, ImapMailbox.at(url(account, "guess-7"), cert.pem), TOKENS)
    assert str(told.value) == "127.0.0.1 did not accept the sign-in of BOUNCE_IMAP_URL."
    assert "guess-7" not in repr(ImapMailbox.at(url(account, "guess-7")))


@pytest.mark.parametrize(
    "wrong",
    [
        "imaps://host.example/INBOX",
        "imaps://user:@host.example",
        "imaps://us%0D%0Aer:pass@host.example",
        "imaps://user:pass@host.example/IN%22BOX",
        "imaps://user:pass@host.example:0x/INBOX",
        "https://user:pass@host.example",
    ],
)
def test_an_address_of_no_mailbox_is_refused(wrong: str) -> None:
    with pytest.raises(Problem, match="BOUNCE_IMAP_URL must be a URL"):
        ImapMailbox.at(wrong)


async def test_a_mail_is_read_at_the_time_of_the_clock(post: Post, clock: FakeClock) -> None:
    delivery = await post.sent()
    clock.advance(hours=5)
    await take(post.work, postfix(PATHS.of(delivery), message_id(delivery)), TOKENS)
    [row] = await post.rows("select since from mail.bounced_addresses")
    assert row["since"] == clock()
