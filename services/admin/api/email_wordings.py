"""What the agency words itself in the e-mails to its clients."""

from __future__ import annotations

from aiohttp import web

from services.admin.api.auth import staff_of
from services.admin.api.bodies import optional
from services.admin.keys import MAILS, SAMPLES, WORK
from services.admin.letter_fields import Language, OwnText, SubjectText, WordedMail
from services.admin.use_cases import mail_wordings
from services.admin.use_cases.mail_wordings import TooManyTests
from services.admin.use_cases.mails import NoAddress
from shared.http.answers import Page, json_answer, page_of
from shared.http.bodies import read_json
from shared.http.fields import Answer, Body
from shared.http.openapi import operation
from shared.letters import LANGUAGES, NO_WORDING
from shared.letters.samples import WORDED
from shared.letters.wording import Wording

TAG = "E-mail wording"


class EmailWordingPatch(Body):
    """A letter in one language, and what is to be changed about it; an empty text brings the product's words back."""

    mail: WordedMail
    language: Language
    subject: SubjectText = optional()
    opening: OwnText = optional()
    closing: OwnText = optional()


class EmailWordingOut(Answer):
    """What the agency words itself in one letter in one language; an empty text leaves the product's words."""

    mail: str
    language: str
    subject: str
    opening: str
    closing: str


class TestSentOut(Answer):
    """Where the test goes."""

    recipient: str


@operation("Read the wording of e-mails", answers={200: Page[EmailWordingOut]}, security="staff", tag=TAG)
async def list_email_wordings(request: web.Request) -> web.Response:
    """For an agency's admins: every letter to clients, in every language."""
    actor = await staff_of(request)
    found = await mail_wordings.read_all(request.app[WORK], actor=actor)
    items = [_out(m, language, found.get((m, language), NO_WORDING)) for m in WORDED for language in LANGUAGES]
    return json_answer(page_of(items))


@operation(
    "Change the wording of an e-mail",
    body=EmailWordingPatch,
    answers={200: EmailWordingOut},
    security="staff",
    tag=TAG,
)
async def update_email_wording(request: web.Request) -> web.Response:
    """It counts for e-mails that are in the queue as well. A mistake in a text is told with its line."""
    actor = await staff_of(request)
    body = await read_json(request, EmailWordingPatch)
    changed = await mail_wordings.change(request.app[WORK], request.app[SAMPLES], actor=actor, **body.changes())
    return json_answer(_out(body.mail, body.language, changed))


@operation(
    "Send a test of an e-mail's wording",
    body=EmailWordingPatch,
    answers={202: TestSentOut},
    problems=(NoAddress, TooManyTests),
    security="staff",
    tag=TAG,
)
async def test_email_wording(request: web.Request) -> web.Response:
    """To the caller's own address, about somebody made up. Texts that are not given are empty; nothing is saved."""
    actor = await staff_of(request)
    body = await read_json(request, EmailWordingPatch)
    recipient = await mail_wordings.send_test(
        request.app[WORK],
        request.app[SAMPLES],
        request.app[MAILS],
        actor=actor,
        mail=body.mail,
        language=body.language,
        wording=Wording(body.subject or "", body.opening or "", body.closing or ""),
    )
    return json_answer(TestSentOut(recipient=recipient), status=202)


def _out(mail: str, language: str, wording: Wording) -> EmailWordingOut:
    return EmailWordingOut(
        mail=mail, language=language, subject=wording.subject, opening=wording.opening, closing=wording.closing
    )
