"""Agencies that have a sender and a mail server of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from services.notifier.channel import Pauses
from services.notifier.mailer import Mailer, SmtpServer
from services.notifier.servers import seal_anew
from shared.accounts import email_settings
from shared.accounts.email_settings import EmailSettings, SealedPassword
from shared.actors import system
from shared.db import Pool
from shared.deliveries import sealing_keys
from shared.deliveries.sealing import Opener, Sealer, key_name, new_key_pair
from shared.deliveries.sealing_keys import SEALED_AHEAD
from tests.notifier.conftest import SENDER, Keys, MakeCourier, Post
from tests.notifier.smtp import PASSWORD, USERNAME, Certificate, Script, certificate, mail_server
from tests.support.clock import FakeClock
from tests.support.people import World

Say = Callable[..., Awaitable[None]]


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def own(proof: Certificate) -> AsyncIterator[Script]:
    """The agency's server: STARTTLS and a password."""
    async with mail_server(starttls=proof.server, auth=True) as script:
        yield script


@pytest.fixture
def say(post: Post, keys: Keys) -> Say:
    """Puts in what the agency says about its e-mails."""
    versions = iter(range(1, 100))

    async def put(*, password: str | None = None, sealer: Sealer | None = None, **fields: Any) -> None:
        sealer = sealer or Sealer(keys.public)
        settings = EmailSettings(**fields, version=next(versions))
        sealed = SealedPassword(sealer.seal(password), sealer.sealed_for) if password else None
        async with post.work.transaction(system(post.agency.id, "test")) as tx:
            await email_settings.put(tx.conn, post.agency.id, settings, sealed)

    return put


def at(script: Script, **more: Any) -> dict[str, Any]:
    """The settings of a server that asks for a password."""
    server = {"host": "127.0.0.1", "port": script.port, "security": "starttls", "username": USERNAME}
    return {**server, "password": PASSWORD, **more}


async def test_an_agencys_mails_go_through_its_own_server_and_others_do_not(
    post: Post, make_courier: MakeCourier, smtp: Script, own: Script, say: Say, proof: Certificate, world: World
) -> None:
    make_courier.tls = proof.trusting
    await say(**at(own, sender="portal@riverside.example"))
    courier, other = make_courier(smtp), await world.agency("lakeside", name="Lakeside")
    mine, theirs = await post.queue(), await post.queue(agency=other)
    for queued in (mine, theirs):
        await courier.deliver(queued.id)
    [here], [there] = own.caught, smtp.caught
    assert here.sender == "portal@riverside.example"
    assert there.sender == SENDER
    assert here.message["Message-ID"] == f"<{mine.id}@riverside.example>"


async def test_sender_name_and_replies_are_the_agencys_own(
    post: Post, make_courier: MakeCourier, smtp: Script, say: Say
) -> None:
    await say(sender="portal@riverside.example", sender_name="Müller, the Office", reply_to="office@riverside.example")
    await make_courier(smtp).deliver((await post.queue()).id)
    [caught] = smtp.caught
    [sender] = caught.message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Müller, the Office", "portal@riverside.example")
    assert caught.message["Reply-To"] == "office@riverside.example"
    assert caught.message["To"] == "cmalek@client.example"


@pytest.mark.parametrize("name", ["Riverside =?utf-8?q?=0ABcc:x=40evil.example?=", "Riverside\r\nBcc: x@evil.example"])
async def test_a_sender_name_cannot_break_out_of_its_header(
    post: Post, make_courier: MakeCourier, smtp: Script, say: Say, name: str
) -> None:
    await say(sender_name=name)
    await make_courier(smtp).deliver((await post.queue()).id)
    [caught] = smtp.caught
    assert caught.message["From"] == SENDER
    assert caught.message["Bcc"] is None
    assert b"evil" not in caught.content


async def test_a_reply_address_that_is_not_safe_sends_nothing(
    post: Post, make_courier: MakeCourier, smtp: Script, say: Say
) -> None:
    await say(reply_to="office@riverside.example\r\nBcc: x@evil.example")
    queued = await post.queue()
    await make_courier(smtp).deliver(queued.id)
    assert smtp.caught == []
    assert b"evil" not in smtp.wire


