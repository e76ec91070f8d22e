"""What the owner of a login reads, and that nothing of it gets out of the header that it belongs to."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses
from html.parser import HTMLParser
from typing import Any

import pytest
from jinja2 import UndefinedError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.notifier.headers import UnsafeHeader, check_block, safe_address, safe_name
from services.notifier.letters import Heading, on_the_wire
from shared.http.devices import UNKNOWN, device_of
from shared.letters import COLUMNS, Letter, Letters, UnknownMail, Words, moment
from tests.notifier.smtp import Caught

EXPIRES = datetime(2026, 11, 27, 14, 30, tzinfo=UTC)
TOKEN = "0123456789abcdef0123456789abcdef.AbCdEfGhIjKlMnOpQrStUvWxYz0123456789_-AbCdE"
TO_STAFF = (
    *("staff_invitation", "staff_password_reset", "staff_password_changed", "staff_second_factor_changed"),
    *("staff_passkey_changed", "staff_sign_in_refused", "staff_email_changed"),
)
MAILS = (
    *("temporary_password", "password_reset", "password_changed", "username", "email_changed"),
    *("second_factor_changed", "second_factor_reset", "passkey_changed", "sign_in_refused", *TO_STAFF),
    *("invitation_link", "new_device", "login_inactive", "new_email", "email_test"),
)
INJECTION = "=?utf-8?q?x=0ABcc=3A=20evil=40example.org?="
HEADERS = {
    *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
    *("MIME-Version", "Content-Type", "Content-Language"),
}


def words(**changes: str | None) -> Words:
    chosen: dict[str, Any] = {
        "username": "cmalek",
        "agency_name": "Riverside Family Services",
        "portal_url": "https://portal.example.org/riverside/",
        "secret": "h7Kqp-Rw9Tz-mN4xV-u8Jbc",
        "time_zone": "America/New_York",
        "locale": "en-US",
        "detail": "added",
    } | changes
    return Words(expires_at=EXPIRES, **chosen)


def heading(**changes: str) -> Heading:
    chosen = {
        "sender": "no-reply@portico.example",
        "sender_name": "Riverside Family Services",
        "recipient": "cmalek@client.example",
        "message_id": "<01935d7e-0000-7000-8000-000000000000@portico.example>",
    } | changes
    return Heading(written_at=datetime(2026, 11, 24, 14, 30, tzinfo=UTC), **chosen)


def sent(mail: str = "temporary_password", *, of: Words | None = None, by: Heading | None = None) -> Caught:
    chosen = of or words()
    if mail in (*TO_STAFF, "email_test"):
        chosen = replace(chosen, portal_url=None, staff_url=chosen.portal_url)
    return Caught("", [], on_the_wire(Letters().write(mail, chosen), by or heading()))


def test_a_mail_about_a_second_factor_says_what_was_changed() -> None:
    mail = sent("second_factor_changed", of=words(detail="A recovery code was used", secret=TOKEN))
    for part in (mail.text, mail.html):
        assert "A recovery code was used" in part
        assert TOKEN in part


class Page(HTMLParser):
    """What an HTML part refers to, and its language."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: set[str] = set()
        self.language: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.add(tag)
        if tag == "html":
            self.language = found.get("lang")
        for name in ("href", "src", "background", "srcset", "action"):
            if found.get(name):
                self.links.add(str(found[name]))


def test_a_temporary_password_mail_says_all_that_its_reader_needs() -> None:
    mail = sent()
    for part in (mail.text, mail.html):
        plain = " ".join(re.sub(r"<[^>]+>", " ", part).split())
        for needed in (
            "Riverside Family Services",
            "https://portal.example.org/riverside/",
            "cmalek",
            "h7Kqp-Rw9Tz-mN4xV-u8Jbc",
            "Friday, November 27, 2026 at 9:30 AM EST",
            "Choose a password of your own",
            "Nobody at Riverside Family Services will ever ask you for your password.",
        ):
            assert needed in plain
        for told in ("health", "treatment", "therapy", "patient", "residential", "clinic", "counsel", "recovery"):
            assert told not in plain.lower()


