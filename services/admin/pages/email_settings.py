"""E-mail settings: who an agency's e-mails are from, its own mail server, and whether they arrive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import Field

from services.admin.email_settings_fields import EmailSettingsIn
from services.admin.keys import MAILS, SEALER, SETTINGS, VISITOR, WORK
from services.admin.pages.menus import EMAIL_SETTINGS, administration, crumbs_to
from services.admin.pages.signing_in import NoFields
from services.admin.pages.visitors import for_holders, read_own_form, url
from services.admin.use_cases import email_settings, email_tests
from services.admin.use_cases.email_settings import LABELS, SECURITY_IN_WORDS
from services.admin.use_cases.email_tests import LastTest, NoOwnAddress, TooManyTests
from shared.deliveries.store import Delivery
from shared.errors import Changed, FieldError, InvalidFields
from shared.http.forms import Form
from shared.http.pages import render, see_other
from shared.http.times import short_time
from shared.rights import Right

PAGE: Final = EMAIL_SETTINGS.page
_STALE: Final = "Somebody else changed these settings meanwhile. Check them and save again."
_LABELS: Final = {**LABELS, "password": "Password", "remove_password": "Remove the password"}

# What kept a mail from being taken over, by the notifier's outcomes.
_TROUBLE: Final[Mapping[str, str]] = {
    "deferred": "The mail server asks us to come back later.",
    "unreachable": "The mail server could not be used. Check its name, the port and the encryption.",
    "refused": "The mail server refused this e-mail.",
    "channel_refused": "The mail server takes no e-mails from us. Check username, password and sender address.",
    "unknown": "The connection broke off at the end. The e-mail may have arrived or not.",
    "interrupted": "Sending was interrupted.",
    "error": "It could not be sent because of a fault in this system. Please tell whoever runs it.",
}
_for_admins = for_holders(Right.MANAGE_AGENCY)


class EmailSettingsForm(EmailSettingsIn):
    """The settings as the page sends them; ``version`` is the one that it showed."""

    version: Annotated[int, Field(ge=0)]


@_for_admins
async def show(request: web.Request) -> web.StreamResponse:
    """The settings as they are, and how the last test got on."""
    return await _page(request)


@_for_admins
async def save(request: web.Request) -> web.StreamResponse:
    """Keep them."""
    form = await read_own_form(request, EmailSettingsForm)
    if form.model is None:
        return await _page(request, form)
    try:
        await email_settings.save(
            request.app[WORK],
            request.app[SEALER],
            actor=request[VISITOR].actor,
            settings=form.model.settings(),
            password=form.model.new_password(),
            allowed_networks=request.app[SETTINGS].smtp_allowed_networks,
            expected_version=form.model.version,
        )
    except InvalidFields as error:
        return await _page(request, form.refused(error.errors))
    except Changed:
        return await _page(request, form.refused([FieldError("", _STALE)]), status=412)
    return see_other(url(request, PAGE, saved="1"))


@_for_admins
async def test(request: web.Request) -> web.StreamResponse:
    """Send a test e-mail to whoever presses the button."""
    await read_own_form(request, NoFields)
    try:
        await email_tests.send(request.app[WORK], request.app[MAILS], actor=request[VISITOR].actor)
    except (NoOwnAddress, TooManyTests) as refused:
        return await _page(request, test_problem=refused.message, status=refused.status)
    return see_other(url(request, PAGE, sent="1") + "#test")


async def _page(
    request: web.Request, form: Form[Any] | None = None, *, status: int | None = None, test_problem: str = ""
) -> web.Response:
    actor = request[VISITOR].actor
    found = await email_settings.read(request.app[WORK], actor=actor)
    last = await email_tests.last(request.app[WORK], actor=actor)
    return render(
        request,
        "email_settings.html",
        status=status or (422 if form else 200),
        settings=found.settings,
        system_sender=found.system_sender,
        form=form,
        labels=_LABELS,
        securities=list(SECURITY_IN_WORDS.items()),
        test=_told(request, last),
        test_problem=test_problem,
        page_url=url(request, PAGE),
        saved="saved" in request.query and form is None,
        crumbs=crumbs_to(request, administration(request), (EMAIL_SETTINGS.label, None)),
    )


def _told(request: web.Request, last: LastTest) -> dict[str, Any]:
    """How the last test got on, in words."""
    delivery = last.delivery
    told: dict[str, Any] = {"address": last.address, "kind": None}
    if delivery is None:
        return told
    kind, text, reply = _result(delivery, lambda moment: short_time(moment, request[VISITOR].agency.zone))
    sent = short_time(delivery.created_at, request[VISITOR].agency.zone)
    return {**told, "kind": kind, "text": text, "reply": reply, "recipient": delivery.recipient, "sent": sent}


def _result(delivery: Delivery, worded: Callable[[datetime], str]) -> tuple[str, str, str]:
    """How to show it, a sentence, and what the mail server said."""
    ended = [attempt for attempt in delivery.tries if attempt.outcome is not None]
    newest = ended[-1] if ended else None
    reply = "" if newest is None else f"{newest.reply_code or ''} {newest.reply}".strip()
    if delivery.state == "accepted":
        return "success", "The mail server took the e-mail over. Look into your mailbox.", reply
    trouble = _TROUBLE.get(newest.outcome or "", "") if newest else ""
    if delivery.finished_at is not None:
        return "error", f"{trouble} It was not sent.".strip(), reply
    if not trouble:
        return "info", "The e-mail is on its way. Reload this page in a moment.", ""
    return "warning", f"{trouble} We try again at {worded(delivery.next_attempt_at)}.", reply
