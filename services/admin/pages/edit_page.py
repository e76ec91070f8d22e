"""The edit page as it stands: the face sheet's fields, the window if it is open, and what there is to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web
from pydantic import ConfigDict

from services.admin.keys import CREDENTIALS
from services.admin.pages import login_form, sheet_form
from services.admin.pages.login_form import ADDING, Window
from services.admin.pages.menus import FACE_SHEET, admissions, crumbs_to
from services.admin.pages.sheet_form import DEACTIVATE, RESIDENCE_EMAIL_FIELD
from services.admin.pages.snapshots import Difference, Snapshot
from services.admin.pages.visitors import url
from services.admin.use_cases.face_sheets import FaceSheet
from shared.errors import NotFound
from shared.http.fields import Body
from shared.http.forms import Form
from shared.http.pages import render

NoticeKind = Literal["success", "info", "warning"]


class Anything(Body):
    """A form that is taken apart by hand: every field is kept as it was typed, right or wrong."""

    model_config = ConfigDict(extra="ignore")


@dataclass(frozen=True, slots=True)
class EditPage:
    """Everything that the page shows. ``opener`` names the button that the focus returns to."""

    sheet: FaceSheet
    base: Snapshot
    typed: Mapping[str, str]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    differences: Sequence[Difference] = ()
    changed_meanwhile: bool = False
    answer: str = ""
    asks_about_logins: bool = False
    window: Window | None = None
    notice: tuple[NoticeKind, str] | None = None
    told: tuple[NoticeKind, str] | None = None
    opener: str | None = None

    @property
    def form(self) -> Form[Body]:
        """The face sheet's fields, as the macros take them."""
        return Form({**self.typed, DEACTIVATE: self.answer}, self.errors, None)

    @property
    def unsaved(self) -> bool:
        """Whether something was typed that is not stored."""
        return bool(self.base.touched(self.typed)) or (self.window is not None and bool(self.window.errors))


def page_of(sheet: FaceSheet) -> EditPage:
    """The page when editing begins."""
    base = sheet_form.snapshot_of(sheet)
    return EditPage(sheet, base, base.values)


def page_as_sent(sheet: FaceSheet, form: Form[Anything]) -> EditPage:
    """The page as it comes back from a browser. Raises Unparsable, NotFound."""
    base = Snapshot.read(form.value("base"))
    if base.id != sheet.client.id:
        raise NotFound
    return EditPage(
        sheet,
        base,
        sheet_form.typed_into(sheet, base, form),
        unreadable=form.errors,
        answer=form.value(DEACTIVATE),
        asks_about_logins=DEACTIVATE in form.values,
        window=_window_as_sent(sheet, form),
        opener=form.value("opener") or None,
    )


def _window_as_sent(sheet: FaceSheet, form: Form[Anything]) -> Window | None:
    state = form.value("window")
    if not state:
        return None
    values = login_form.typed_into(form)
    unreadable = {name: message for name, message in form.errors.items() if name in values}
    if state == ADDING:
        return Window(None, None, values, unreadable)
    base = Snapshot.read(state)
    login = next((login for login in sheet.logins if login.id == base.id), None)
    if login is None:
        raise NotFound
    return Window(login, base, values, unreadable)


def show(request: web.Request, page: EditPage, *, status: int = 200) -> web.Response:
    """The page."""
    client = page.sheet.client
    client_url = url(request, f"clients/{client.id}")
    crumbs = crumbs_to(
        request,
        admissions(request),
        (FACE_SHEET, url(request, "face-sheet")),
        (client.name, client_url),
        ("Edit", None),
    )
    return render(
        request,
        "edit.html",
        status=status,
        page=page,
        sheet=page.sheet,
        blocks=sheet_form.blocks_of(page.sheet),
        entry_name=sheet_form.entry_name,
        labels={f.name: f.label for f in sheet_form.fields_of(page.sheet)},
        window_labels=login_form.LABELS,
        language_choices=login_form.language_choices(page.sheet.agency),
        residence_email=RESIDENCE_EMAIL_FIELD if RESIDENCE_EMAIL_FIELD in page.typed else None,
        portal_url=request.app[CREDENTIALS].portal_address(page.sheet.agency),
        client_url=client_url,
        crumbs=crumbs,
    )
