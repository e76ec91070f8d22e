"""What the pages of staff and clients about passkeys have in common."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import Field

from shared.accounts import own_passkeys, passkey_sign_in
from shared.accounts.own_passkeys import Renewed, Tell, TooManyPasskeys
from shared.accounts.passkey_sign_in import Question
from shared.accounts.passkeys import MOST, Passkey
from shared.accounts.sessions import SessionKind
from shared.accounts_service import GATE, HASHER, SIGNER, WORK
from shared.actors import Actor
from shared.errors import DomainError, InvalidFields
from shared.http.answers import json_answer
from shared.http.devices import device_of
from shared.http.fields import Body, Line, Password
from shared.http.forms import Form
from shared.http.times import short_time
from shared.page_door import PageDoor
from shared.passkey_api import LONGEST_NAME, QuestionOut, relying_party
from shared.session_api import read_nothing

PAGE: Final = "passkeys"
REFUSED: Final = "That passkey is not right, or this login cannot be used. You can sign in with your password."
"""The same whatever is wrong."""

_Handle = Annotated[str, Field(max_length=300)]
_Answer = Annotated[str, Field(max_length=30_000)]


class PasskeySignInForm(Body):
    """What the script puts in: the handle, and the authenticator's answer as JSON."""

    handle: _Handle
    credential: _Answer
    next: Annotated[str, Field(max_length=1000)] = ""


class BeginForm(Body):
    """What to call a new passkey, and the password given again."""

    name: Annotated[str, Line(LONGEST_NAME)]
    current_password: Password


class AddForm(Body):
    """What the script puts in when an authenticator has made one."""

    name: Annotated[str, Line(LONGEST_NAME)]
    handle: _Handle
    credential: _Answer


class RenameForm(Body):
    """Another name."""

    name: Annotated[str, Line(LONGEST_NAME)]


class RemoveForm(Body):
    """The password given again."""

    current_password: Password


@dataclass(frozen=True, slots=True)
class PasskeyRow:
    """A passkey in words, with times in the agency's zone."""

    id: UUID
    name: str
    added: str
    used: str
    backed_up: bool

    @classmethod
    def of(cls, passkey: Passkey, zone: ZoneInfo) -> PasskeyRow:
        """As a page shows it."""
        used = passkey.last_used_at
        return cls(
            id=passkey.id,
            name=passkey.name,
            added=short_time(passkey.created_at, zone),
            used=short_time(used, zone) if used else "Never",
            backed_up=passkey.backed_up,
        )


def credential_of(text: str) -> dict[str, Any]:
    """The authenticator's answer; what cannot be read is an empty one, which is never right."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def refused_whole(form: Form[Any], error: DomainError) -> Form[Any]:
    """The form with an error that belongs to no field of it, or to fields that nobody sees."""
    told = " ".join(e.message for e in error.errors) or error.message
    return Form(form.values, {"": told}, None, form.many, form.csrf_token)


async def question_for(request: web.Request, door: PageDoor) -> web.Response:
    """What the script of the sign-in page asks for."""
    await read_nothing(request)
    question = await passkey_sign_in.ask(
        request.app[WORK],
        request.app[GATE],
        relying_party(request),
        kind=door.kind,
        slug=request.match_info["slug"],
        origin=door.origin(request),
    )
    return json_answer(QuestionOut.of(question))


async def list_context(
    request: web.Request, actor: Actor, kind: SessionKind, zone: ZoneInfo, form: Form[Any] | None
) -> dict[str, Any]:
    """What the page of one's passkeys shows."""
    found = await own_passkeys.of_actor(request.app[WORK], actor=actor, kind=kind)
    return {
        "passkeys": [PasskeyRow.of(p, zone) for p in found],
        "form": form,
        "suggested_name": device_of(request.headers.get("User-Agent", "")),
        "full": len(found) >= MOST,
        "done": next((what for what in ("added", "renamed", "removed") if what in request.query), None),
    }


async def begin_adding(
    request: web.Request, actor: Actor, kind: SessionKind, form: Form[BeginForm]
) -> Question | Form[BeginForm]:
    """What the script needs to have a passkey made; or the form with what is wrong."""
    if form.model is None:
        return form
    try:
        return await own_passkeys.begin_adding(
            request.app[WORK],
            request.app[HASHER],
            relying_party(request),
            actor=actor,
            kind=kind,
            password=form.model.current_password.get_secret_value(),
        )
    except InvalidFields as error:
        return form.refused(error.errors)
    except TooManyPasskeys as error:
        return refused_whole(form, error)


async def add(request: web.Request, actor: Actor, kind: SessionKind, made: AddForm, tell: Tell) -> str:
    """Keep the passkey that the script had made; answers the session's next cookie.

    Raises InvalidFields, TooManyPasskeys, NotSignedIn.
    """
    added = await own_passkeys.add(
        request.app[WORK],
        request.app[SIGNER],
        relying_party(request),
        actor=actor,
        kind=kind,
        handle=made.handle,
        name=made.name,
        credential=credential_of(made.credential),
        tell=tell,
        with_cookie=True,
    )
    return _cookie(added.renewed)


async def remove(
    request: web.Request, actor: Actor, kind: SessionKind, passkey_id: UUID, given: RemoveForm, tell: Tell
) -> str:
    """Remove a passkey; answers the session's next cookie. Raises InvalidFields, NotFound, NotSignedIn."""
    renewed = await own_passkeys.remove(
        request.app[WORK],
        request.app[HASHER],
        request.app[SIGNER],
        actor=actor,
        kind=kind,
        passkey_id=passkey_id,
        password=given.current_password.get_secret_value(),
        tell=tell,
        with_cookie=True,
    )
    return _cookie(renewed)


def _cookie(renewed: Renewed) -> str:
    if renewed.cookie is None:
        raise ValueError("a session of the pages has a cookie")
    return renewed.cookie.text
