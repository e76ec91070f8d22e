"""The JSON API of passkeys, for staff and for the owners of portal logins: signing in with one, and one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, Protocol, TypeAlias
from uuid import UUID

from aiohttp import web
from pydantic import Field

from shared.accounts import own_passkeys, passkey_sign_in
from shared.accounts.access import Origin, Tokens
from shared.accounts.agencies import NotContracted
from shared.accounts.own_passkeys import Tell, TooManyPasskeys
from shared.accounts.passkey_sign_in import Question
from shared.accounts.passkeys import Passkey
from shared.accounts.sessions import SessionKind
from shared.accounts_service import GATE, HASHER, SIGNER, WORK
from shared.doors import by_bearer, origin_of
from shared.errors import BadCredentials, InvalidFields, NotFound
from shared.http.answers import json_answer
from shared.http.bodies import path_id, read_json
from shared.http.fields import Answer, Body, Line, Password, Timestamp
from shared.http.keys import PUBLIC_URL
from shared.http.openapi import operation
from shared.outbox import Work
from shared.security.gate import Gate
from shared.security.passkeys import RelyingParty
from shared.security.throttle import TooManyAttempts
from shared.security.tokens import Signer
from shared.session_api import TAG as TOKENS_TAG
from shared.session_api import AgencySlug, TokensOut

TAG: Final = "Passkeys"
LONGEST_NAME: Final = 60

_Security: TypeAlias = Literal["staff", "client"]

PasskeyName: TypeAlias = Annotated[str, Line(LONGEST_NAME)]
Handle: TypeAlias = Annotated[str, Field(min_length=1, max_length=300, description="From the options, as it came.")]
Credential: TypeAlias = Annotated[
    dict[str, Any],
    Field(description="What navigator.credentials gave, as its toJSON() writes it (Web Authentication, level 3)."),
]


class AskToSignIn(Body):
    """At which agency somebody wants to sign in."""

    agency: AgencySlug


class PasskeySignIn(Body):
    """The answer of an authenticator, with the handle of the question."""

    agency: AgencySlug
    handle: Handle
    credential: Credential


class PasswordAgain(Body):
    """The current password, given again."""

    current_password: Password


class NewPasskeyIn(Body):
    """What an authenticator made, and what to call it."""

    handle: Handle
    name: PasskeyName
    credential: Credential


class Rename(Body):
    """What to call it from now on."""

    name: PasskeyName


class QuestionOut(Answer):
    """``options`` are for ``navigator.credentials`` (bytes in base64url); ``handle`` comes back within five minutes."""

    handle: str
    options: dict[str, Any]

    @classmethod
    def of(cls, question: Question) -> QuestionOut:
        """As the API gives it."""
        return cls(handle=question.handle, options=dict(question.options))


class PasskeyOut(Answer):
    """A passkey. ``backed_up``: its maker keeps copies of it on its owner's other devices."""

    id: UUID
    name: str
    created_at: Timestamp
    last_used_at: Timestamp | None
    backed_up: bool

    @classmethod
    def of(cls, passkey: Passkey) -> PasskeyOut:
        """As it is now."""
        return cls.model_validate(passkey)


class PasskeysOut(Answer):
    """All passkeys of one person, in the order in which they were added."""

    items: tuple[PasskeyOut, ...]


class AddedOut(Answer):
    """The new passkey, and the tokens that the session goes on with."""

    passkey: PasskeyOut
    tokens: TokensOut


class BegunWith(Protocol):
    """What a session that has just begun brings for the API."""

    @property
    def tokens(self) -> Tokens | None:
        """The first tokens."""


class SignInUseCase(Protocol):
    """A service's own way to begin a session with a passkey."""

    async def __call__(
        self,
        work: Work,
        gate: Gate,
        signer: Signer,
        rp: RelyingParty,
        *,
        slug: str,
        handle: str,
        credential: Mapping[str, Any],
        origin: Origin,
        with_cookie: bool,
    ) -> BegunWith:
        """Raises NotContracted, TooManyAttempts, BadCredentials."""


SignInOf: TypeAlias = Callable[[web.Request], SignInUseCase]
"""Where it is, for it may need more of the service."""
TellOf: TypeAlias = Callable[[web.Request], Tell]
"""How a service tells the owners of passkeys."""


def relying_party(request: web.Request) -> RelyingParty:
    """The one of the service's public address."""
    return RelyingParty.at(str(request.app[PUBLIC_URL]))


def passkey_routes(kind: SessionKind, sign_in_of: SignInOf, tell_of: TellOf) -> list[web.RouteDef]:
    """Every address, for people of one kind."""
    security: _Security = "staff" if kind == "staff" else "client"
    return [
        *_sign_in_routes(kind, sign_in_of),
        *_adding_routes(kind, security, tell_of),
        *_own_routes(kind, security, tell_of),
    ]


