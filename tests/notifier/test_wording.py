"""In which language a letter goes out, and with which of the agency's own words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.notifier.delivery import Courier
from services.notifier.headers import UnsafeHeader
from services.notifier.letters import on_the_wire
from shared.letters import LANGUAGES, Letters, Wording, language_of, moment
from shared.letters.samples import WORDED
from shared.letters.wording import WrongWording
from tests.notifier.conftest import Post
from tests.notifier.smtp import Script
from tests.notifier.test_letters import EXPIRES, HEADERS, INJECTION, MAILS, Page, heading, sent, words

CONTEXT = {
    "username": "cmalek",
    "portal_url": "http://localhost:8082/riverside/",
    "agency_name": "Riverside Family Services",
}
OWN = Wording("Your way in", "Dear {{ username }},\n\nwelcome at {{ agency_name }}.", "Call 555-0100.")
# Python before 3.11.10 made headers of these when it folded them (CVE-2024-6923, CVE-2026-1299).
BREAKS = (
    INJECTION,
    "a\r\nBcc: evil@example.org",
    "a\nBcc: evil@example.org",
    "a\rBcc: x",
    "a\x00",
    "a\x85b",
    "a\u2028b",
    "a\x0bb",
)


async def put(post: Post, language: str, wording: Wording, mail: str = "temporary_password") -> None:
    await post.sql(
        "insert into accounts.mail_wordings values ($1, $2, $3, $4, $5, $6, now())",
        post.agency.id,
        mail,
        language,
        wording.subject,
        wording.opening,
        wording.closing,
    )


# Languages


def test_english_and_spanish_are_there() -> None:
    assert dict(LANGUAGES) == {"en": "English", "es": "Spanish"}
    assert [language_of(locale) for locale in ("en-US", "es-MX", "fr-CA", "nonsense", "")] == ["en", "es", *["en"] * 3]


@pytest.mark.parametrize(
    ("locale", "language", "expected"),
    [
        ("en-US", "es", "viernes, 27 de noviembre de 2026, 9:30 a.m. EST"),
        ("es-US", "es", "viernes, 27 de noviembre de 2026, 9:30 a.m. EST"),
        ("es-US", "en", "Friday, November 27, 2026 at 9:30 AM EST"),
    ],
)
def test_moments_are_told_in_the_letters_language(locale: str, language: str, expected: str) -> None:
    assert moment(EXPIRES, "America/New_York", locale, language) == expected


@pytest.mark.parametrize("name", MAILS)
def test_every_letter_is_all_in_its_language(name: str) -> None:
    english, spanish = sent(name), sent(name, of=words(language="es"))
    assert (english.message["Content-Language"], spanish.message["Content-Language"]) == ("en", "es")
    assert Page(spanish.html).language == "es"
    assert spanish.html.count('lang="es"') == 2
    assert spanish.message["Subject"] != english.message["Subject"]
    # What is the same in both is no sentence: names, addresses, codes.
    same = set(english.text.splitlines()) & set(spanish.text.splitlines())
    assert not [line for line in same if len(line.split()) > 1], same
    for code in ("h7Kqp-Rw9Tz-mN4xV-u8Jbc", "cmalek", "riverside"):
        assert (code in english.text) == (code in spanish.text)
    assert Page(spanish.html).links == Page(english.html).links
    assert spanish.content.isascii()


async def test_a_letter_goes_out_in_the_language_of_its_delivery(post: Post, courier: Courier, smtp: Script) -> None:
    for language in ("es", "en", "xx"):
        queued = await post.queue(context={**CONTEXT, "language": language})
        await courier.deliver(queued.id)
    await post.sql("update accounts.agencies set locale = 'es-US'")
    # As before logins had languages.
    await courier.deliver((await post.queue(context=CONTEXT)).id)
    subjects = [mail.message["Content-Language"] for mail in smtp.caught]
    assert subjects == ["es", "en", "en", "es"]
    assert "Su contraseña temporal" in smtp.caught[0].message["Subject"]


# Own words


def test_own_words_take_the_place_of_the_greeting_and_stand_before_the_safety_sentences() -> None:
    letter = Letters().write("temporary_password", words(), OWN)
    assert letter.subject == "Your way in"
    assert "Hello," not in letter.text + letter.html
    assert "\n\nDear cmalek,\n\nwelcome at Riverside Family Services.\n\nRiverside Family" in letter.text
    assert (
        letter.text.index("Each new one replaces") < letter.text.index("Call 555-0100.") < letter.text.index("KEEP IT")
    )
    assert letter.html.index("Dear cmalek,") < letter.html.index("h7Kqp") < letter.html.index("Call 555-0100.")
    for part in (letter.text, letter.html):
        assert "h7Kqp-Rw9Tz-mN4xV-u8Jbc" in part
        assert "will ever ask you for your password" in part


@pytest.mark.parametrize("name", WORDED)
def test_no_letter_loses_what_it_carries(name: str) -> None:
    plain = Letters().write(name, words())
    own = Letters().write(name, words(), replace(OWN, opening="Welcome.") if name == "new_email" else OWN)
    assert own.subject == "Your way in"
    assert "Call 555-0100." in own.text
    missing = set(plain.text.splitlines()) - set(own.text.splitlines())
    assert missing <= {"Hello,"}


@pytest.mark.parametrize("text", ["{{ secret }}", "{{ report_url }}", "{{ expires }}", "{{ _ }}", "{{ self }}"])
def test_own_words_see_no_secret(text: str) -> None:
    with pytest.raises(WrongWording):
        Letters().write("password_reset", words(), Wording(opening=text))


@pytest.mark.parametrize("text", ["{{ username }}", "{% if username == 'cmalek' %}x{% endif %}"])
def test_own_words_name_no_username_where_a_stranger_may_read_them(text: str) -> None:
    for wording in (Wording(opening=text), Wording(closing=text)):
        with pytest.raises(WrongWording):
            Letters().write("new_email", words(), wording)
    assert "Riverside Family Services!" in Letters().write("new_email", words(), Wording("", "{{ agency_name }}!")).text


def test_what_fills_a_placeholder_is_no_template_and_no_markup() -> None:
    letter = Letters().write(
        "temporary_password",
        words(username="{{ secret }}", agency_name="<b>x</b>"),
        Wording(opening="{{ username }} {{ agency_name }}"),
    )
    assert "\n{{ secret }} <b>x</b>\n" in letter.text
    assert "<b>" not in letter.html


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_detail_is_translated_where_it_is_known_and_is_text_in_any_case(language: str) -> None:
    for detail in ("<b>Firefox</b> %(secret)s", "{{ secret }}", "100 % (of)"):
        letter = Letters().write("second_factor_changed", words(detail=detail, language=language))
        assert f"\n    {detail}.\n" in letter.text
        assert "<b>" not in letter.html
    known = Letters().write("second_factor_changed", words(detail="A recovery code was used", language=language))
    assert ("Se usó un código de recuperación" in known.html) == (language == "es")


async def test_a_delivery_has_the_agencys_words_in_its_language(post: Post, courier: Courier, smtp: Script) -> None:
    await put(post, "en", OWN)
    await put(post, "es", replace(OWN, subject="", opening="Estimada {{ username }}:"))
    await put(post, "en", replace(OWN, subject="Not this one"), mail="username")
    for language in ("en", "es"):
        await courier.deliver((await post.queue(context={**CONTEXT, "language": language})).id)
    english, spanish = smtp.caught
    assert english.message["Subject"] == "Your way in"
    assert "Dear cmalek," in english.text
    assert spanish.message["Subject"] == "Su contraseña temporal para el portal de clientes"
    assert "Estimada cmalek:" in spanish.text


async def test_another_agencys_words_are_not_used(post: Post, courier: Courier, smtp: Script, world: Any) -> None:
    other = await world.agency("lakeside", name="Lakeside")
    await post.sql(
        "insert into accounts.mail_wordings values ($1, 'temporary_password', 'en', 'Theirs', '', '', now())", other.id
    )
    await courier.deliver((await post.queue()).id)
    assert smtp.caught[0].message["Subject"] == "Your temporary password for the client portal"


async def test_words_that_went_wrong_are_left_out_and_the_letter_goes(
    post: Post, courier: Courier, smtp: Script
) -> None:
    await put(post, "en", Wording(opening="{{ nothing_of_that_name }}"))
    with capture_logs() as logs:
        await courier.deliver((await post.queue()).id)
    assert "Hello," in smtp.caught[0].text
    assert "an agency's wording was left out" in [entry["event"] for entry in logs]


async def test_a_test_is_a_sample_and_says_so(post: Post, courier: Courier, smtp: Script, world: Any) -> None:
    person = await world.staff(post.agency, "boss", role="agency_admin")
    context = {
        "letter": "temporary_password",
        "agency_name": "Riverside",
        "language": "es",
        "portal_url": "http://localhost:8082/riverside/",
        "wording": {"subject": "Su acceso", "opening": "Hola {{ username }}:", "closing": ""},
    }
    queued = await post.queue(mail="wording_test", staff_user_id=person.user.id, secret="", context=context)
    await courier.deliver(queued.id)
    [mail] = smtp.caught
    assert mail.message["Subject"] == "[Test] Su acceso"
    for needed in ("Hola sample.username:", "THIS-IS-A-SAMPLE", "NO LO COMPARTA"):
        assert needed in mail.text


# Headers


@pytest.mark.parametrize("text", BREAKS)
def test_no_wording_shapes_the_headers(text: str) -> None:
    """Refused when the letter is written, and once more when its headers are."""
    with pytest.raises(WrongWording):
        Letters().write("temporary_password", words(), Wording(subject=text))
    letter = replace(Letters().write("temporary_password", words()), subject=text)
    with pytest.raises(UnsafeHeader):
        on_the_wire(letter, heading())


@pytest.mark.parametrize("text", [text for text in BREAKS if "\x00" not in text])
async def test_no_stored_wording_breaks_out_on_the_wire(post: Post, courier: Courier, smtp: Script, text: str) -> None:
    await put(post, "en", Wording(subject=text, opening=text, closing=text))
    await courier.deliver((await post.queue()).id)
    [mail] = smtp.caught
    assert set(mail.message.keys()) == HEADERS
    assert mail.message["Subject"] == "Your temporary password for the client portal"
    assert "evil" not in mail.content.partition(b"\r\n\r\n")[0].decode().lower()


@pytest.mark.parametrize("language", ["es\r\nBcc: evil@example.org", "=?utf-8?q?x?=", ""])
def test_a_language_that_is_none_becomes_no_header(language: str) -> None:
    mail = sent(of=words(language=language))
    assert mail.message["Content-Language"] == "en"
    with pytest.raises(UnsafeHeader):
        on_the_wire(replace(Letters().write("username", words()), language=language), heading())