def test_a_reset_mail_carries_its_token_in_a_fragment_and_as_a_code() -> None:
    mail = sent("password_reset", of=words(secret=TOKEN))
    link = f"https://portal.example.org/riverside/reset#token={TOKEN}"
    assert link in mail.text.split()
    assert TOKEN in mail.text.split()
    page = Page(mail.html)
    assert page.links == {link, "https://portal.example.org/riverside/reset"}
    assert f">{TOKEN}<" in mail.html


@pytest.mark.parametrize(
    ("what", "says"), [("added", "Whoever has it can sign in"), ("removed", "It does not sign anybody in")]
)
def test_a_mail_about_a_passkey_says_what_was_done_and_how_to_lock_the_login(what: str, says: str) -> None:
    mail = sent("passkey_changed", of=words(secret=TOKEN, detail=what))
    link = f"https://portal.example.org/riverside/not-me#token={TOKEN}"
    assert link in mail.text.split()
    for part in (mail.text, mail.html):
        plain = " ".join(re.sub(r"<[^>]+>", " ", part).split())
        assert f"A passkey for the client portal of Riverside Family Services was {what}." in plain
        assert says in plain


def test_a_mail_about_a_changed_password_says_how_to_lock_the_login() -> None:
    mail = sent("password_changed", of=words(secret=TOKEN))
    link = f"https://portal.example.org/riverside/not-me#token={TOKEN}"
    assert link in mail.text.split()
    assert TOKEN in mail.text.split()
    assert Page(mail.html).links == {link, "https://portal.example.org/riverside/not-me"}


def test_a_mail_about_a_changed_address_says_how_to_confirm_it_and_how_to_lock_the_login() -> None:
    mail = sent("email_changed", of=words(secret=TOKEN, new_email="o***@example.com"))
    link = f"https://portal.example.org/riverside/confirm-email#token={TOKEN}"
    assert link in mail.text.split()
    assert TOKEN in mail.text.split()
    assert Page(mail.html).links == {link, "https://portal.example.org/riverside/confirm-email"}
    for part in (mail.text, mail.html):
        plain = " ".join(re.sub(r"<[^>]+>", " ", part).split())
        for needed in ("o***@example.com", "That was not me", "Yes, it is right", "cmalek"):
            assert needed in plain


def test_an_invitation_tells_staff_where_they_work_and_how_they_begin() -> None:
    mail = sent("staff_invitation", of=words(portal_url="https://staff.example.org/riverside/"))
    for part in (mail.text, mail.html):
        plain = " ".join(re.sub(r"<[^>]+>", " ", part).split())
        for needed in (
            "Riverside Family Services",
            "https://staff.example.org/riverside/",
            "cmalek",
            "h7Kqp-Rw9Tz-mN4xV-u8Jbc",
            "Friday, November 27, 2026 at 9:30 AM EST",
            "Choose a password of your own",
        ):
            assert needed in plain
    assert Page(mail.html).links == {"https://staff.example.org/riverside/"}


@pytest.mark.parametrize("name", TO_STAFF)
def test_mails_to_staff_speak_of_their_own_pages(name: str) -> None:
    mail = sent(name)
    assert "staff pages" in mail.text
    assert "portal" not in mail.text.replace("portal.example.org", "").lower()


def test_the_codes_of_staff_lead_to_the_staff_pages() -> None:
    staff = words(secret=TOKEN, portal_url="https://staff.example.org/riverside/")
    for name, page in (
        ("staff_password_reset", "reset"),
        ("staff_password_changed", "not-me"),
        ("staff_email_changed", "not-me"),
    ):
        mail = sent(name, of=staff)
        assert f"https://staff.example.org/riverside/{page}#token={TOKEN}" in mail.text.split()
        assert TOKEN in mail.text.split()