async def test_without_an_own_sender_the_one_that_operators_put_in_stays(
    post: Post, make_courier: MakeCourier, smtp: Script, say: Say
) -> None:
    await post.sql("update accounts.agencies set sender = 'old@riverside.example' where id = $1", post.agency.id)
    await say(reply_to="office@riverside.example")
    await make_courier(smtp).deliver((await post.queue()).id)
    assert smtp.caught[0].sender == "old@riverside.example"


async def test_a_change_is_good_from_the_next_mail_on(
    post: Post, make_courier: MakeCourier, smtp: Script, own: Script, say: Say, proof: Certificate
) -> None:
    make_courier.tls = proof.trusting
    courier = make_courier(smtp)
    await say(**at(own))
    await courier.deliver((await post.queue()).id)
    async with mail_server(starttls=proof.server, auth=True) as moved:
        await say(**at(moved))
        await courier.deliver((await post.queue()).id)
        assert (len(own.caught), len(moved.caught)) == (1, 1)
    await say(sender_name="Riverside")
    await courier.deliver((await post.queue()).id)
    assert len(smtp.caught) == 1


async def test_a_refused_sign_in_holds_this_agency_alone(
    post: Post, make_courier: MakeCourier, smtp: Script, own: Script, say: Say, proof: Certificate, world: World
) -> None:
    make_courier.tls = proof.trusting
    await say(**at(own))
    own.replies["AUTH"] = ["535 5.7.8 wrong password"]
    courier, other = make_courier(smtp, pauses=Pauses()), await world.agency("lakeside", name="Lakeside")
    mine, second, theirs = await post.queue(), await post.queue(), await post.queue(agency=other)
    for queued in (mine, second, theirs):
        await courier.deliver(queued.id)
    assert await post.attempts(mine) == [(1, "channel_refused", 535)]
    assert await post.attempts(second) == []
    assert bytes(own.wire).count(b"AUTH ") == 1, "more of them lock accounts"
    assert [mail.recipients for mail in smtp.caught] == [["cmalek@client.example"]]
    assert (await post.row(theirs))["state"] == "accepted"


async def test_a_test_is_sent_though_the_channel_is_held(
    post: Post, make_courier: MakeCourier, smtp: Script, own: Script, say: Say, proof: Certificate
) -> None:
    make_courier.tls = proof.trusting
    await say(**at(own))
    own.replies["AUTH"] = ["535 5.7.8 wrong password"]
    courier = make_courier(smtp, pauses=Pauses())
    refused, held = await post.queue(), await post.queue()
    for queued in (refused, held):
        await courier.deliver(queued.id)
    assert (await post.attempts(refused), await post.attempts(held)) == ([(1, "channel_refused", 535)], [])
    staff = {"username": "boss", "staff_url": "http://localhost:8081/riverside/", "agency_name": "Riverside"}
    test = await post.queue(mail="email_test", context=staff, secret="")
    await courier.deliver(test.id)
    assert (await post.row(test))["state"] == "accepted"
    assert "Your test e-mail has arrived" in own.caught[0].message["Subject"]


async def test_a_refusal_of_the_operators_server_does_not_hold_an_own_one(
    post: Post, make_courier: MakeCourier, smtp: Script, own: Script, say: Say, proof: Certificate, world: World
) -> None:
    make_courier.tls = proof.trusting
    await say(**at(own))
    courier, other = make_courier(smtp, pauses=Pauses()), await world.agency("lakeside", name="Lakeside")
    smtp.replies["greeting"] = ["554 5.7.1 not you"]
    theirs, mine = await post.queue(agency=other), await post.queue()
    await courier.deliver(theirs.id)
    await courier.deliver(mine.id)
    assert await post.attempts(theirs) == [(1, "channel_refused", 554)]
    assert (await post.row(mine))["state"] == "accepted"