def _sign_in_routes(kind: SessionKind, sign_in_of: SignInOf) -> list[web.RouteDef]:
    contract = (NotContracted,) if kind == "portal" else ()

    @operation(
        "Ask what to sign with a passkey",
        body=AskToSignIn,
        answers={200: QuestionOut},
        problems=(BadCredentials, TooManyAttempts, *contract),
        security=None,
        tag=TOKENS_TAG,
    )
    async def passkey_options(request: web.Request) -> web.Response:
        """The options name nobody: the browser shows the passkeys that it has for us."""
        body = await read_json(request, AskToSignIn)
        question = await passkey_sign_in.ask(
            request.app[WORK],
            request.app[GATE],
            relying_party(request),
            kind=kind,
            slug=body.agency,
            origin=origin_of(request),
        )
        return json_answer(QuestionOut.of(question))

    @operation(
        "Sign in with a passkey",
        body=PasskeySignIn,
        answers={200: TokensOut},
        problems=(BadCredentials, TooManyAttempts, *contract),
        security=None,
        tag=TOKENS_TAG,
    )
    async def create_token_by_passkey(request: web.Request) -> web.Response:
        """No password, and no second factor: the passkey is both. Whatever is wrong, the answer is the same."""
        body = await read_json(request, PasskeySignIn)
        begun = await sign_in_of(request)(
            request.app[WORK],
            request.app[GATE],
            request.app[SIGNER],
            relying_party(request),
            slug=body.agency,
            handle=body.handle,
            credential=body.credential,
            origin=origin_of(request),
            with_cookie=False,
        )
        return json_answer(TokensOut.of(begun.tokens))

    return [
        web.post("/api/v1/token/passkey/options", passkey_options),
        web.post("/api/v1/token/passkey", create_token_by_passkey),
    ]


def _adding_routes(kind: SessionKind, security: _Security, tell_of: TellOf) -> list[web.RouteDef]:
    @operation(
        "Ask what a new passkey is made from",
        body=PasswordAgain,
        answers={200: QuestionOut},
        problems=(InvalidFields, TooManyPasskeys),
        security=security,
        tag=TAG,
    )
    async def new_passkey_options(request: web.Request) -> web.Response:
        """The current password is asked for again; ten wrong ones end the session."""
        actor, _ = await by_bearer(request, kind)
        body = await read_json(request, PasswordAgain)
        question = await own_passkeys.begin_adding(
            request.app[WORK],
            request.app[HASHER],
            relying_party(request),
            actor=actor,
            kind=kind,
            password=body.current_password.get_secret_value(),
        )
        return json_answer(QuestionOut.of(question))

    @operation(
        "Add a passkey",
        body=NewPasskeyIn,
        answers={201: AddedOut},
        problems=(InvalidFields, TooManyPasskeys),
        security=security,
        tag=TAG,
    )
    async def add_passkey(request: web.Request) -> web.Response:
        """In the session that asked, within five minutes. A refresh token from before is no good any more."""
        actor, _ = await by_bearer(request, kind)
        body = await read_json(request, NewPasskeyIn)
        added = await own_passkeys.add(
            request.app[WORK],
            request.app[SIGNER],
            relying_party(request),
            actor=actor,
            kind=kind,
            handle=body.handle,
            name=body.name,
            credential=body.credential,
            tell=tell_of(request),
            with_cookie=False,
        )
        answer = AddedOut(passkey=PasskeyOut.of(added.passkey), tokens=TokensOut.of(added.renewed.tokens))
        return json_answer(answer, status=201)

    return [web.post("/api/v1/passkeys/options", new_passkey_options), web.post("/api/v1/passkeys", add_passkey)]


def _own_routes(kind: SessionKind, security: _Security, tell_of: TellOf) -> list[web.RouteDef]:
    @operation("Your passkeys", answers={200: PasskeysOut}, security=security, tag=TAG)
    async def list_passkeys(request: web.Request) -> web.Response:
        """Ten at most, the oldest first."""
        actor, _ = await by_bearer(request, kind)
        found = await own_passkeys.of_actor(request.app[WORK], actor=actor, kind=kind)
        return json_answer(PasskeysOut(items=tuple(PasskeyOut.of(p) for p in found)))

    @operation(
        "Rename a passkey",
        body=Rename,
        answers={200: PasskeyOut},
        problems=(NotFound,),
        security=security,
        tag=TAG,
    )
    async def rename_passkey(request: web.Request) -> web.Response:
        """The name is for its owner alone, and for the log."""
        actor, _ = await by_bearer(request, kind)
        body = await read_json(request, Rename)
        passkey_id = path_id(request)
        found = await own_passkeys.rename(
            request.app[WORK], actor=actor, kind=kind, passkey_id=passkey_id, name=body.name
        )
        return json_answer(PasskeyOut.of(found))

    @operation(
        "Remove a passkey",
        body=PasswordAgain,
        answers={200: TokensOut},
        problems=(InvalidFields, NotFound),
        security=security,
        tag=TAG,
    )
    async def remove_passkey(request: web.Request) -> web.Response:
        """All other sessions end, since it may have opened them. A refresh token from before is no good any more."""
        actor, _ = await by_bearer(request, kind)
        body = await read_json(request, PasswordAgain)
        renewed = await own_passkeys.remove(
            request.app[WORK],
            request.app[HASHER],
            request.app[SIGNER],
            actor=actor,
            kind=kind,
            passkey_id=path_id(request),
            password=body.current_password.get_secret_value(),
            tell=tell_of(request),
            with_cookie=False,
        )
        return json_answer(TokensOut.of(renewed.tokens))

    return [
        web.get("/api/v1/passkeys", list_passkeys),
        # An id has the form of an id, so that `options` is none.
        web.patch("/api/v1/passkeys/{id:[0-9A-Fa-f-]{36}}", rename_passkey),
        web.post("/api/v1/passkeys/{id}/remove", remove_passkey),
    ]
