"""The mail catcher: real SMTP in, page and JSON out."""

from __future__ import annotations

import os
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiohttp
import aiosmtplib
import pytest
from aiohttp.test_utils import TestClient, TestServer

from ops.mailbox.catcher import catching
from ops.mailbox.pages import make_app
from ops.mailbox.store import MailStore
from ops.stack.ports import free_port
from tests.stack.conftest import until


class Clock:
    """Tells a time that moves on by a second at each look."""

    def __init__(self) -> None:
        self.now = datetime(2022, 6, 16, 9, 47, 16, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def credential_mail(to: str = "testportaluser@gmail.com", subject: str = "Your login") -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "Riverside Example <no-reply@portico.example>"
    mail["To"] = to
    mail["Subject"] = subject
    mail.set_content("Sign in at http://localhost:8082/riverside/.\nTemporary password: <b>not bold</b>\n")
    mail.add_alternative("<p>Sign in <a href='http://localhost:8082/'>here</a></p><script>x</script>", subtype="html")
    return mail


class Mailbox:
    """A mailbox that runs inside the test."""

    def __init__(self, client: TestClient[Any, Any], store: MailStore, smtp_port: int) -> None:
        self.client = client
        self.store = store
        self.smtp_port = smtp_port

    async def send(self, mail: EmailMessage, **options: Any) -> None:
        await aiosmtplib.send(mail, hostname="127.0.0.1", port=self.smtp_port, **options)

    async def messages(self, **query: str) -> list[dict[str, str]]:
        async with self.client.get("/api/messages", params=query) as response:
            assert response.status == 200
            return list((await response.json())["items"])


@pytest.fixture
async def mailbox(tmp_path: Path) -> AsyncIterator[Mailbox]:
    store = MailStore(tmp_path / "mail", clock=Clock(), limit=120)
    app = make_app(store, frozenset({"127.0.0.1", "mail.example"}))
    async with (
        TestClient(TestServer(app)) as client,
        catching(store, host="127.0.0.1", port=0, reuse_port=False) as port,
    ):
        yield Mailbox(client, store, port)


async def test_a_mail_is_found_by_its_recipient_with_both_parts(mailbox: Mailbox) -> None:
    await mailbox.send(credential_mail())
    await mailbox.send(credential_mail(to="other@gmail.com"))
    (item,) = await mailbox.messages(to="TestPortalUser@Gmail.com ")
    assert item["to"] == "testportaluser@gmail.com"
    assert item["from"] == "Riverside Example <no-reply@portico.example>"
    assert item["subject"] == "Your login"
    assert item["received_at"] == "2022-06-16T09:47:17Z"
    assert item["text"] == "Sign in at http://localhost:8082/riverside/.\nTemporary password: <b>not bold</b>\n"
    assert item["html"].startswith("<p>Sign in <a href=")
    assert set(item) == {"id", "from", "to", "subject", "received_at", "text", "html"}
    assert await mailbox.messages(to="nobody@gmail.com") == []


async def test_the_newest_comes_first_and_limit_cuts(mailbox: Mailbox) -> None:
    for number in range(3):
        await mailbox.send(credential_mail(subject=f"Mail {number}"))
    assert [item["subject"] for item in await mailbox.messages()] == ["Mail 2", "Mail 1", "Mail 0"]
    assert [item["subject"] for item in await mailbox.messages(limit="1")] == ["Mail 2"]


async def test_who_got_it_counts_even_where_the_header_names_somebody_else(mailbox: Mailbox) -> None:
    await mailbox.send(credential_mail(to="list@example.org"), recipients=["hidden@example.org"])
    assert len(await mailbox.messages(to="hidden@example.org")) == 1
    assert len(await mailbox.messages(to="list@example.org")) == 1


async def test_letters_of_all_kinds_arrive_as_they_were_sent(mailbox: Mailbox) -> None:
    mail = credential_mail(subject="Zażółć gęślą jaźń 中文")
    mail.replace_header("From", "Señor Núñez <no-reply@portico.example>")
    await mailbox.send(mail)
    (item,) = await mailbox.messages()
    assert item["subject"] == "Zażółć gęślą jaźń 中文"
    assert item["from"] == "Señor Núñez <no-reply@portico.example>"


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"no header at all",
        b"To: <<<broken\r\nFrom: ,,,\r\nSubject: =?utf-8?q?=ff?=\r\n\r\nbody",
        b"Subject: x\r\nContent-Type: text/plain; charset=made-up\r\n\r\nbody",
        b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>\xff",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!",
        b"Subject: \x00\x1b[31m\r\n\r\n\x00",
    ],
)
async def test_broken_mail_is_kept_and_shown_all_the_same(mailbox: Mailbox, source: bytes) -> None:
    mailbox.store.add(source, sender="", recipients=["x@example.org"], peer="127.0.0.1")
    (item,) = await mailbox.messages(to="x@example.org")
    for path in ("/", f"/messages/{item['id']}", f"/messages/{item['id']}/html"):
        async with mailbox.client.get(path) as response:
            assert response.status == 200


async def test_the_source_is_there_as_it_was_sent(mailbox: Mailbox) -> None:
    mail = credential_mail()
    mail["Message-ID"] = "<fixed@portico.example>"
    await mailbox.send(mail)
    (item,) = await mailbox.messages()
    async with mailbox.client.get(f"/messages/{item['id']}/source") as response:
        text = await response.text()
    assert response.content_type == "text/plain"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Message-ID: <fixed@portico.example>" in text
    assert text.startswith("Return-Path: <no-reply@portico.example>\r\nDelivered-To: testportaluser@gmail.com\r\n")


