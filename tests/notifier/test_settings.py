"""What the environment says about mail, and what it must not be able to say."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from services.notifier.mailer import SmtpServer
from services.notifier.settings import NotifierSettings
from shared.deliveries.sealing import new_key_pair
from shared.security.tokens import new_signing_key
from tests.notifier.smtp import certificate, private_pem

NEEDED: dict[str, Any] = {
    "probe_port": 9090,
    "database_url": "postgresql://portico_notifier:x@localhost/portico",
    "relay_database_url": "postgresql://portico_relay:x@localhost/portico",
    "redis_url": "redis://localhost/0",
    "celery_broker_url": "redis://localhost/1",
    "signing_key": new_signing_key(),
    "sealing_private_key": new_key_pair()[0],
    "audit_url": "http://localhost:8083",
    "smtp_url": "smtp://mail.example",
    "mail_from": "no-reply@portico.example",
}


def settings(**changes: Any) -> NotifierSettings:
    return NotifierSettings(**(NEEDED | changes))


@pytest.mark.parametrize(
    ("url", "security", "expected"),
    [
        ("smtp://mail.example", None, SmtpServer("mail.example", 587, "starttls")),
        ("smtps://mail.example", None, SmtpServer("mail.example", 465, "tls")),
        ("smtps://mail.example:2465", "TLS", SmtpServer("mail.example", 2465, "tls")),
        ("smtp://mail.example:465", "tls", SmtpServer("mail.example", 465, "tls")),
        ("smtp://localhost:1025", "plaintext", SmtpServer("localhost", 1025, "plaintext")),
        ("smtp://localhost", "plaintext", SmtpServer("localhost", 25, "plaintext")),
        (
            "smtp://us%40er:p%3Ass%2F@mail.example:587",
            "starttls",
            SmtpServer("mail.example", 587, "starttls", "us@er", "p:ss/"),
        ),
    ],
)
def test_the_mail_server(url: str, security: str | None, expected: SmtpServer) -> None:
    assert settings(smtp_url=url, smtp_security=security).smtp == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smtp_url", "mail.example:587"),
        ("smtp_url", "http://mail.example"),
        ("smtp_url", "smtp://"),
        ("smtp_url", "smtp://mail.example:99999"),
        ("smtp_url", "smtp://:password@mail.example"),
        ("smtp_url", "smtp://mail.example/path"),
        ("smtp_security", "opportunistic"),
        ("smtp_security", ""),
        ("smtp_ca", "no certificate"),
        ("mail_from", "no reply@portico.example"),
        ("dkim_domain", "portico example"),
        ("dkim_selector", "s1\r\nBcc"),
        ("dkim_key", "no key"),
        ("smtp_allowed_networks", "mail.example"),
        ("mail_from", "Portico <no-reply@portico.example>"),
        ("mail_from", "a@portico.example\r\nBcc: b@example.org"),
        ("sealing_private_key", "c2hvcnQ="),
        ("signing_key", "no key"),
        ("celery_broker_url", "amqp://localhost"),
        ("worker_threads", 0),
        ("lease_seconds", 0),
    ],
)
def test_what_is_wrong_is_refused_without_repeating_it(name: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**{name: value})
    [error] = refused.value.errors()
    assert error["loc"] == (name,)
    assert refused.value.errors(include_input=False)[0]["type"] != "value_error"
    assert f"'{value}'" not in str(refused.value)


@pytest.mark.parametrize("security", ["starttls", "plaintext"])
def test_smtps_cannot_be_made_less_than_it_says(security: str) -> None:
    with pytest.raises(ValidationError, match="must be tls"):
        settings(smtp_url="smtps://mail.example", smtp_security=security)


def test_secrets_are_in_no_repr() -> None:
    said = repr(settings(smtp_url="smtp://user:pass-word-1@mail.example"))
    assert "pass-word-1" not in said
    assert NEEDED["sealing_private_key"] not in said
    assert "pass-word-1" not in repr(settings(smtp_url="smtp://user:pass-word-1@mail.example").smtp)


def test_each_part_of_handing_over_fits_into_a_lease() -> None:
    found = settings()
    assert (found.patience.until_content, found.patience.after_content) == (60, 120)
    short = settings(lease_seconds=2)
    assert max(short.patience.until_content, short.patience.after_content) < short.lease.total_seconds()


def test_an_own_authority_is_trusted_besides_the_systems(tmp_path: Path) -> None:
    own = certificate(tmp_path)
    context = settings(smtp_ca=own.pem).tls_context()
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert len(context.get_ca_certs()) == len(ssl.create_default_context().get_ca_certs()) + 1


def test_dkim_is_set_as_a_whole_and_with_a_key_that_is_strong_enough() -> None:
    good = private_pem(rsa.generate_private_key(65537, 2048))
    whole = {"dkim_domain": "Portico.Example", "dkim_selector": "s1", "dkim_key": good}
    signer = settings(**whole).dkim
    assert signer is not None
    assert signer.record[0] == "s1._domainkey.portico.example"
    assert settings().dkim is None
    for name in whole:
        with pytest.raises(ValidationError, match="set all three or none"):
            settings(**{key: value for key, value in whole.items() if key != name})
    weak = private_pem(rsa.generate_private_key(65537, 1024))
    with pytest.raises(ValidationError, match="too weak") as refused:
        settings(**{**whole, "dkim_key": weak})
    assert "PRIVATE KEY" not in str(refused.value)
    assert good not in repr(settings(**whole))


def test_senders_of_the_operators_domains_are_reserved() -> None:
    assert settings().reserved_domains == ("portico.example",)
    key = private_pem(rsa.generate_private_key(65537, 2048))
    both = settings(dkim_domain="mail.portico.example", dkim_selector="s1", dkim_key=key).reserved_domains
    assert set(both) == {"portico.example", "mail.portico.example"}
