"""E-mail Wording: what the agency says itself in the e-mails to its clients, with a look at the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from aiohttp import web

from services.admin.keys import MAILS, SAMPLES, VISITOR, WORK
from services.admin.letter_fields import Language, WordedMail
from services.admin.pages.menus import EMAIL_WORDING, administration, crumbs_to
from services.admin.pages.visitors import for_holders, read_own_form, url
from services.admin.use_cases import mail_wordings
from services.admin.use_cases.mail_wordings import LABELS, TooManyTests
from services.admin.use_cases.mails import NoAddress
from shared.errors import FieldError, InvalidFields
from shared.http.fields import Body
from shared.http.forms import Form
from shared.http.middlewares import CONTENT_SECURITY_POLICY
from shared.http.pages import render, see_other
from shared.letters import LANGUAGES, NO_WORDING, Letter, Wording
from shared.letters.samples import WORDED
from shared.letters.wording import LONGEST_SUBJECT, LONGEST_TEXT, placeholders_of
from shared.rights import Right

PAGE: Final = EMAIL_WORDING.page

# The preview is a page of ours in a frame. E-mails carry their styles themselves, so it may have those, and nothing
# else: no script, no picture, no address to go to.
_WITH_FRAME: Final = {"Content-Security-Policy": f"{CONTENT_SECURITY_POLICY}; frame-src 'self'"}
_IN_FRAME: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self' 'unsafe-inline'; form-action 'none'; base-uri 'none';"
        " frame-ancestors 'self'"
    )
}
_for_admins = for_holders(Right.MANAGE_AGENCY)


class WordingForm(Body):
    """One letter in one language, and the texts."""

    mail: WordedMail
    language: Language
    # How long they may be is the rules' of the wording to say.
    subject: str = ""
    opening: str = ""
    closing: str = ""

    @property
    def wording(self) -> Wording:
        """The texts."""
        return Wording(self.subject, self.opening, self.closing)


@_for_admins
async def show_all(request: web.Request) -> web.StreamResponse:
    """Every letter to clients, and in which languages the agency words it."""
    found = await mail_wordings.read_all(request.app[WORK], actor=request[VISITOR].actor)
    own = {letter for letter, wording in found.items() if wording != NO_WORDING}
    rows = [
        (label, [(name, (mail, code) in own, _address(request, mail, code)) for code, name in LANGUAGES.items()])
        for mail, label in WORDED.items()
    ]
    crumbs = crumbs_to(request, administration(request), (EMAIL_WORDING.label, None))
    return render(request, "email_wordings.html", rows=rows, languages=LANGUAGES, crumbs=crumbs)


@_for_admins
async def show(request: web.Request) -> web.StreamResponse:
    """One letter. Raises NotFound."""
    return await _page(request, *_named(request.query), saved="saved" in request.query)


@_for_admins
async def save(request: web.Request) -> web.StreamResponse:
    """Keep the texts, unless there is a mistake in them."""
    form = await read_own_form(request, WordingForm)
    if form.model is None:
        return await _page(request, *_named(form.values), form, status=422)
    model = form.model
    try:
        await mail_wordings.change(
            request.app[WORK],
            request.app[SAMPLES],
            actor=request[VISITOR].actor,
            mail=model.mail,
            language=model.language,
            **asdict(model.wording),
        )
    except InvalidFields as error:
        return await _page(request, model.mail, model.language, form.refused(error.errors), status=422)
    return see_other(_address(request, model.mail, model.language, saved="1"))


@_for_admins
async def send_test(request: web.Request) -> web.StreamResponse:
    """Send what is typed to whoever typed it, and show the page as it was."""
    form = await read_own_form(request, WordingForm)
    if form.model is None:
        return await _page(request, *_named(form.values), form, status=422)
    model = form.model
    try:
        sent_to = await mail_wordings.send_test(
            request.app[WORK],
            request.app[SAMPLES],
            request.app[MAILS],
            actor=request[VISITOR].actor,
            mail=model.mail,
            language=model.language,
            wording=model.wording,
        )
    except InvalidFields as error:
        return await _page(request, model.mail, model.language, form.refused(error.errors), status=422)
    except (NoAddress, TooManyTests) as error:
        refused = form.refused([FieldError("", error.message)])
        return await _page(request, model.mail, model.language, refused, status=error.status)
    return await _page(request, model.mail, model.language, form, sent_to=sent_to)


@_for_admins
async def show_preview(request: web.Request) -> web.StreamResponse:
    """The letter with what is saved, in the page's frame. Raises NotFound."""
    mail, language = _named(request.query)
    wording = await mail_wordings.read(request.app[WORK], actor=request[VISITOR].actor, mail=mail, language=language)
    return await _preview(request, mail, language, wording)


@_for_admins
async def preview(request: web.Request) -> web.StreamResponse:
    """The letter with what is typed."""
    form = await read_own_form(request, WordingForm)
    if form.model is None:
        return _framed(request, None, form.errors)
    return await _preview(request, form.model.mail, form.model.language, form.model.wording)


async def _preview(request: web.Request, mail: str, language: str, wording: Wording) -> web.Response:
    try:
        letter = await mail_wordings.preview(
            request.app[WORK],
            request.app[SAMPLES],
            actor=request[VISITOR].actor,
            mail=mail,
            language=language,
            wording=wording,
        )
    except InvalidFields as error:
        return _framed(request, None, {found.field: found.message for found in error.errors})
    return _framed(request, letter, {})


def _framed(request: web.Request, letter: Letter | None, errors: Mapping[str, str]) -> web.Response:
    return render(
        request,
        "email_wording_preview.html",
        status=422 if errors else 200,
        headers=_IN_FRAME,
        letter=letter,
        errors=errors,
        labels=LABELS,
    )


async def _page(
    request: web.Request,
    mail: str,
    language: str,
    form: Form[Any] | None = None,
    *,
    status: int = 200,
    saved: bool = False,
    sent_to: str | None = None,
) -> web.Response:
    wording = await mail_wordings.read(request.app[WORK], actor=request[VISITOR].actor, mail=mail, language=language)
    return render(
        request,
        "email_wording.html",
        status=status,
        headers=_WITH_FRAME,
        mail=mail,
        letter_label=WORDED[mail],
        language=language,
        languages=[(code, name, _address(request, mail, code)) for code, name in LANGUAGES.items()],
        wording=wording,
        form=form,
        labels=LABELS,
        limits={"subject": LONGEST_SUBJECT, "text": LONGEST_TEXT},
        placeholders=placeholders_of(mail),
        saved=saved,
        sent_to=sent_to,
        page_url=url(request, PAGE),
        preview_url=url(request, f"{PAGE}/preview", mail=mail, language=language),
        crumbs=crumbs_to(
            request, administration(request), (EMAIL_WORDING.label, url(request, PAGE)), (WORDED[mail], None)
        ),
    )


def _named(values: Mapping[str, str]) -> tuple[str, str]:
    return values.get("mail", ""), values.get("language", "")


def _address(request: web.Request, mail: str, language: str, **more: str) -> str:
    return url(request, f"{PAGE}/letter", mail=mail, language=language, **more)
