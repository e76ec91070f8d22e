"""The menus: Main Menu, Admissions Menu, Reports Menu, and Administration Menu for an agency's admins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from services.admin.keys import VISITOR
from services.admin.pages import attention
from services.admin.pages.visitors import for_staff, url
from shared.errors import NotAllowed
from shared.http.pages import render, see_other
from shared.rights import Right, allowed

MAIN, ADMISSIONS, REPORTS = "Main Menu", "Admissions Menu", "Reports Menu"
ADMINISTRATION = "Administration Menu"
FACE_SHEET, DOCUMENT_CENTER = "Face Sheet", "Document Center"


@dataclass(frozen=True, slots=True)
class Entry:
    """A page of a menu, for whoever has the right that opens it."""

    label: str
    page: str
    text: str
    right: Right


SIGN_IN_RULES: Final = Entry(
    "Sign-in Rules", "sign-in-rules", "Who has to sign in with a second step.", Right.MANAGE_AGENCY
)

STAFF: Final = Entry("Staff", "staff", "Who works here, with which role, and how they sign in.", Right.MANAGE_STAFF)
SECURITY_LOG: Final = Entry(
    "Security Log", "security-log", "Sign-ins, refusals, locks and passwords.", Right.READ_SECURITY_LOG
)

SINGLE_SIGN_ON: Final = Entry(
    "Single Sign-On",
    "administration/single-sign-on",
    "Let staff sign in with the login they have.",
    Right.MANAGE_AGENCY,
)

NOTICES: Final = Entry(
    "E-mail Notices", "notices", "What clients are told by e-mail, and what new logins get.", Right.MANAGE_AGENCY
)

EMAIL_SETTINGS: Final = Entry(
    "E-mail Settings", "email-settings", "Who e-mails are from, and your own mail server.", Right.MANAGE_AGENCY
)

EMAIL_WORDING: Final = Entry(
    "E-mail Wording", "email-wording", "What your e-mails to clients say.", Right.MANAGE_AGENCY
)

ADMINISTRATION_ENTRIES: Final[tuple[Entry, ...]] = (
    STAFF,
    SIGN_IN_RULES,
    NOTICES,
    EMAIL_SETTINGS,
    EMAIL_WORDING,
    SINGLE_SIGN_ON,
    SECURITY_LOG,
)


Crumbs = list[tuple[str, str | None]]


def crumbs_to(request: web.Request, *further: tuple[str, str | None]) -> Crumbs:
    """The way from the Main Menu; the last one is the page itself."""
    return [(MAIN, url(request)), *further]


def admissions(request: web.Request) -> tuple[str, str]:
    """The Admissions Menu on the way to a page."""
    return ADMISSIONS, url(request, "admissions")


def reports(request: web.Request) -> tuple[str, str]:
    """The Reports Menu on the way to a page."""
    return REPORTS, url(request, "reports")


def administration(request: web.Request) -> tuple[str, str]:
    """The Administration Menu on the way to a page."""
    return ADMINISTRATION, url(request, "administration")


def _administration_cards(request: web.Request) -> list[tuple[str, str, str]]:
    actor = request[VISITOR].actor
    entries = [entry for entry in ADMINISTRATION_ENTRIES if allowed(actor, entry.right)]
    return [(entry.label, url(request, entry.page), entry.text) for entry in entries]


@for_staff
async def main_menu(request: web.Request) -> web.StreamResponse:
    """Where everything begins."""
    cards = [
        (ADMISSIONS, url(request, "admissions"), "Face sheets and portal logins of your clients."),
        (REPORTS, url(request, "reports"), "What was changed, when and by whom."),
    ]
    if _administration_cards(request):
        cards.append((ADMINISTRATION, url(request, "administration"), "How your agency uses this system."))
    return render(
        request,
        "menu.html",
        title=MAIN,
        cards=cards,
        crumbs=[],
        welcome="welcome" in request.query,
        attention=await attention.notice_of(request),
    )


@for_staff
async def admissions_menu(request: web.Request) -> web.StreamResponse:
    """The Admissions Menu."""
    cards = [(FACE_SHEET, url(request, "face-sheet"), "Find a client, read and change the face sheet.")]
    crumbs = crumbs_to(request, (ADMISSIONS, None))
    return render(request, "menu.html", title=ADMISSIONS, cards=cards, crumbs=crumbs)


@for_staff
async def reports_menu(request: web.Request) -> web.StreamResponse:
    """The Reports Menu."""
    cards = [
        (DOCUMENT_CENTER, url(request, "document-center"), "The records of a client's cases, for reading and print.")
    ]
    crumbs = crumbs_to(request, (REPORTS, None))
    return render(request, "menu.html", title=REPORTS, cards=cards, crumbs=crumbs)


@for_staff
async def administration_menu(request: web.Request) -> web.StreamResponse:
    """The Administration Menu. Raises NotAllowed for whoever has nothing to do there."""
    cards = _administration_cards(request)
    if not cards:
        raise NotAllowed
    crumbs = crumbs_to(request, (ADMINISTRATION, None))
    return render(request, "menu.html", title=ADMINISTRATION, cards=cards, crumbs=crumbs)


async def without_slash(request: web.Request) -> web.StreamResponse:
    """People leave the slash out when they type the address."""
    return see_other(url(request))