async def test_the_page_shows_text_as_text_and_html_in_a_closed_frame(mailbox: Mailbox) -> None:
    await mailbox.send(credential_mail(subject="<i>Your login</i>"))
    (item,) = await mailbox.messages()
    async with mailbox.client.get("/") as response:
        listed = await response.text()
        assert "script" not in response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "&lt;i&gt;Your login&lt;/i&gt;" in listed
    assert "<i>" not in listed
    async with mailbox.client.get(f"/messages/{item['id']}") as response:
        page = await response.text()
    assert "&lt;b&gt;not bold&lt;/b&gt;" in page
    assert '<a href="http://localhost:8082/riverside/" target="_blank" rel="noopener noreferrer">' in page
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    async with mailbox.client.get(f"/messages/{item['id']}/html") as response:
        policy = response.headers["Content-Security-Policy"]
    assert "sandbox allow-popups" in policy
    assert "allow-scripts" not in policy
    assert "frame-ancestors 'self'" in policy


async def test_long_lists_have_pages(mailbox: Mailbox) -> None:
    for number in range(60):
        mailbox.store.add(
            f"Subject: Mail {number}.\r\n\r\n".encode(), sender="", recipients=["x@y.z"], peer="127.0.0.1"
        )
    async with mailbox.client.get("/") as response:
        first = await response.text()
    assert "Mail 59." in first
    assert "Mail 10." in first
    assert "Mail 9." not in first
    older = first.partition('href="/?before=')[2].partition('"')[0]
    async with mailbox.client.get(f"/?before={older}") as response:
        second = await response.text()
    assert "Mail 9." in second
    assert "Mail 0." in second
    assert "Mail 10." not in second


async def test_only_so_many_are_kept(mailbox: Mailbox, tmp_path: Path) -> None:
    for number in range(125):
        mailbox.store.add(f"Subject: {number}\r\n\r\n".encode(), sender="", recipients=["x@y.z"], peer="127.0.0.1")
    found = [item["subject"] for item in await mailbox.messages()]
    assert found == [str(number) for number in range(124, 4, -1)]
    assert len(list((tmp_path / "mail").iterdir())) == 120


async def test_deleting_is_for_the_own_page_and_for_programs(mailbox: Mailbox) -> None:
    await mailbox.send(credential_mail())
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
    ):
        async with mailbox.client.post("/delete-all", headers=headers) as response:
            assert response.status == 403
    assert len(await mailbox.messages()) == 1
    async with mailbox.client.post("/delete-all", headers={"Sec-Fetch-Site": "same-origin"}) as response:
        assert response.status == 200
        assert "No e-mail yet" in await response.text()
    await mailbox.send(credential_mail())
    async with mailbox.client.delete("/api/messages") as response:
        assert response.status == 204
    assert await mailbox.messages() == []


async def test_another_host_name_reads_nothing(mailbox: Mailbox) -> None:
    for host, status in (("evil.example", 421), ("evil.example:80", 421), ("[", 421), ("mail.example:8085", 200)):
        async with mailbox.client.get("/api/messages", headers={"Host": host}) as response:
            assert response.status == status


async def test_what_is_not_there_is_not_found(mailbox: Mailbox) -> None:
    for path in ("/messages/1", "/messages/1/html", "/messages/..%2f..%2fsecrets/source", "/nothing"):
        async with mailbox.client.get(path) as response:
            assert response.status == 404
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]


@contextmanager
def mailbox_process(folder: Path, **settings: str) -> Iterator[tuple[int, int]]:
    port, smtp_port = free_port(), free_port()
    told = {"PORT": str(port), "SMTP_PORT": str(smtp_port), "MAIL_FOLDER": str(folder)} | settings
    process = subprocess.Popen([sys.executable, "-m", "ops.mailbox"], env=os.environ | told)
    try:
        assert until(lambda: process.poll() is not None or _listens(smtp_port))
        assert process.poll() is None
        yield port, smtp_port
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    try:
        smtplib.SMTP("127.0.0.1", port, timeout=2).close()
    except OSError:
        return False
    return True


async def test_the_process_keeps_its_mail_for_the_next_start_in_files_of_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    with mailbox_process(folder) as (_, smtp_port):
        await aiosmtplib.send(credential_mail(), hostname="127.0.0.1", port=smtp_port)
    (kept,) = folder.iterdir()
    assert kept.suffix == ".eml"
    assert (folder.stat().st_mode & 0o777, kept.stat().st_mode & 0o777) == (0o700, 0o600)
    with mailbox_process(folder) as (port, _):
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://localhost:{port}/readyz") as response:
                assert response.status == 200
            async with session.get(f"http://localhost:{port}/api/messages?to=testportaluser@gmail.com") as response:
                (item,) = (await response.json())["items"]
    assert "Temporary password" in item["text"]


def test_a_port_that_is_taken_ends_it_with_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        told = {"PORT": "0", "SMTP_PORT": str(taken.getsockname()[1]), "MAIL_FOLDER": str(tmp_path / "mail")}
        done = subprocess.run(
            [sys.executable, "-m", "ops.mailbox"], env=os.environ | told, capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "mailbox cannot start: " in done.stderr


def test_everything_wrong_with_its_settings_is_told_at_once(tmp_path: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PORT", "SMTP_PORT", "MAIL_FOLDER")
    }
    done = subprocess.run(
        [sys.executable, "-m", "ops.mailbox"],
        env=environment | {"PORT": "many"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for name in ("PORT", "SMTP_PORT", "MAIL_FOLDER"):
        assert f" {name} " in done.stderr
