"""Agency admins set up single sign-on."""

from __future__ import annotations

from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from services.admin.keys import BOXES, IDENTITY_PROVIDERS, VISITOR, WORK
from services.admin.pages.menus import SINGLE_SIGN_ON, administration, crumbs_to
from services.admin.pages.signing_in import NoFields
from services.admin.pages.single_sign_on import callback_url
from services.admin.pages.visitors import for_staff, read_own_form, url
from services.admin.single_sign_on_fields import ClientSecret, Issuer, SingleSignOnIn
from services.admin.use_cases import single_sign_on_settings
from shared.accounts.identity_providers import IdentityProvider
from shared.errors import Changed, FieldError, InvalidFields
from shared.http.forms import Form
from shared.http.pages import render, see_other

PAGE: Final = SINGLE_SIGN_ON.page

_CLAIMS: Final = (
    ("preferred_username", "Username (preferred_username)"),
    ("email", "E-mail address (email), if the provider has verified it"),
)
_STALE: Final = "Somebody else changed these settings meanwhile. Check them and save again."


class SingleSignOnForm(SingleSignOnIn):
    """The settings as the page sends them; ``version`` is the one that it showed."""

    version: Annotated[int, Field(ge=0)]


class TestForm(BaseModel):
    """The part of the form that can be tried out; the rest comes along and is shown again."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    issuer: Issuer
    # Named so that it is taken for the secret that it is.
    client_secret: ClientSecret | None = None


@for_staff
async def show(request: web.Request) -> web.StreamResponse:
    """The settings as they are."""
    provider = await single_sign_on_settings.read(request.app[WORK], actor=request[VISITOR].actor)
    return _page(request, provider)


@for_staff
async def save(request: web.Request) -> web.StreamResponse:
    """Keep them."""
    form = await read_own_form(request, SingleSignOnForm)
    actor = request[VISITOR].actor
    if form.model is None:
        return await _again(request, form)
    try:
        await single_sign_on_settings.save(
            request.app[WORK],
            request.app[BOXES],
            request.app[IDENTITY_PROVIDERS],
            actor=actor,
            settings=form.model.settings(),
            expected_version=form.model.version,
        )
    except InvalidFields as error:
        return await _again(request, form.refused(error.errors))
    except Changed:
        return await _again(request, form.refused([FieldError("", _STALE)]), status=412)
    return see_other(url(request, PAGE, saved="1"))


@for_staff
async def test(request: web.Request) -> web.StreamResponse:
    """Ask the provider, and show the page again with what came of it."""
    form = await read_own_form(request, TestForm)
    actor = request[VISITOR].actor
    if form.model is None:
        return await _again(request, form)
    try:
        await single_sign_on_settings.check(request.app[IDENTITY_PROVIDERS], actor=actor, issuer=form.model.issuer)
    except InvalidFields as error:
        return await _again(request, form.refused(error.errors))
    return await _again(request, form, status=200, tested=True)


@for_staff
async def remove(request: web.Request) -> web.StreamResponse:
    """Staff sign in with passwords only."""
    await read_own_form(request, NoFields)
    await single_sign_on_settings.remove(request.app[WORK], actor=request[VISITOR].actor, expected_version=None)
    return see_other(url(request, PAGE, removed="1"))


async def _again(request: web.Request, form: Form[Any], *, status: int = 422, tested: bool = False) -> web.Response:
    provider = await single_sign_on_settings.read(request.app[WORK], actor=request[VISITOR].actor)
    return _page(request, provider, form, status=status, tested=tested)


def _page(
    request: web.Request,
    provider: IdentityProvider | None,
    form: Form[Any] | None = None,
    *,
    status: int = 200,
    tested: bool = False,
) -> web.Response:
    return render(
        request,
        "single_sign_on.html",
        status=status,
        provider=provider,
        form=form,
        claims=_CLAIMS,
        callback_url=callback_url(request),
        page_url=url(request, PAGE),
        tested=tested,
        done=next((key for key in ("saved", "removed") if key in request.query), None) if form is None else None,
        crumbs=crumbs_to(request, administration(request), (SINGLE_SIGN_ON.label, None)),
    )