@pytest.mark.parametrize("sender", ["security@portico.example", "x@mail.portico.example"])
async def test_nobody_sends_in_the_operators_name(
    post: Post, make_courier: MakeCourier, smtp: Script, say: Say, sender: str
) -> None:
    make_courier.reserved = ("portico.example",)
    await say(sender=sender)
    queued = await post.queue()
    await make_courier(smtp).deliver(queued.id)
    assert smtp.connections == 0
    assert await post.attempts(queued) == [(1, "channel_refused", None)]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_mail_does_not_go_into_the_inner_network(
    post: Post, make_courier: MakeCourier, smtp: Script, own: Script, say: Say, host: str
) -> None:
    make_courier.inside = ()
    await say(**at(own, host=host))
    queued = await post.queue()
    await make_courier(smtp).deliver(queued.id)
    assert (own.connections, smtp.connections) == (0, 0)
    [row] = await post.sql("select outcome, reply from mail.delivery_attempts where delivery_id = $1", queued.id)
    assert (row["outcome"], row["reply"]) == ("unreachable", "Mail may not go to the address of this mail server.")


async def test_the_name_and_not_the_address_has_to_be_in_the_certificate(
    own: Script, proof: Certificate, tmp_path: Path, make_courier: MakeCourier, smtp: Script, say: Say, post: Post
) -> None:
    make_courier.tls = proof.trusting
    await say(**at(own, host="localhost"))
    queued = await post.queue()
    await make_courier(smtp).deliver(queued.id)
    assert await post.attempts(queued) == [(1, "unreachable", None)]
    named = certificate(tmp_path, name="localhost")
    async with mail_server(implicit_tls=named.server, auth=True) as server:
        make_courier.tls = named.trusting
        await say(**at(server, host="localhost", security="tls"))
        another = await post.queue()
        await make_courier(smtp).deliver(another.id)
        assert (await post.row(another))["state"] == "accepted"
    assert b"AUTH" not in own.wire


async def test_a_password_that_cannot_be_read_ends_no_delivery(
    post: Post, make_courier: MakeCourier, smtp: Script, own: Script, say: Say
) -> None:
    await say(**at(own, sealer=Sealer(new_key_pair()[1])))
    queued = await post.queue()
    await make_courier(smtp).deliver(queued.id)
    assert await post.attempts(queued) == [(1, "channel_refused", None)]
    assert (await post.row(queued))["finished_at"] is None
    assert own.connections == 0


async def test_a_password_outlives_the_key_that_it_was_sealed_for(
    post: Post, say: Say, own: Script, keys: Keys, notifier_pool: Pool, clock: FakeClock
) -> None:
    await post.sql("delete from accounts.sealing_keys")
    await say(**at(own))
    new_private, _ = new_key_pair()
    both = Opener(f"{new_private}\n{keys.private}")
    await sealing_keys.publish(notifier_pool, both, clock())
    await seal_anew(notifier_pool, both, clock)
    [row] = await post.sql("select sealed_for from accounts.email_settings")
    assert row["sealed_for"] == Sealer(keys.public).sealed_for, "another notifier may not have the new key yet"
    clock.advance(seconds=SEALED_AHEAD.total_seconds() + 1)
    await seal_anew(notifier_pool, both, clock)
    [row] = await post.sql("select sealed_for, sealed_password from accounts.email_settings")
    assert row["sealed_for"] == key_name(next(iter(Opener(new_private).public_keys.values())))
    assert Opener(new_private).open(row["sealed_password"]) == PASSWORD
    await post.sql("delete from accounts.sealing_keys")


async def test_one_mailer_serves_until_the_settings_change(
    post: Post, make_courier: MakeCourier, smtp: Script, own: Script, say: Say, proof: Certificate
) -> None:
    make_courier.tls = proof.trusting
    made: list[SmtpServer] = []
    closed: list[Mailer] = []
    plain = make_courier.mailer

    class Counted(Mailer):
        async def close(self) -> None:
            closed.append(self)

    def counting(server: SmtpServer) -> Mailer:
        made.append(server)
        plain(server)
        return Counted(server, hello="portico.example", tls=proof.trusting, patience=make_courier.patience)

    make_courier.mailer = counting  # type: ignore[method-assign]
    courier = make_courier(smtp)
    await say(**at(own))
    for _ in range(3):
        await courier.deliver((await post.queue()).id)
    assert (len(made), len(closed)) == (2, 0), "the operator's and the agency's"
    await say(**at(own, sender="portal@riverside.example"))
    await courier.deliver((await post.queue()).id)
    assert (len(made), len(closed)) == (3, 1)
