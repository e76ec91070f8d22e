"""The pages Sign-in Security: what people do about their own second factor, for staff and for portal logins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from aiohttp import web
from aiohttp.typedefs import Handler

from shared.accounts import own_factors
from shared.accounts.access import SessionCookie
from shared.accounts.agencies import Agency
from shared.accounts.own_factors import (
    AppSetUp,
    FactorsChanged,
    NoSecondFactor,
    Overview,
    PasswordTooShort,
    SecondFactorNeeded,
    SetUpExpired,
)
from shared.accounts_service import FACTORS, WORK
from shared.actors import Actor
from shared.errors import DomainError, InvalidFields, NotFound
from shared.http.csrf import check_csrf
from shared.http.devices import device_of
from shared.http.fields import Body, Password
from shared.http.forms import Form, read_form
from shared.http.pages import render, see_other
from shared.http.times import short_time
from shared.page_door import PageDoor
from shared.second_step_pages import APP_ON, Code, set_up_context

PAGE: Final = "sign-in-security"
TITLE: Final = "Sign-in Security"

# What a redirect has the page say; the address carries the key and no words.
_NOTICES: Final = {
    "removed": "The app was removed. You sign in with your password alone now.",
    "forgotten": "The second step is asked for there again.",
}


class PasswordForm(Body):
    """The current password, asked for again."""

    current_password: Password


class CodeForm(Body):
    """The first code of an app."""

    code: Code


class DeviceForm(Body):
    """The button beside a remembered device."""

    device: UUID


class NoFields(Body):
    """A form that is a button."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who is signed in and looks at the page."""

    actor: Actor
    cookie: SessionCookie
    agency: Agency


@dataclass(frozen=True, slots=True)
class _Asking:
    """A page that asks for the current password before something is done."""

    path: str
    title: str
    text: str
    button: str
    kind: str = "primary"


APP: Final = _Asking(
    f"{PAGE}/app",
    "Set up an app",
    "You will need an authenticator app on your phone or computer. It shows a new code every 30 seconds, which you "
    "type after your password. Any app of that kind will do.",
    "Go on",
)
CODES: Final = _Asking(
    f"{PAGE}/recovery-codes",
    "New recovery codes",
    "You will get ten new codes. Those that you have now will not work any more.",
    "Make new codes",
)
REMOVE: Final = _Asking(
    f"{PAGE}/remove",
    "Remove the app",
    "Then your password alone lets you in, and whoever finds it out. Your recovery codes will not work any more.",
    "Remove the app",
    "danger",
)


