"""One mail over SMTP: what the server answers, and what is never said to it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from services.notifier.mailer import Answer, Mail, Mailer, Patience, Security, SmtpServer
from tests.notifier.smtp import PASSWORD, USERNAME, Certificate, Script, certificate, mail_server

CONTENT = b"Subject: Hello\r\n\r\nFirst line\r\n.\r\n..two dots\r\n.end\r\n"
MAIL = Mail("no-reply@portico.example", "cmalek@client.example", CONTENT)
QUICK = Patience(until_content=0.4, after_content=0.4)


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def tls(proof: Certificate) -> ssl.SSLContext:
    return proof.trusting


async def yes() -> bool:
    return True


async def hand_over(
    script: Script,
    *,
    security: Security = "plaintext",
    tls: ssl.SSLContext | None = None,
    signed_in: bool = False,
    host: str = "127.0.0.1",
    patience: Patience = QUICK,
    password: str = PASSWORD,
) -> Answer:
    server = SmtpServer(host, script.port, security, *((USERNAME, password) if signed_in else ()))
    mailer = Mailer(server, hello="portico.example", tls=tls or ssl.create_default_context(), patience=patience)
    return await mailer.send(MAIL, still_wanted=yes)


async def test_a_mail_arrives_as_it_was_written() -> None:
    async with mail_server() as server:
        answer = await hand_over(server)
    assert answer == Answer("accepted", 250, "2.0.0 Kept as 1")
    [caught] = server.caught
    assert (caught.sender, caught.recipients) == (MAIL.sender, [MAIL.recipient])
    assert caught.content == CONTENT


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_an_encrypted_and_signed_in_channel(security: Security, proof: Certificate, tls: ssl.SSLContext) -> None:
    encrypted = {"starttls": proof.server} if security == "starttls" else {"implicit_tls": proof.server}
    async with mail_server(auth=True, **encrypted) as server:
        answer = await hand_over(server, security=security, tls=tls, signed_in=True)
    assert answer.outcome == "accepted"
    before_tls, _, _ = bytes(server.wire).partition(b"STARTTLS")
    if security == "starttls":
        assert b"AUTH" not in before_tls
        assert b"MAIL" not in before_tls
    assert len(server.caught) == 1


async def test_without_starttls_neither_a_password_nor_a_mail_is_said(tls: ssl.SSLContext) -> None:
    async with mail_server(auth=True) as server:
        answer = await hand_over(server, security="starttls", tls=tls, signed_in=True)
    assert answer == Answer("unreachable", None, "The mail server does not offer STARTTLS.")
    assert server.caught == []
    assert b"AUTH" not in server.wire
    assert b"MAIL" not in server.wire
    assert b"RCPT" not in server.wire


async def test_a_certificate_of_an_unknown_authority_is_not_believed(proof: Certificate) -> None:
    for encrypted, security in (({"starttls": proof.server}, "starttls"), ({"implicit_tls": proof.server}, "tls")):
        async with mail_server(auth=True, **encrypted) as server:  # type: ignore[arg-type]
            answer = await hand_over(server, security=security, signed_in=True)  # type: ignore[arg-type]
        assert answer.outcome == "unreachable"
        assert "certificate is not valid" in answer.reply
        assert server.caught == []
        assert b"AUTH" not in server.wire


async def test_a_certificate_for_another_name_is_not_believed(tmp_path: Path) -> None:
    other = certificate(tmp_path, name="elsewhere.example")
    async with mail_server(auth=True, starttls=other.server) as server:
        answer = await hand_over(server, security="starttls", tls=other.trusting, signed_in=True)
    assert answer.outcome == "unreachable"
    assert b"AUTH" not in server.wire


@pytest.mark.parametrize(
    ("step", "reply", "expected"),
    [
        ("greeting", "554 5.7.1 not you", Answer("channel_refused", 554, "5.7.1 not you")),
        ("greeting", "421 4.3.2 busy", Answer("unreachable", 421, "4.3.2 busy")),
        ("EHLO", "550 5.7.1 go away", Answer("channel_refused", 550, "5.7.1 go away")),
        ("MAIL", "550 5.7.1 not this sender", Answer("channel_refused", 550, "5.7.1 not this sender", True)),
        ("MAIL", "451 4.3.0 later", Answer("deferred", 451, "4.3.0 later")),
        ("RCPT", "451 4.7.1 greylisted", Answer("deferred", 451, "4.7.1 greylisted")),
        ("RCPT", "550 5.1.1 no such user", Answer("refused", 550, "5.1.1 no such user", about_recipient=True)),
        ("DATA", "452 4.2.2 full", Answer("deferred", 452, "4.2.2 full")),
        ("DATA", "554 5.7.1 spam", Answer("refused", 554, "5.7.1 spam")),
        ("DATA", "999 what", Answer("unknown", 999, "what")),
    ],
)
async def test_what_the_server_says_becomes_an_outcome(step: str, reply: str, expected: Answer) -> None:
    script = Script()
    script.replies[step] = [reply]
    async with mail_server(script):
        assert await hand_over(script) == expected


@pytest.mark.parametrize(
    ("step", "what", "outcome"),
    [
        ("greeting", "silence", "unreachable"),
        ("greeting", "drop", "unreachable"),
        ("RCPT", "silence", "unreachable"),
        ("RCPT", "drop", "unreachable"),
        ("DATA", "silence", "unknown"),
        ("DATA", "drop", "unknown"),
    ],
)
async def test_a_lost_connection_counts_by_when_it_was_lost(step: str, what: str, outcome: str) -> None:
    script = Script()
    script.replies[step] = [what]
    async with mail_server(script):
        answer = await hand_over(script)
    assert (answer.outcome, answer.code) == (outcome, None)


async def test_nobody_listening_is_unreachable_and_names_no_host() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        script = Script(port=held.getsockname()[1])
        answer = await hand_over(script)
    assert answer.outcome == "unreachable"
    assert "127.0.0.1" not in answer.reply


async def test_a_refused_sign_in_stops_the_channel_and_repeats_none_of_the_servers_words(
    proof: Certificate, tls: ssl.SSLContext
) -> None:
    async with mail_server(auth=True, starttls=proof.server) as server:
        server.replies["AUTH"] = [f"535 5.7.8 wrong password for {USERNAME}"]
        answer = await hand_over(server, security="starttls", tls=tls, signed_in=True)
    assert (answer.outcome, answer.code, answer.about_sender) == ("channel_refused", 535, False)
    assert USERNAME not in answer.reply
    assert server.caught == []
    assert bytes(server.wire).count(b"AUTH ") == 1, "one try: more of them lock accounts"


async def test_a_sign_in_that_fails_for_now_is_no_refusal(proof: Certificate, tls: ssl.SSLContext) -> None:
    async with mail_server(auth=True, starttls=proof.server) as server:
        server.replies["AUTH"] = ["454 4.7.0 later"]
        answer = await hand_over(server, security="starttls", tls=tls, signed_in=True)
    assert (answer.outcome, answer.code) == ("unreachable", 454)


async def test_a_server_without_sign_in_is_a_refused_channel(proof: Certificate, tls: ssl.SSLContext) -> None:
    async with mail_server(starttls=proof.server) as server:
        answer = await hand_over(server, security="starttls", tls=tls, signed_in=True)
    assert answer.outcome == "channel_refused"
    assert server.caught == []


async def test_a_mail_that_is_no_longer_wanted_stops_before_its_content() -> None:
    async def no() -> bool:
        return False

    async with mail_server() as server:
        mailer = Mailer(
            SmtpServer("127.0.0.1", server.port, "plaintext"),
            hello="portico.example",
            tls=ssl.create_default_context(),
            patience=QUICK,
        )
        answer = await mailer.send(MAIL, still_wanted=no)
        await asyncio.sleep(0.02)
    assert answer.outcome == "withdrawn"
    assert b"RCPT" in server.wire
    assert b"DATA" not in server.wire


async def test_what_still_wanted_raises_is_not_taken_for_the_servers_fault() -> None:
    async def broken() -> bool:
        raise TimeoutError("the database")

    async with mail_server() as server:
        mailer = Mailer(
            SmtpServer("127.0.0.1", server.port, "plaintext"),
            hello="portico.example",
            tls=ssl.create_default_context(),
            patience=QUICK,
        )
        with pytest.raises(TimeoutError, match="the database"):
            await mailer.send(MAIL, still_wanted=broken)


async def test_a_reply_is_kept_as_one_short_line() -> None:
    script = Script()
    script.replies["RCPT"] = ["550 " + "no\x00\x1b[31m " + "x" * 600]
    async with mail_server(script):
        answer = await hand_over(script)
    assert answer.outcome == "refused"
    assert len(answer.reply) == 500
    assert answer.reply.isprintable()
