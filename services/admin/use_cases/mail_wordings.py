"""What an agency words itself in the e-mails to its clients: looked at, changed, tried out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from services.admin.use_cases.mails import StaffMails
from shared.accounts import agencies, mail_wordings, staff
from shared.accounts.agencies import Agency
from shared.actors import Actor
from shared.deliveries import store as deliveries
from shared.errors import DomainError, FieldError, InvalidFields, NotFound
from shared.events import Change, Subject
from shared.events.wording_catalogue import EmailWordingChanged
from shared.letters import LANGUAGES, Letter, Letters
from shared.letters.samples import TEST_MAIL, WORDED, sample_words
from shared.letters.wording import Wording, WrongWording, checked
from shared.outbox import Work
from shared.rights import Right, needs

LABELS: Final = {"subject": "Subject", "opening": "Opening", "closing": "Closing"}
_TESTS: Final = 20
_TESTS_WITHIN: Final = timedelta(hours=1)
_SAMPLE_WITHIN: Final = timedelta(days=3)


class TooManyTests(DomainError):
    """You have sent many tests in a short time. Please try again in an hour."""

    status = 429


class Samples:
    """Writes letters about somebody made up, as the agency words them."""

    def __init__(self, letters: Letters, portal_base_url: str) -> None:
        self._letters = letters
        self._portal_base_url = portal_base_url

    def portal_address(self, agency: Agency) -> str:
        """Where the links of samples lead."""
        return agency.portal_address(self._portal_base_url)

    def write(self, agency: Agency, mail: str, language: str, wording: Wording, now: datetime) -> Letter:
        """A sample. Raises InvalidFields."""
        words = sample_words(
            mail,
            agency_name=agency.name,
            portal_url=self.portal_address(agency),
            time_zone=agency.time_zone,
            locale=agency.locale,
            language=language,
            expires_at=now + _SAMPLE_WITHIN,
        )
        try:
            return self._letters.write(mail, words, wording)
        except WrongWording as error:
            raise InvalidFields(FieldError("opening", str(error))) from error


@needs(Right.MANAGE_AGENCY)
async def read_all(work: Work, *, actor: Actor) -> Mapping[tuple[str, str], Wording]:
    """Everything that the agency words itself, by mail and language."""
    async with work.pool.transaction(actor.agency_id) as conn:
        return await mail_wordings.of_agency(conn)


@needs(Right.MANAGE_AGENCY)
async def read(work: Work, *, actor: Actor, mail: str, language: str) -> Wording:
    """What it words itself in one letter. Raises NotFound."""
    _require_letter(mail, language)
    async with work.pool.transaction(actor.agency_id) as conn:
        return await mail_wordings.by_mail(conn, mail, language)


@needs(Right.MANAGE_AGENCY)
async def change(
    work: Work,
    samples: Samples,
    *,
    actor: Actor,
    mail: str,
    language: str,
    subject: str | None = None,
    opening: str | None = None,
    closing: str | None = None,
) -> Wording:
    """Word a letter; None stays as it is, an empty text brings the product's own words back.

    Raises NotFound and InvalidFields. It counts for e-mails that are in the queue as well.
    """
    _require_letter(mail, language)
    async with work.transaction(actor) as tx:
        # Held, so that of two admins the second one's event tells what the first one wrote.
        agency = await agencies.lock(tx.conn, actor.agency_id)
        before = await mail_wordings.by_mail(tx.conn, mail, language)
        wanted = Wording(
            before.subject if subject is None else subject,
            before.opening if opening is None else opening,
            before.closing if closing is None else closing,
        )
        after = _valid(wanted, mail, agency)
        samples.write(agency, mail, language, after, tx.now)
        if after != before:
            await mail_wordings.put(tx.conn, actor.agency_id, mail, language, after, tx.now)
            event = EmailWordingChanged(
                mail=mail, letter=WORDED[mail], language=LANGUAGES[language], changes=_differences(before, after)
            )
            await tx.append(event, Subject())
    return after


@needs(Right.MANAGE_AGENCY)
async def preview(work: Work, samples: Samples, *, actor: Actor, mail: str, language: str, wording: Wording) -> Letter:
    """The letter as it would be with this wording, about somebody made up. Raises NotFound and InvalidFields."""
    _require_letter(mail, language)
    async with work.pool.transaction(actor.agency_id) as conn:
        agency = await agencies.by_id(conn, actor.agency_id)
    return samples.write(agency, mail, language, _valid(wording, mail, agency), work.clock())


@needs(Right.MANAGE_AGENCY)
async def send_test(
    work: Work,
    samples: Samples,
    mails: StaffMails,
    *,
    actor: Actor,
    mail: str,
    language: str,
    wording: Wording,
) -> str:
    """Send the same to whoever acts, by the way that every e-mail takes; answers the address.

    Raises NotFound, InvalidFields, NoAddress and TooManyTests.
    """
    _require_letter(mail, language)
    async with work.transaction(actor) as tx:
        agency = await agencies.by_id(tx.conn, actor.agency_id)
        kept = _valid(wording, mail, agency)
        samples.write(agency, mail, language, kept, tx.now)
        user = await staff.by_id(tx.conn, actor.id) if actor.id else None
        if user is None:
            raise NotFound
        _, sent = await deliveries.sent_since(tx.conn, user.id, TEST_MAIL, tx.now - _TESTS_WITHIN)
        if sent >= _TESTS:
            raise TooManyTests(retry_after=int(_TESTS_WITHIN.total_seconds()))
        portal_url = samples.portal_address(agency)
        return await mails.wording_test(
            tx, user, agency, mail=mail, language=language, wording=kept, portal_url=portal_url
        )


def _require_letter(mail: str, language: str) -> None:
    if mail not in WORDED or language not in LANGUAGES:
        raise NotFound


def _valid(wording: Wording, mail: str, agency: Agency) -> Wording:
    kept, errors = checked(wording, mail, agency.name)
    if errors:
        raise InvalidFields(*errors)
    return kept


def _differences(before: Wording, after: Wording) -> tuple[Change, ...]:
    pairs = ((label, getattr(before, name), getattr(after, name)) for name, label in LABELS.items())
    return tuple(Change(field=label, old=old or None, new=new or None) for label, old, new in pairs if old != new)