def test_a_mail_with_the_username_carries_no_code() -> None:
    mail = sent("username", of=words(secret=""))
    assert "cmalek" in mail.text
    assert Page(mail.html).links == {"https://portal.example.org/riverside/"}
    assert "token=" not in mail.text + mail.html


def test_a_reset_link_below_an_address_without_a_slash_at_its_end() -> None:
    mail = sent("password_reset", of=words(secret=TOKEN, portal_url="https://agency.example/portal"))
    assert f"https://agency.example/portal/reset#token={TOKEN}" in mail.text


@pytest.mark.parametrize("name", MAILS)
def test_the_mail_is_accessible_and_loads_nothing(name: str) -> None:
    page = Page(sent(name).html)
    assert page.language == "en"
    assert {"h1", "dl", "title"} <= page.tags
    assert not page.tags & {"img", "script", "link", "iframe", "form", "object", "table"}
    assert all(link.startswith("https://portal.example.org/riverside/") for link in page.links)
    assert "url(" not in sent(name).html


@pytest.mark.parametrize("name", MAILS)
def test_the_form_of_the_mail(name: str) -> None:
    mail = sent(name, of=words(agency_name="Riverside Family Services of the Upper Valley and Surrounding Counties"))
    message = mail.message
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    assert set(message.keys()) == HEADERS
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == datetime(2026, 11, 24, 14, 30, tzinfo=UTC)
    assert message["From"] == "Riverside Family Services <no-reply@portico.example>"
    assert "\n" not in message["Subject"]
    assert all(part.get_content_charset() == "utf-8" for part in message.iter_parts())
    # An address stays whole, or nobody can press it.
    assert all(len(line) <= COLUMNS or " " not in line.strip() for line in mail.text.splitlines())
    assert mail.content.isascii()
    assert max(map(len, mail.content.split(b"\r\n"))) <= 78


def test_long_words_stay_whole() -> None:
    address = "https://portal.example.org/" + "riverside" * 10 + "/"
    mail = sent(of=words(portal_url=address))
    assert address in mail.text
    assert address in mail.html


def test_subjects_name_nobody() -> None:
    for name in MAILS:
        subject = sent(name, of=words(secret=TOKEN)).message["Subject"]
        assert not any(told in subject for told in ("Riverside", "cmalek", TOKEN))


@pytest.mark.parametrize(
    ("zone", "locale", "expected"),
    [
        ("America/New_York", "en-US", "Friday, November 27, 2026 at 9:30 AM EST"),
        ("America/Chicago", "en-US", "Friday, November 27, 2026 at 8:30 AM CST"),
        ("America/Phoenix", "en-US", "Friday, November 27, 2026 at 7:30 AM MST"),
        ("Pacific/Honolulu", "es-US", "Friday, November 27, 2026 at 4:30 AM HST"),
        ("America/New_York", "nonsense", "Friday, November 27, 2026 at 9:30 AM EST"),
    ],
)
def test_moments_are_told_in_the_agencys_zone(zone: str, locale: str, expected: str) -> None:
    assert moment(EXPIRES, zone, locale) == expected


def test_markup_in_a_name_is_shown_and_not_obeyed() -> None:
    mail = sent(of=words(agency_name="<img src=x onerror=alert(1)> & Sons", username="<b>x</b>"))
    assert "img" not in Page(mail.html).tags
    assert "b" not in Page(mail.html).tags
    assert "&lt;img src=x onerror=alert(1)&gt; &amp; Sons" in mail.html
    assert "<img src=x onerror=alert(1)> & Sons" in mail.text


def test_line_breaks_in_a_name_make_no_lines() -> None:
    mail = sent(of=words(agency_name="Riverside\r\n\r\nYour password is void, call 555\u2028now"))
    assert "Riverside Your password is void, call 555 now" in " ".join(mail.text.split())
    assert not any(line.startswith("Your password is void") for line in mail.text.splitlines())


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "https://x.example/ y", "//x.example"])
def test_a_portal_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="web address"):
        Letters().write("temporary_password", words(portal_url=address))