@dataclass(frozen=True, slots=True)
class FactorPages:
    """The same pages for staff and for portal logins, in the frame of each.

    ``guard`` makes a page one for people who are signed in, ``reader`` tells who they are, ``renew`` is told
    of their new cookie, and ``crumbs`` is the way to the page of that title, where the frame shows one.
    """

    door: PageDoor
    frame: str
    guard: Callable[[Handler], Handler]
    reader: Callable[[web.Request], Reader]
    renew: Callable[[web.Request, SessionCookie], None]
    crumbs: Callable[[web.Request, str], Any]

    def routes(self, slug: str) -> list[web.RouteDef]:
        """Below an agency's address."""
        asking = [web.get(f"{slug}/{page.path}", self.guard(self._asks(page))) for page in (APP, CODES, REMOVE)]
        confirm = f"{slug}/{APP.path}/confirm"
        return [
            web.get(f"{slug}/{PAGE}", self.guard(self.show)),
            *asking,
            web.post(f"{slug}/{APP.path}", self.guard(self.begin)),
            # A session may run out below the recovery codes: their address begins again.
            web.get(confirm, self.guard(self._asks(APP))),
            web.post(confirm, self.guard(self.confirm)),
            web.post(f"{slug}/{CODES.path}", self.guard(self.new_codes)),
            web.post(f"{slug}/{REMOVE.path}", self.guard(self.remove)),
            web.post(f"{slug}/{PAGE}/forget", self.guard(self.forget)),
            web.post(f"{slug}/{PAGE}/forget-all", self.guard(self.forget_all)),
        ]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """What is set up, and the browsers that are remembered."""
        reader = self.reader(request)
        device = self.door.remembered_digest(request)
        found = await own_factors.overview(request.app[WORK], request.app[FACTORS], actor=reader.actor, device=device)
        zone = reader.agency.zone
        return self._page(
            request,
            "sign_in_security.html",
            TITLE,
            overview=found,
            since=short_time(found.totp_since, zone) if found.totp_since else "",
            devices=_device_rows(found, reader.agency),
            notice=next((text for key, text in _NOTICES.items() if key in request.query), None),
            page_url=self.door.url(request, PAGE),
        )

    def _asks(self, page: _Asking) -> Handler:
        async def ask(request: web.Request) -> web.StreamResponse:
            return self._ask(request, page, None)

        return ask

    def _ask(self, request: web.Request, page: _Asking, form: Form[Any] | None) -> web.Response:
        return self._page(
            request,
            "factor_password.html",
            page.title,
            status=422 if form else 200,
            form=form,
            asking=page,
            username=self.reader(request).actor.username,
            action=self.door.url(request, page.path),
            page_url=self.door.url(request, PAGE),
        )

    async def begin(self, request: web.Request) -> web.StreamResponse:
        """The shared secret, to be put into an app."""
        actor, form = self.reader(request).actor, await self._form(request, PasswordForm)
        if form.model is None:
            return self._ask(request, APP, form)
        password = form.model.current_password.get_secret_value()
        try:
            set_up = await own_factors.begin(
                request.app[WORK], request.app[FACTORS], actor=actor, current_password=password
            )
        except InvalidFields as error:
            return self._ask(request, APP, form.refused(error.errors))
        return self._set_up_page(request, set_up, None)

    async def confirm(self, request: web.Request) -> web.StreamResponse:
        """The first code of the app; the recovery codes are shown once."""
        actor, form = self.reader(request).actor, await self._form(request, CodeForm)
        work, factors = request.app[WORK], request.app[FACTORS]
        try:
            if form.model is not None:
                changed = await own_factors.confirm(work, factors, actor=actor, code=form.model.code, with_cookie=True)
                return self._codes_page(request, changed, APP_ON)
        except InvalidFields as error:
            form = form.refused(error.errors)
        except SetUpExpired as error:
            return self._ask(request, APP, _about_all(form, error))
        try:
            set_up = await own_factors.waiting(work, factors, actor=actor)
        except SetUpExpired as error:
            return self._ask(request, APP, _about_all(form, error))
        return self._set_up_page(request, set_up, form)

    async def new_codes(self, request: web.Request) -> web.StreamResponse:
        """Ten new recovery codes, shown once."""
        actor, form = self.reader(request).actor, await self._form(request, PasswordForm)
        if form.model is None:
            return self._ask(request, CODES, form)
        password = form.model.current_password.get_secret_value()
        try:
            changed = await own_factors.new_codes(
                request.app[WORK], request.app[FACTORS], actor=actor, current_password=password, with_cookie=True
            )
        except InvalidFields as error:
            return self._ask(request, CODES, form.refused(error.errors))
        except NoSecondFactor as error:
            return self._ask(request, CODES, _about_all(form, error))
        return self._codes_page(request, changed, "The codes that you had before do not work any more.")

    async def remove(self, request: web.Request) -> web.StreamResponse:
        """The app is asked for no more."""
        actor, form = self.reader(request).actor, await self._form(request, PasswordForm)
        if form.model is None:
            return self._ask(request, REMOVE, form)
        password = form.model.current_password.get_secret_value()
        try:
            changed = await own_factors.remove(
                request.app[WORK], request.app[FACTORS], actor=actor, current_password=password, with_cookie=True
            )
        except (InvalidFields, PasswordTooShort) as error:
            return self._ask(request, REMOVE, form.refused(error.errors))
        except (NoSecondFactor, SecondFactorNeeded) as error:
            return self._ask(request, REMOVE, _about_all(form, error))
        response = see_other(self.door.url(request, PAGE, removed="1"))
        self.door.admit(request, response, changed.session)
        return response

    async def forget(self, request: web.Request) -> web.StreamResponse:
        """A remembered browser is a stranger again."""
        form = await self._form(request, DeviceForm)
        if form.model is None:
            raise NotFound
        return await self._forget(request, form.model.device)

    async def forget_all(self, request: web.Request) -> web.StreamResponse:
        """All of them are."""
        await self._form(request, NoFields)
        return await self._forget(request, None)

    async def _forget(self, request: web.Request, device: UUID | None) -> web.Response:
        actor = self.reader(request).actor
        await own_factors.forget(request.app[WORK], request.app[FACTORS], actor=actor, device_id=device)
        return see_other(self.door.url(request, PAGE, forgotten="1"))

    async def _form(self, request: web.Request, model: type[Any]) -> Form[Any]:
        form = await read_form(request, model)
        check_csrf(request, form.csrf_token, self.reader(request).cookie.digest)
        return form

    def _page(
        self, request: web.Request, template: str, title: str, *, status: int = 200, **context: Any
    ) -> web.Response:
        values = {"frame": self.frame, "crumbs": self.crumbs(request, title), "title": title, **context}
        return render(request, template, status=status, **values)

    def _set_up_page(self, request: web.Request, set_up: AppSetUp, form: Form[Any] | None) -> web.Response:
        return self._page(
            request,
            "app_set_up.html",
            APP.title,
            status=422 if form else 200,
            form=form,
            action=self.door.url(request, f"{APP.path}/confirm"),
            next_path="",
            **set_up_context(set_up),
        )

    def _codes_page(self, request: web.Request, changed: FactorsChanged, notice: str) -> web.Response:
        cookie = changed.session.cookie
        if cookie is not None:
            # The forms of this very page belong to the cookie that comes with it.
            self.renew(request, cookie)
        response = self._page(
            request,
            "recovery_codes.html",
            "Your recovery codes",
            codes=changed.recovery_codes,
            notice=notice,
            go_on=self.door.url(request, PAGE),
        )
        self.door.admit(request, response, changed.session)
        return response


def _about_all(form: Form[Any], error: DomainError) -> Form[Any]:
    return Form(form.values, {"": error.message}, None)


def _device_rows(overview: Overview, agency: Agency) -> list[dict[str, Any]]:
    return [
        {
            "id": device.id,
            "device": device_of(device.user_agent),
            "since": short_time(device.created_at, agency.zone),
            "used": short_time(device.last_used_at, agency.zone),
            "until": short_time(device.expires_at, agency.zone),
            "current": device.current,
        }
        for device in overview.devices
    ]
