"""A real mail server takes our mails over, and its refusals are understood."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from services.notifier.dkim_signing import DkimSigner
from services.notifier.mailer import Answer, Mail, Mailer, Patience, Security, SmtpServer
from tests.notifier.conftest import SECRET, MakeCourier, Post
from tests.notifier.postfix import Postfix, postfix
from tests.notifier.smtp import Certificate, certificate, private_pem
from tests.support.dkim import verifies

pytestmark = pytest.mark.xdist_group("postfix")

SENDER, RECIPIENT = "no-reply@portico.example", "cmalek@client.example"
PATIENCE = Patience(until_content=10, after_content=20)


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(proof: Certificate) -> Iterator[Postfix]:
    with postfix(proof, tls="encrypt") as running:
        yield running


async def yes() -> bool:
    return True


async def hand_over(
    server: Postfix,
    proof: Certificate,
    content: bytes = b"Subject: Hello\r\n\r\nHello\r\n",
    *,
    recipient: str = RECIPIENT,
    security: Security = "starttls",
) -> Answer:
    mailer = Mailer(
        SmtpServer("127.0.0.1", server.port, security), hello="portico.example", tls=proof.trusting, patience=PATIENCE
    )
    return await mailer.send(Mail(SENDER, recipient, content), still_wanted=yes)


async def test_a_mail_arrives_whole_line_by_line(server: Postfix, proof: Certificate) -> None:
    lines = [
        b"A first line",
        b".",
        b"..two dots",
        b".one dot",
        b"",
        b"x" * 900,
        b"  spaces  ",
        b"From the end",
        b"last",
    ]
    content = b"Subject: Lines\r\nMessage-ID: <lines@portico.example>\r\n\r\n" + b"".join(x + b"\r\n" for x in lines)
    answer = await hand_over(server, proof, content)
    assert (answer.outcome, answer.code) == ("accepted", 250)
    assert "queued as" in answer.reply
    found = await server.delivered("<lines@portico.example>")
    head, _, body = found.partition(b"\n\n")
    assert body.split(b"\n")[:-1] == lines
    assert b"Return-Path: <no-reply@portico.example>" in head
    assert b"using TLSv1" in head


async def test_a_credential_arrives_signed_and_readable(
    server: Postfix, proof: Certificate, make_courier: MakeCourier, post: Post
) -> None:
    signer = DkimSigner("portico.example", "s1", private_pem(rsa.generate_private_key(65537, 2048)))
    make_courier.dkim, make_courier.tls, make_courier.patience = signer, proof.trusting, PATIENCE
    queued = await post.queue()
    courier = make_courier.to(SmtpServer("127.0.0.1", server.port, "starttls"))
    await courier.deliver(queued.id)
    assert (await post.row(queued))["state"] == "accepted"
    arrived = await server.delivered(str(queued.id))
    message = message_from_bytes(arrived, policy=policy.default)
    assert message["From"] == "Riverside Family Services <no-reply@portico.example>"
    assert (message["To"], message["Message-ID"]) == (RECIPIENT, f"<{queued.id}@portico.example>")
    text = message.get_body(("plain",))  # type: ignore[attr-defined]
    assert SECRET in text.get_content()
    wire = arrived.replace(b"\n", b"\r\n")
    assert verifies(wire, signer.record)
    assert not verifies(wire.replace(SECRET.encode(), b"another"), signer.record)


async def test_an_unknown_mailbox_is_refused_for_good(server: Postfix, proof: Certificate) -> None:
    answer = await hand_over(server, proof, recipient="nobody@client.example")
    assert (answer.outcome, answer.code) == ("refused", 550)
    assert "5.1.1" in answer.reply


async def test_a_server_that_asks_to_come_back_is_believed(server: Postfix, proof: Certificate) -> None:
    answer = await hand_over(server, proof, recipient="later@client.example")
    assert (answer.outcome, answer.code) == ("deferred", 450)


async def test_a_mail_that_is_too_big_is_refused(server: Postfix, proof: Certificate) -> None:
    answer = await hand_over(server, proof, b"Subject: Big\r\n\r\n" + (b"x" * 70 + b"\r\n") * 4000)
    assert (answer.outcome, answer.code) == ("refused", 552)


async def test_other_domains_are_not_relayed_to(server: Postfix, proof: Certificate) -> None:
    answer = await hand_over(server, proof, recipient="x@elsewhere.example")
    assert answer.outcome in {"refused", "deferred"}


async def test_a_server_that_requires_encryption_takes_nothing_in_clear(server: Postfix, proof: Certificate) -> None:
    answer = await hand_over(server, proof, security="plaintext")
    assert (answer.outcome, answer.code) == ("channel_refused", 530)


async def test_a_certificate_of_another_authority_is_not_believed(server: Postfix, tmp_path: Path) -> None:
    answer = await hand_over(server, certificate(tmp_path))
    assert answer.outcome == "unreachable"
    assert "certificate is not valid" in answer.reply


async def test_without_starttls_nothing_is_said(proof: Certificate) -> None:
    with postfix(proof, tls="none") as plain:
        answer = await hand_over(plain, proof)
        assert answer == Answer("unreachable", None, "The mail server does not offer STARTTLS.")
        assert "from=<" not in (plain.home / "log").read_text()
