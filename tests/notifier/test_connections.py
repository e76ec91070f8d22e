"""Connections to the mail server that carry more than one mail."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.notifier.connections import Connections
from services.notifier.mailer import Answer, Mail, Mailer, Patience, Security, SmtpServer
from tests.notifier.smtp import PASSWORD, USERNAME, Script, certificate, mail_server
from tests.support.waiting import soon

QUICK = Patience(until_content=3.0, after_content=0.5)


def a_mail(name: str) -> Mail:
    return Mail("no-reply@portico.example", f"{name}@client.example", f"Subject: {name}\r\n\r\nHello\r\n".encode())


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


@asynccontextmanager
async def mailer_for(
    script: Script,
    *,
    keep: int = 2,
    security: Security = "plaintext",
    tls: ssl.SSLContext | None = None,
    idle_seconds: float = 30,
) -> AsyncIterator[Mailer]:
    login = () if security == "plaintext" else (USERNAME, PASSWORD)
    mailer = Mailer(
        SmtpServer("127.0.0.1", script.port, security, *login),
        hello="portico.example",
        tls=tls or ssl.create_default_context(),
        patience=QUICK,
        keep=keep,
    )
    mailer._connections = Connections(keep, idle_seconds=idle_seconds)
    try:
        yield mailer
    finally:
        await mailer.close()


async def outcomes(mailer: Mailer, *names: str) -> list[str]:
    return [(await mailer.send(a_mail(name), still_wanted=yes)).outcome for name in names]


def subjects(script: Script) -> list[str]:
    return [str(caught.message["Subject"]) for caught in script.caught]


async def test_mails_in_turn_share_a_connection_and_arrive_apart() -> None:
    async with mail_server() as server, mailer_for(server) as mailer:
        assert await outcomes(mailer, "a", "b", "c") == ["accepted"] * 3
    assert server.connections == 1
    assert [(str(m.message["Subject"]), m.recipients) for m in server.caught] == [
        (name, [f"{name}@client.example"]) for name in "abc"
    ]
    assert server.wire.count(b"EHLO") == 1
    assert bytes(server.wire).endswith(b"QUIT\r\n"), "it parts in words"


async def test_encryption_and_sign_in_are_done_once(tmp_path: Path) -> None:
    proof = certificate(tmp_path)
    async with (
        mail_server(auth=True, starttls=proof.server) as server,
        mailer_for(server, security="starttls", tls=proof.trusting) as mailer,
    ):
        assert await outcomes(mailer, "a", "b") == ["accepted"] * 2
    assert server.connections == 1
    assert server.wire.count(b"AUTH ") == 1


@pytest.mark.parametrize(
    "reply", ["421 4.4.2 timeout, closing", "drop", "silence", "451 4.7.0 enough on this one", "503 what?"]
)
async def test_a_kept_connection_that_takes_no_more_is_replaced_once_and_nobody_notices(reply: str) -> None:
    async with mail_server() as server, mailer_for(server) as mailer:
        assert await outcomes(mailer, "a") == ["accepted"]
        server.replies["MAIL"] = [reply]
        assert await outcomes(mailer, "b") == ["accepted"]
        assert server.connections == 2
        server.replies["MAIL"] = [reply, "451 4.3.0 later"]
        answer = await mailer.send(a_mail("c"), still_wanted=yes)
        assert answer == Answer("deferred", 451, "4.3.0 later"), "the fresh one's answer counts"
        assert server.connections == 3
    assert subjects(server) == ["a", "b"]


async def test_a_connection_that_the_server_ended_meanwhile_is_not_used() -> None:
    async with mail_server() as server, mailer_for(server) as mailer:
        assert await outcomes(mailer, "a") == ["accepted"]
        transport = server.open[0].transport
        assert transport is not None
        transport.abort()
        assert await outcomes(mailer, "b") == ["accepted"]
    assert subjects(server) == ["a", "b"]


@pytest.mark.parametrize(
    ("step", "reply", "outcome"),
    [
        ("RCPT", "421 4.3.2 shutting down", "deferred"),
        ("RCPT", "451 4.7.1 greylisted", "deferred"),
        ("RCPT", "550 5.1.1 no such user", "refused"),
        ("DATA", "421 4.3.2 shutting down", "deferred"),
        ("DATA", "554 5.7.1 spam", "refused"),
        ("DATA", "drop", "unknown"),
        ("DATA", "silence", "unknown"),
        ("RCPT", "silence", "unreachable"),
    ],
)
async def test_after_anything_but_an_acceptance_the_next_mail_gets_a_fresh_connection(
    step: str, reply: str, outcome: str
) -> None:
    async with mail_server() as server, mailer_for(server) as mailer:
        assert await outcomes(mailer, "a") == ["accepted"]
        server.replies[step] = [reply]
        assert await outcomes(mailer, "b") == [outcome], "a kept connection's word counts from the recipient on"
        assert server.connections == 1
        assert await outcomes(mailer, "c") == ["accepted"]
        assert server.connections == 2


async def test_a_mail_that_is_withdrawn_leaves_no_half_mail_behind() -> None:
    async with mail_server() as server, mailer_for(server) as mailer:
        assert await outcomes(mailer, "a") == ["accepted"]
        assert (await mailer.send(a_mail("b"), still_wanted=no)).outcome == "withdrawn"
        assert await outcomes(mailer, "c") == ["accepted"]
    assert server.caught[1].recipients == ["c@client.example"]
    assert server.connections == 2


async def test_an_idle_connection_is_given_up_in_words() -> None:
    async with mail_server() as server, mailer_for(server, idle_seconds=0.05) as mailer:
        await outcomes(mailer, "a")

        async def parted() -> bool:
            return bytes(server.wire).endswith(b"QUIT\r\n")

        await soon(parted)
        assert await outcomes(mailer, "b") == ["accepted"]
        assert server.connections == 2


async def test_no_more_are_kept_than_wanted() -> None:
    arrived = asyncio.Barrier(3)

    async def together() -> None:
        await arrived.wait()

    async with mail_server() as server, mailer_for(server, keep=2) as mailer:
        server.before["DATA"] = together
        await asyncio.gather(*(outcomes(mailer, name) for name in "abc"))
        server.before.clear()
        assert server.connections == 3
        assert server.wire.count(b"QUIT") == 1
        await asyncio.gather(*(outcomes(mailer, name) for name in "de"))
        assert server.connections == 3


async def test_a_closed_mailer_keeps_none() -> None:
    async with mail_server() as server, mailer_for(server) as mailer:
        await mailer.close()
        await outcomes(mailer, "a")
        assert server.wire.count(b"QUIT") == 1
