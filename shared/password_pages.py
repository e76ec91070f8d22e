"""The pages on which people choose the first password, change it, get back in, and say what was not them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from shared.accounts.access import SignedIn
from shared.accounts.agencies import Agency
from shared.accounts.passwords import Chooser, PasswordChangeExpired, ResetExpired
from shared.accounts.reports import REPORT_PATH, ReportExpired
from shared.accounts.resets import RESET_PATH
from shared.accounts.second_steps import SecondFactorRequired
from shared.accounts.sessions import PasswordTokenPurpose
from shared.accounts_service import GATE, HASHER, SIGNER, WORK
from shared.doors import origin_of
from shared.errors import InvalidFields
from shared.factor_pages import Reader
from shared.http.csrf import check_csrf, csrf_token
from shared.http.forms import Form, read_form
from shared.http.pages import render, see_other
from shared.page_door import PageDoor
from shared.password_forms import ChangePasswordForm, CodeForm, ForgotForm, NewPasswordForm, ResetForm, refused
from shared.security.password_rules import LEAST, RULES_FOR_ANYBODY, PasswordRefused, rules_for


class PasswordCases(Protocol):
    """The use cases of a service, as :mod:`shared.accounts.passwords`, ``resets`` and ``reports`` have them."""

    @property
    def choose(self) -> Callable[..., Awaitable[SignedIn | SecondFactorRequired]]: ...  # noqa: D102

    @property
    def change(self) -> Callable[..., Awaitable[SignedIn]]: ...  # noqa: D102

    @property
    def least_of(self) -> Callable[..., Awaitable[int]]: ...  # noqa: D102

    @property
    def chooser(self) -> Callable[..., Awaitable[Chooser]]: ...  # noqa: D102

    @property
    def forgot(self) -> Callable[..., Awaitable[None]]: ...  # noqa: D102

    @property
    def report(self) -> Callable[..., Awaitable[None]]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class PasswordPages:
    """The same pages for staff and for portal logins.

    ``mails`` gives the e-mails that the use cases send, ``guard`` makes a page one for people who are signed in,
    ``reader`` tells who they are, ``enter`` leads into a session, and ``frame`` is what the page of a change shows
    besides; ``about_choice`` is what that of a first password does, for the token in the browser's cookie.
    """

    door: PageDoor
    cases: PasswordCases
    mails: Callable[[web.Request], Any]
    agency_of: Callable[[web.Request], Awaitable[Agency]]
    guard: Callable[[Handler], Handler]
    reader: Callable[[web.Request], Reader]
    enter: Callable[[web.Request, SignedIn, str], web.Response]
    frame: Callable[[web.Request], Mapping[str, Any]]
    about_choice: Callable[[web.Request, str], Awaitable[Mapping[str, Any]]] | None = None

    def routes(self, slug: str) -> list[web.RouteDef]:
        """Below an agency's address."""
        return [
            web.get(f"{slug}/choose-password", self.show_choice),
            web.post(f"{slug}/choose-password", self.submit_choice),
            web.get(f"{slug}/change-password", self.guard(self.show_change)),
            web.post(f"{slug}/change-password", self.guard(self.submit_change)),
            web.get(f"{slug}/forgot-password", self.show_forgot),
            web.post(f"{slug}/forgot-password", self.submit_forgot),
            web.get(f"{slug}/{RESET_PATH}", self.show_reset),
            web.post(f"{slug}/{RESET_PATH}", self.submit_reset),
            web.get(f"{slug}/{REPORT_PATH}", self.show_report),
            web.post(f"{slug}/{REPORT_PATH}", self.submit_report),
        ]

    async def _choose(
        self, request: web.Request, token: str, purpose: PasswordTokenPurpose, form: NewPasswordForm
    ) -> web.Response:
        """Set the password and go in, or on to the second step."""
        result = await self.cases.choose(
            request.app[WORK],
            request.app[HASHER],
            request.app[SIGNER],
            self.mails(request),
            token=token,
            purpose=purpose,
            new_password=form.new_password.get_secret_value(),
            origin=self.door.origin(request),
            with_cookie=True,
        )
        home = self.door.url(request, welcome="1")
        if isinstance(result, SecondFactorRequired):
            return self.door.ask_second_factor(request, result, home)
        return self.enter(request, result, home)

    # The first password

    async def show_choice(self, request: web.Request) -> web.StreamResponse:
        """The page after a temporary password."""
        await self.agency_of(request)
        token = self.door.choice_cookie(request).read(request)
        if token is None:
            return self._too_late(request)
        return await self._choice_page(request, token, None)

    async def _choice_page(self, request: web.Request, token: str, form: Form[NewPasswordForm] | None) -> web.Response:
        who = await self.cases.chooser(request.app[WORK], token=token)
        about = await self.about_choice(request, token) if self.about_choice else {}
        return _page(
            request,
            "choose_password.html",
            form,
            csrf_token=csrf_token(_secret(token)),
            longer="longer" in request.query,
            rules=rules_for(who.least),
            least=who.least,
            username=who.username,
            **about,
        )

    async def submit_choice(self, request: web.Request) -> web.StreamResponse:
        """Set the first password of one's own, and go in."""
        await self.agency_of(request)
        token = self.door.choice_cookie(request).read(request)
        if token is None:
            return self._too_late(request)
        form = await read_form(request, NewPasswordForm)
        check_csrf(request, form.csrf_token, _secret(token))
        try:
            if form.model is not None:
                response = await self._choose(request, token, "temporary", form.model)
                self.door.choice_cookie(request).delete(response)
                return response
        except PasswordChangeExpired:
            return self._too_late(request)
        except PasswordRefused as error:
            form = refused(form, error)
        return await self._choice_page(request, token, form)

    def _too_late(self, request: web.Request) -> web.Response:
        response = see_other(self.door.url(request, "sign-in", too_late="1"))
        self.door.choice_cookie(request).delete(response)
        return response

    # Another password

    async def show_change(self, request: web.Request) -> web.StreamResponse:
        """The page to change one's password."""
        return await self._change_page(request, None, changed="changed" in request.query)

    async def _change_page(
        self, request: web.Request, form: Form[ChangePasswordForm] | None, *, changed: bool = False
    ) -> web.Response:
        least = await self.cases.least_of(request.app[WORK], actor=self.reader(request).actor)
        context = {"changed": changed, "rules": rules_for(least), "least": least, **self.frame(request)}
        return _page(request, "change_password.html", form, **context)

    async def submit_change(self, request: web.Request) -> web.StreamResponse:
        """Change the password; the browser gets another cookie."""
        reader = self.reader(request)
        form = await read_form(request, ChangePasswordForm)
        check_csrf(request, form.csrf_token, reader.cookie.digest)
        try:
            if form.model is not None:
                result = await self.cases.change(
                    request.app[WORK],
                    request.app[HASHER],
                    request.app[SIGNER],
                    self.mails(request),
                    actor=reader.actor,
                    current_password=form.model.current_password.get_secret_value(),
                    new_password=form.model.new_password.get_secret_value(),
                    with_cookie=True,
                )
                return self.enter(request, result, self.door.url(request, "change-password", changed="1"))
        except (InvalidFields, PasswordRefused) as error:
            form = refused(form, error)
        return await self._change_page(request, form)

    # A forgotten password

    async def show_forgot(self, request: web.Request) -> web.StreamResponse:
        """The page that asks whose password was forgotten, or says that an e-mail is on its way."""
        await self.agency_of(request)
        return render(request, "forgot_password.html", form=None, sent="sent" in request.query)

    async def submit_forgot(self, request: web.Request) -> web.StreamResponse:
        """Ask for a reset e-mail; the next page is the same whoever was named."""
        agency = await self.agency_of(request)
        form = await read_form(request, ForgotForm)
        if form.model is None:
            return render(request, "forgot_password.html", status=422, form=form, sent=False)
        await self.cases.forgot(
            request.app[WORK],
            self.mails(request),
            request.app[GATE],
            slug=agency.slug,
            username=form.model.username,
            email=form.model.email,
            origin=origin_of(request),
        )
        return see_other(self.door.url(request, "forgot-password", sent="1"))

    async def show_reset(self, request: web.Request) -> web.StreamResponse:
        """The page behind the link of a reset e-mail. It does nothing by itself: mail scanners open links, too."""
        await self.agency_of(request)
        return _page(request, "reset_password.html", None)

    async def submit_reset(self, request: web.Request) -> web.StreamResponse:
        """Set a password with a code, and go in."""
        await self.agency_of(request)
        form = await read_form(request, ResetForm)
        try:
            if form.model is not None:
                return await self._choose(request, form.model.code, "reset", form.model)
        except ResetExpired as error:
            form = Form(form.values, {"code": error.message}, None)
        except PasswordRefused as error:
            form = refused(form, error)
        return _page(request, "reset_password.html", form)

    # A change that was somebody else's

    async def show_report(self, request: web.Request) -> web.StreamResponse:
        """The page behind the link of an e-mail about a change. It does nothing by itself either."""
        await self.agency_of(request)
        return render(request, "not_me.html", form=None, done="done" in request.query)

    async def submit_report(self, request: web.Request) -> web.StreamResponse:
        """Lock whomever the code names."""
        await self.agency_of(request)
        form = await read_form(request, CodeForm)
        try:
            if form.model is not None:
                code = form.model.code
                await self.cases.report(request.app[WORK], request.app[GATE], token=code, origin=origin_of(request))
                return see_other(self.door.url(request, REPORT_PATH, done="1"))
        except ReportExpired as error:
            form = Form(form.values, {"code": error.message}, None)
        return render(request, "not_me.html", status=422, form=form, done=False)


def _page(request: web.Request, template: str, form: Form[Any] | None, **context: Any) -> web.Response:
    values = {"rules": RULES_FOR_ANYBODY, "least": LEAST, **context}
    return render(request, template, status=422 if form else 200, form=form, **values)


def _secret(token: str) -> bytes:
    return token.encode("utf-8", "replace")
