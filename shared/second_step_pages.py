"""The pages between a right password and a session: show the second factor, or set one up first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

import segno
from aiohttp import web
from markupsafe import Markup
from pydantic import Field

from shared.accounts import second_steps
from shared.accounts.agencies import Agency
from shared.accounts.own_factors import NOT_RIGHT, AppSetUp, SetUpExpired
from shared.accounts.second_factors import REMEMBERED
from shared.accounts.second_steps import Entered, SecondFactorExpired, WrongCode
from shared.accounts_service import FACTORS, GATE, WORK
from shared.http.csrf import check_csrf, csrf_token
from shared.http.fields import Body
from shared.http.forms import Form, read_form
from shared.http.pages import render, see_other, with_retry_after
from shared.page_door import SECOND_STEP, PageDoor
from shared.security.throttle import TooManyAttempts
from shared.security.tokens import parse_reference
from shared.security.totp import in_groups

Code = Annotated[str, Field(max_length=100)]
APP_ON: Final = "From now on we ask for a code from your app when you sign in."


class SecondStepForm(Body):
    """A code, and whether this browser is to be remembered; ``next`` is the page to come back to."""

    code: Code
    remember: bool
    next: Annotated[str, Field(max_length=1000)] = ""


class BeginSetUpForm(Body):
    """The button that begins to set up an app."""

    next: Annotated[str, Field(max_length=1000)] = ""


class FirstCodeForm(BeginSetUpForm):
    """The first code of an app."""

    code: Code


def set_up_context(set_up: AppSetUp) -> dict[str, Any]:
    """An app's shared secret as a picture to scan, as text to type, and as an address to open."""
    # Attributes only: the policy of our pages takes no style in the markup.
    picture = segno.make(set_up.address, error="m", micro=False).svg_inline(
        border=4, omitsize=True, light="#ffffff", svgclass=None, lineclass=None
    )
    return {"qr": Markup(picture), "seed": in_groups(set_up.seed), "app_url": set_up.address}  # noqa: S704 - our own