@pytest.mark.parametrize(
    "name",
    [
        INJECTION,
        "Riverside\r\nBcc: evil@example.org",
        "Riverside\nBcc: evil@example.org",
        "Riverside\x00",
        "Riverside\x85Bcc: evil@example.org",
        "Riverside\u2028Bcc: evil@example.org",
        "Riverside \u202egnp.exe",
        "x" * 201,
    ],
)
def test_an_unsafe_agency_name_leaves_the_bare_address(name: str) -> None:
    raw = sent(by=heading(sender_name=name)).content
    block = raw.partition(b"\r\n\r\n")[0]
    assert b"\r\nFrom: no-reply@portico.example\r\n" in b"\r\n" + block + b"\r\n"
    assert b"bcc" not in block.lower()
    assert b"evil" not in block


@pytest.mark.parametrize(
    "name", ["Caf\u00e9 R\u00edo", 'Smith, Jones & "Co" (East)', "\u00e9" * 200, "A, b@c.example " * 9, "\u6cb3" * 120]
)
def test_safe_names_of_every_kind_stay_one_sender(name: str) -> None:
    raw = sent(by=heading(sender_name=name)).content
    assert max(map(len, raw.partition(b"\r\n\r\n")[0].split(b"\r\n"))) <= 100
    mail = message_from_bytes(raw)
    assert set(mail.keys()) == HEADERS
    [(shown, address)] = getaddresses([mail["From"]])
    assert address == "no-reply@portico.example"
    assert str(make_header(decode_header(shown))) == name.strip()


@pytest.mark.parametrize(
    "address",
    [
        INJECTION + "@client.example",
        "a@client.example\r\nBcc: evil@example.org",
        "a@client.example\n",
        "a b@client.example",
        '"a\\\r\nRCPT TO:<evil@example.org>"@client.example',
        "a@client.example, evil@example.org",
        "<a@client.example>",
        "a@b@client.example",
        "a@",
        "",
        "\u00e9@client.example",
        "a@[127.0.0.1]",
        "a" * 65 + "@client.example",
        "a@client.example>SIZE=1",
    ],
)
def test_an_unsafe_recipient_or_sender_is_refused(address: str) -> None:
    with pytest.raises(UnsafeHeader):
        safe_address(address)
    letter = Letters().write("temporary_password", words())
    with pytest.raises(UnsafeHeader):
        on_the_wire(letter, heading(recipient=address))
    with pytest.raises(UnsafeHeader):
        on_the_wire(letter, heading(sender=address))


@pytest.mark.parametrize("subject", [INJECTION, "Hello\r\nBcc: evil@example.org", "Hello\x0bthere", "", " "])
def test_an_unsafe_subject_is_refused(subject: str) -> None:
    with pytest.raises(UnsafeHeader):
        on_the_wire(Letter(subject, "text\n", "<p>html</p>\n"), heading())


def test_a_header_block_with_a_line_too_many_does_not_leave() -> None:
    good = b"From: a@b.example\r\nTo: c@d.example\r\n\r\nbody"
    check_block(good, ("From", "To"))
    for extra in (b"Bcc: evil@example.org\r\n", b"To: second@example.org\r\n", b"\nBcc: x\r\n", b"garbage\r\n"):
        with pytest.raises(UnsafeHeader):
            check_block(extra + good, ("From", "To"))
        with pytest.raises(UnsafeHeader):
            check_block(good.replace(b"To:", extra + b"To:"), ("From", "To"))


def test_what_python_makes_of_an_encoded_word_is_caught() -> None:
    # The library itself, without our checks: whichever way this Python folds it, the block is no longer ours.
    mail = EmailMessage(policy=policy.SMTP)
    mail["Subject"] = f"Hello {INJECTION}"
    raw = mail.as_bytes()
    if b"\nBcc:" in raw:
        with pytest.raises(UnsafeHeader):
            check_block(raw, ("Subject",))
    assert safe_name(f"Hello {INJECTION}") == ""
    assert message_from_bytes(raw, policy=policy.default)["To"] is None


