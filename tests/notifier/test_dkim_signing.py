"""DKIM signatures, checked by somebody else's verifier."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from services.notifier.dkim_signing import DkimSigner, WeakKey
from services.notifier.letters import Heading, on_the_wire
from shared.letters import Letters, Words
from tests.notifier.conftest import SECRET, MakeCourier, Post
from tests.notifier.smtp import Script, private_pem
from tests.support.dkim import verifies

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
SENDER = "no-reply@portico.example"


@pytest.fixture(scope="module")
def signers() -> dict[str, DkimSigner]:
    keys = {"rsa": rsa.generate_private_key(65537, 2048), "ed25519": ed25519.Ed25519PrivateKey.generate()}
    return {name: DkimSigner("portico.example", "s1", private_pem(key)) for name, key in keys.items()}


def a_mail(*, reply_to: str | None = None) -> bytes:
    words = Words("cmalek", "Riverside & Söhne", "http://localhost:8082/riverside/", SECRET, NOW, "UTC", "en-US")
    heading = Heading(SENDER, "Riverside & Söhne", "cmalek@client.example", "<1@portico.example>", NOW, reply_to)
    return on_the_wire(Letters().write("temporary_password", words), heading)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_signature_is_good_and_whatever_matters_breaks_it(signers: dict[str, DkimSigner], kind: str) -> None:
    signer = signers[kind]
    mail = a_mail(reply_to="office@riverside.example")
    signed = signer.sign(SENDER, mail, NOW)
    assert signed.endswith(mail)
    assert verifies(signed, signer.record)
    for before, after in (
        (b"client.example", b"other.example"),
        (b"office@", b"0ffice@"),
        (b"Subject: ", b"Subject: Re: "),
        (SECRET.encode(), SECRET.replace("h", "i").encode()),
        (b"text/html", b"text/plain"),
        (b"\r\nTo: ", b"\r\nCc: somebody@else.example\r\nTo: "),
        (b"\r\nTo: ", b"\r\nFrom: somebody@else.example\r\nTo: "),
        (b"\r\nTo: ", b"\r\nSubject: another\r\nTo: "),
    ):
        assert before in signed
        assert not verifies(signed.replace(before, after, 1), signer.record), (before, after)


def test_a_reply_to_that_was_not_there_breaks_the_signature(signers: dict[str, DkimSigner]) -> None:
    signer = signers["ed25519"]
    signed = signer.sign(SENDER, a_mail(), NOW)
    assert verifies(signed, signer.record)
    assert not verifies(signed.replace(b"\r\nTo: ", b"\r\nReply-To: x@evil.example\r\nTo: ", 1), signer.record)


def test_spaces_and_folds_that_mail_servers_change_do_not_matter(signers: dict[str, DkimSigner]) -> None:
    signer = signers["rsa"]
    signed = signer.sign(SENDER, a_mail(), NOW)
    folded = signed.replace(b"Auto-Submitted: ", b"Auto-Submitted:\r\n\t").replace(b"To: cmalek", b"To:  cmalek")
    assert verifies(folded + b"\r\n\r\n", signer.record)


def test_the_signature_is_a_header_of_short_lines_that_names_domain_and_time(signers: dict[str, DkimSigner]) -> None:
    for signer in signers.values():
        mail = a_mail()
        signed = signer.sign(SENDER, mail, NOW)
        header = signed[: -len(mail)].decode()
        assert max(map(len, header.split("\r\n"))) <= 78
        value = str(message_from_bytes(signed)["DKIM-Signature"])
        tags = dict(re.split(r"\s*=\s*", tag.strip(), maxsplit=1) for tag in value.split(";"))
        assert (tags["d"], tags["s"], tags["t"]) == ("portico.example", "s1", str(int(NOW.timestamp())))
        names = re.sub(r"\s", "", tags["h"]).split(":")
        assert [names.count(name) for name in ("from", "to", "subject", "reply-to")] == [2, 2, 2, 1]


@pytest.mark.parametrize("sender", ["x@other.example", "x@sub.portico.example", "x@notportico.example"])
def test_nothing_is_signed_for_another_domain(signers: dict[str, DkimSigner], sender: str) -> None:
    mail = a_mail()
    assert signers["rsa"].sign(sender, mail, NOW) == mail


def test_a_weak_key_and_one_of_another_kind_are_refused() -> None:
    for key in (rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP256R1())):
        with pytest.raises(WeakKey):
            DkimSigner("portico.example", "s1", private_pem(key))
    with pytest.raises(ValueError, match="PEM"):
        DkimSigner("portico.example", "s1", "no key")


async def test_a_credential_leaves_signed(
    make_courier: MakeCourier, smtp: Script, post: Post, signers: dict[str, DkimSigner]
) -> None:
    make_courier.dkim = signers["rsa"]
    await make_courier(smtp).deliver((await post.queue()).id)
    [caught] = smtp.caught
    assert verifies(caught.content, signers["rsa"].record)
    assert SECRET in caught.text