@dataclass(frozen=True, slots=True)
class SecondStepPages:
    """The same pages for staff and for portal logins, in the frame of each."""

    door: PageDoor
    frame: str
    agency_of: Callable[[web.Request], Awaitable[Agency]]

    def routes(self, slug: str) -> list[web.RouteDef]:
        """Below an agency's address."""
        return [
            web.get(f"{slug}/{SECOND_STEP}", self.show),
            web.post(f"{slug}/{SECOND_STEP}", self.submit),
            *(web.get(f"{slug}/{SECOND_STEP}/{step}", self.show) for step in ("set-up", "confirm")),
            web.post(f"{slug}/{SECOND_STEP}/set-up", self.begin),
            web.post(f"{slug}/{SECOND_STEP}/confirm", self.confirm),
        ]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The page that asks for a code; whoever has no second factor yet is told to set one up."""
        token = await self._token(request)
        if token is None:
            return self._too_late(request)
        next_path = self.door.way_back(request, request.query.get("next"))
        return await self._code_page(request, token, next_path=next_path)

    async def _code_page(
        self, request: web.Request, token: str, *, next_path: str, form: Form[Any] | None = None, status: int = 200
    ) -> web.Response:
        try:
            methods = await second_steps.methods_for(request.app[WORK], request.app[FACTORS], token=token)
        except SecondFactorExpired:
            return self._too_late(request)
        template = "second_step.html" if methods else "second_step_set_up.html"
        return self._page(request, template, token, status=status, next_path=next_path, form=form, methods=methods)

    async def submit(self, request: web.Request) -> web.StreamResponse:
        """Show a code, and go in."""
        token = await self._token(request)
        if token is None:
            return self._too_late(request)
        form = await self._form(request, SecondStepForm, token)
        next_path = self.door.way_back(request, form.value("next"))
        try:
            if form.model is None:
                return await self._code_page(request, token, status=422, form=form, next_path=next_path)
            entered = await second_steps.finish(
                request.app[WORK],
                request.app[GATE],
                request.app[FACTORS],
                token=token,
                code=form.model.code,
                origin=self.door.origin(request),
                with_cookie=True,
                remember=form.model.remember,
            )
        except SecondFactorExpired:
            return self._too_late(request)
        except (WrongCode, TooManyAttempts) as error:
            told: Form[Any] = Form(form.values, {"code": error.message}, None)
            page = await self._code_page(request, token, status=error.status, form=told, next_path=next_path)
            return with_retry_after(page, error)
        return await self._enter(request, see_other(next_path), entered)

    async def begin(self, request: web.Request) -> web.StreamResponse:
        """The shared secret, to be put into an app."""
        token = await self._token(request)
        if token is None:
            return self._too_late(request)
        form = await self._form(request, BeginSetUpForm, token)
        try:
            set_up = await second_steps.begin_set_up(
                request.app[WORK], request.app[FACTORS], token=token, origin=self.door.origin(request)
            )
        except SecondFactorExpired:
            return self._too_late(request)
        return self._set_up_page(request, token, set_up, None, self.door.way_back(request, form.value("next")))

    async def confirm(self, request: web.Request) -> web.StreamResponse:
        """The first code of the app; the session begins and the recovery codes are shown once."""
        token = await self._token(request)
        if token is None:
            return self._too_late(request)
        form = await self._form(request, FirstCodeForm, token)
        next_path, work, factors = (
            self.door.way_back(request, form.value("next")),
            request.app[WORK],
            request.app[FACTORS],
        )
        origin = self.door.origin(request)
        try:
            if form.model is not None:
                entered = await second_steps.finish_set_up(
                    work, factors, token=token, code=form.model.code, origin=origin, with_cookie=True
                )
                codes = entered.recovery_codes
                page = self._page(request, "recovery_codes.html", token, codes=codes, notice=APP_ON, go_on=next_path)
                return await self._enter(request, page, entered)
        except WrongCode:
            form = Form(form.values, {"code": NOT_RIGHT}, None)
        except (SecondFactorExpired, SetUpExpired):
            return self._too_late(request)
        try:
            set_up = await second_steps.pending_set_up(work, factors, token=token, origin=origin)
        except (SecondFactorExpired, SetUpExpired):
            return self._too_late(request)
        return self._set_up_page(request, token, set_up, form, next_path)

    async def _token(self, request: web.Request) -> str | None:
        """The token of a sign-in at this address's agency that waits for its second step."""
        agency = await self.agency_of(request)
        token = self.door.second_step_cookie(request).read(request)
        reference = parse_reference(token) if token else None
        return token if reference is not None and reference.agency_id == agency.id else None

    async def _form(self, request: web.Request, model: type[Any], token: str) -> Form[Any]:
        form = await read_form(request, model)
        check_csrf(request, form.csrf_token, _secret(token))
        return form

    def _page(
        self, request: web.Request, template: str, token: str, *, status: int = 200, **context: Any
    ) -> web.Response:
        values = {"frame": self.frame, "crumbs": [], "csrf_token": csrf_token(_secret(token)), **context}
        return render(request, template, status=status, **values)

    def _set_up_page(
        self, request: web.Request, token: str, set_up: AppSetUp, form: Form[Any] | None, next_path: str
    ) -> web.Response:
        return self._page(
            request,
            "app_set_up.html",
            token,
            status=422 if form else 200,
            form=form,
            action=self.door.url(request, f"{SECOND_STEP}/confirm"),
            next_path=next_path,
            **set_up_context(set_up),
        )

    async def _enter(self, request: web.Request, response: web.Response, entered: Entered) -> web.Response:
        await self.door.leave(request)
        self.door.admit(request, response, entered.session)
        self.door.second_step_cookie(request).delete(response)
        if entered.device is not None:
            kept = int(REMEMBERED.total_seconds())
            self.door.remembered_cookie(request).set(response, entered.device, max_age=kept)
        return response

    def _too_late(self, request: web.Request) -> web.Response:
        response = see_other(self.door.url(request, "sign-in", code_too_late="1"))
        self.door.second_step_cookie(request).delete(response)
        return response


def _secret(token: str) -> bytes:
    return token.encode("utf-8", "replace")