def test_templates_are_strict_and_sandboxed(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = Letters()
    environment = letters._templates
    assert isinstance(environment, ImmutableSandboxedEnvironment)
    with pytest.raises(UndefinedError):
        environment.from_string("{{ not_given }}").render()
    with pytest.raises(SecurityError):
        environment.from_string("{{ ''.__class__.__mro__[1].__subclasses__() }}").render()


@pytest.mark.parametrize("name", ["nothing", "../notifier/settings", "layout.html", ""])
def test_a_mail_without_templates_is_unknown(name: str) -> None:
    with pytest.raises(UnknownMail):
        Letters().write(name, words())


def test_nothing_that_holds_the_secret_shows_it() -> None:
    secret = "h7Kqp-Rw9Tz-mN4xV-u8Jbc"
    chosen = words(secret=secret)
    assert secret not in repr(chosen)
    assert secret not in repr(Letters().write("temporary_password", chosen))


def test_a_link_mail_leads_to_its_page_and_shows_the_code() -> None:
    mail = sent("invitation_link", of=words(secret=TOKEN))
    for part in (mail.text, mail.html):
        assert f"https://portal.example.org/riverside/invitation#token={TOKEN}" in part
        assert "https://portal.example.org/riverside/invitation" in part
        assert "cmalek" in part
        assert "Friday, November 27, 2026 at 9:30 AM EST" in part
        assert "emporary" not in part


def test_a_mail_about_a_new_device_says_when_and_where() -> None:
    when = "2026-03-02T15:00:00+00:00"
    mail = sent("new_device", of=words(secret=TOKEN, detail="Firefox on Linux", happened_at=when, place="198.51.x.x"))
    for part in (mail.text, mail.html):
        assert "Firefox on Linux" in part
        assert "Monday, March 2, 2026 at 10:00 AM EST" in part
        assert "198.51.x.x" in part
        assert f"https://portal.example.org/riverside/not-me#token={TOKEN}" in part
    unplaced = sent("new_device", of=words(secret=TOKEN, detail="Firefox on Linux", happened_at=when))
    assert "Internet address" not in unplaced.text + unplaced.html


@pytest.mark.parametrize(
    ("device", "spanish"),
    [
        (device_of("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"), "Firefox en Linux"),
        (UNKNOWN, "Dispositivo desconocido"),
        ("curl", "curl"),
    ],
)
def test_a_device_is_named_in_the_letters_language(device: str, spanish: str) -> None:
    mail = sent("new_device", of=words(secret=TOKEN, detail=device, language="es"))
    for part in (mail.text, mail.html):
        assert spanish in part
    assert device in sent("new_device", of=words(secret=TOKEN, detail=device)).text


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("device", ["<b>%(secret)s</b> on <img src=x>", "<b>%(secret)s</b>", "Hello,\r\nHello,"])
def test_what_a_browser_calls_itself_is_no_markup_and_no_sentence(device: str, language: str) -> None:
    mail = sent("new_device", of=words(secret=TOKEN, detail=device, language=language))
    assert not Page(mail.html).tags & {"b", "img"}
    for part in (mail.text, mail.html):
        # In the link and as a code, and no further time.
        assert part.count(TOKEN) == 2
    if "%" in device:
        assert "<b>%(secret)s</b>" in mail.text
    else:
        assert "    Hello, Hello," in mail.text.splitlines()


@pytest.mark.parametrize(("name", "username"), [("new_email", False), ("login_inactive", True)])
def test_a_mail_that_may_reach_a_stranger_opens_nothing(name: str, *, username: bool) -> None:
    mail = sent(name, of=words(secret=""))
    for part in (mail.text, mail.html):
        assert "token" not in part
        assert "https://portal" not in part
        assert ("cmalek" in part) is username
