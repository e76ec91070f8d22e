"""Requests put together by chance from what is one's own and what is not: nothing of others is told, nothing changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.accounts.clients import Client
from tests.security.doors import FROM_OUR_PAGE, UNSAFE, Door, Route, Street, form_token

# How others are called: in no answer to anybody else.
_MARKS = ("Zebulon", "Quagmire", "zquagmire", "Ottilie", "Vandersloot", "ovandersloot")
_FIELDS = ("login", "client", "client_id", "portal_login_id", "staff", "staff_user_id", "id", "q", "after", "agency")


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who is signed in: by token at the API, by cookies at the pages.

    ``theirs``: words that they may not read; ``foreign``: ids of what is not theirs."""

    name: str
    door: Door
    token: str
    cookies: Mapping[str, str]
    form_token: str
    theirs: tuple[str, ...]
    foreign: tuple[str, ...]


@dataclass(slots=True)
class Neighbours:
    """Two agencies, two clients of one of them, and everybody's ids."""

    street: Street
    callers: tuple[Caller, ...]
    own: tuple[str, ...]
    other_client: UUID

    async def kept(self) -> str:
        """All that the other agency and the other client have, but for when a session was seen."""
        found: dict[str, Any] = {}
        for table, whose in (
            ("accounts.clients", "id"),
            ("accounts.portal_logins", "client_id"),
            ("accounts.staff_users", "agency_id"),
            ("accounts.sessions", "agency_id"),
        ):
            found[table] = await self.street.rows(
                f"select to_jsonb(t) - 'last_seen_at' as row from {table} t"
                f" where t.agency_id <> $1 or t.{whose} = $2 order by 1",
                self.street.agency.id,
                self.other_client,
            )
        return json.dumps(found, default=str)


@pytest.fixture
async def neighbours(street: Street) -> Neighbours:
    lakeside = await street.world.agency("lakeside", name="Lakeside")
    their_admin = await street.world.staff(lakeside, "zquagmire", display_name="Zebulon", role="agency_admin")
    their_client = await street.world.client(lakeside, first_name="Zebulon", last_name="Quagmire")
    [their_case] = await street.world.case_ids(lakeside, their_client)
    admin = await street.world.staff(street.agency, "agencyadmin", role="agency_admin")
    other_client: Client = await street.world.client(
        street.agency, client_number="100008", case_number=None, first_name="Ottilie", last_name="Vandersloot"
    )
    their_login = await street.own_login("ovandersloot")
    async with street.pool.transaction(street.agency.id) as conn:
        await conn.execute(
            "update accounts.portal_logins set client_id = $2 where id = $1", their_login.id, other_client.id
        )
    theirs = await street.tokens(street.admin, agency="lakeside", username="zquagmire")
    their_session = (await street.rows("select id from accounts.sessions where agency_id = $1", lakeside.id))[0]["id"]
    assert theirs["access_token"]
    others = tuple(
        str(found) for found in (their_admin.user.id, their_client.id, their_case, their_session, lakeside.id, uuid4())
    )
    callers = (
        await _caller(street, "staff", street.admin, _MARKS[:3], others),
        await _caller(street, "agency admin", street.admin, _MARKS[:3], others, username=admin.user.username),
        await _caller(street, "client", street.portal, _MARKS, (*others, str(other_client.id), str(their_login.id))),
    )
    own = (str(street.client.id), str(street.login.id), str(street.staff.user.id), str(street.case_id))
    return Neighbours(street, callers, own, other_client.id)


async def _caller(
    street: Street, name: str, door: Door, theirs: tuple[str, ...], foreign: tuple[str, ...], **changes: str
) -> Caller:
    token = str((await street.tokens(door, **changes))["access_token"])
    door.keep_cookies({})
    answer = await street.sign_in(door, **changes)
    assert answer.status == 303
    page = await (await door.ask("GET", "/riverside/sessions")).text()
    return Caller(name, door, token, door.cookies(), form_token(page), theirs, foreign)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request: where each placeholder's id comes from, and what goes with it."""

    caller: Caller
    route: Route
    slug: str
    ids: tuple[str, ...]
    fields: Mapping[str, str]

    @property
    def path(self) -> str:
        """The route's address with these ids."""
        path, ids = self.route.pattern.replace("{slug}", self.slug), iter(self.ids)
        while "{" in path:
            before, _, rest = path.partition("{")
            path = before + next(ids) + rest.partition("}")[2]
        return path


def attempts(people: Neighbours) -> st.SearchStrategy[Attempt]:
    """Reading may ask for one's own things as well; whoever writes names something of others."""

    @st.composite
    def drawn(draw: st.DrawFn) -> Attempt:
        caller = draw(st.sampled_from(people.callers))
        routes = [
            r
            for r in caller.door.routes()
            if not r.is_for_everybody and (r.method == "GET" or "{" in r.pattern.replace("{slug}", ""))
        ]
        route = draw(st.sampled_from(routes))
        known = caller.foreign if route.method in UNSAFE else people.own + caller.foreign
        ids = draw(st.lists(st.sampled_from(known), min_size=4, max_size=4))
        fields = draw(st.dictionaries(st.sampled_from(_FIELDS), st.sampled_from(caller.foreign), max_size=4))
        slug = draw(st.sampled_from(["riverside", "lakeside"] if route.is_page else ["riverside"]))
        return Attempt(caller, route, slug, tuple(ids), fields)

    return drawn()


async def _made(attempt: Attempt) -> tuple[int, str]:
    door, caller = attempt.caller.door, attempt.caller
    options: dict[str, Any] = {}
    path = attempt.path
    if attempt.route.is_page:
        door.keep_cookies(caller.cookies)
        options["headers"] = {"Accept": "text/html", **FROM_OUR_PAGE}
        if attempt.route.method in UNSAFE:
            options["data"] = {**attempt.fields, "csrf_token": caller.form_token}
    else:
        door.keep_cookies({})
        options["headers"] = {"Authorization": f"Bearer {caller.token}"}
        if attempt.route.method in UNSAFE:
            options["json"] = dict(attempt.fields)
    if attempt.route.method == "GET" and attempt.fields:
        path += "?" + urlencode(attempt.fields)
    answer = await door.ask(attempt.route.method, path, **options)
    return answer.status, (await answer.text()) + str(answer.headers)


async def test_whatever_is_asked_others_stay_unseen_and_untouched(neighbours: Neighbours) -> None:
    loop, before = asyncio.get_running_loop(), await neighbours.kept()
    answered: set[int] = set()

    @settings(max_examples=250, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(attempt=attempts(neighbours))
    def holds(attempt: Attempt) -> None:
        status, told = asyncio.run_coroutine_threadsafe(_made(attempt), loop).result(60)
        what = (attempt.caller.name, attempt.route.method, attempt.path, status)
        assert status < 500, what
        assert not [mark for mark in attempt.caller.theirs if mark in told], what
        answered.add(status)

    # The engine is not made for an event loop: it draws in a thread of its own, the requests are made on ours.
    await asyncio.to_thread(holds)
    assert await neighbours.kept() == before
    assert {200, 404} <= answered, "some of it was one's own, and some was not there"
