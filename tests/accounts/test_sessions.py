"""Sessions: recognised, continued by refresh tokens, ended when they are idle, too old, or stolen."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from shared.accounts import access
from shared.accounts.access import Origin, Presented, SessionCookie, Tokens
from shared.db import Pool
from shared.errors import NotSignedIn
from shared.outbox import Work
from shared.security.tokens import Signer, new_signing_key
from tests.accounts.conftest import Desk, Outbox
from tests.support.clock import FakeClock

PEM = new_signing_key()


@pytest.fixture
def signer(clock: FakeClock) -> Signer:
    return Signer(PEM, "portico_admin", clock)


async def begun(work: Work, desk: Desk, signer: Signer) -> tuple[Presented, Tokens, SessionCookie]:
    assert desk.actor.id is not None
    async with work.transaction(desk.actor) as tx:
        session_id, cookie = await access.open_session(
            tx, kind="staff", person_id=desk.actor.id, origin=Origin("203.0.113.9", "Old Phone"), with_cookie=True
        )
        tokens = await access.first_tokens(
            tx, signer=signer, kind="staff", person_id=desk.actor.id, session_id=session_id
        )
    assert cookie is not None
    return Presented("staff", desk.agency.id, session_id), tokens, cookie


async def test_a_session_names_its_person(admin_work: Work, desk: Desk, signer: Signer) -> None:
    presented, _, cookie = await begun(admin_work, desk, signer)
    actor, _ = await access.recognise(admin_work, replace(presented, cookie=cookie), Origin(request_id="r1"))
    assert (actor.username, actor.name, actor.role) == ("nextstep", "NextStep Solutions", "staff")
    assert actor.request_id == "r1"


async def test_a_cookie_with_another_secret_is_nobody(admin_work: Work, desk: Desk, signer: Signer) -> None:
    presented, _, cookie = await begun(admin_work, desk, signer)
    forged = SessionCookie.parse(cookie.text[:-3] + "AAA")
    assert forged is not None
    with pytest.raises(NotSignedIn):
        await access.recognise(admin_work, replace(presented, cookie=forged), Origin())


async def test_a_session_of_another_agency_or_kind_is_nobody(admin_work: Work, desk: Desk, signer: Signer) -> None:
    presented, _, _ = await begun(admin_work, desk, signer)
    for other in (replace(presented, agency_id=uuid4()), replace(presented, kind="portal")):
        with pytest.raises(NotSignedIn):
            await access.recognise(admin_work, other, Origin())


async def test_use_keeps_a_session_alive_until_its_absolute_limit(
    admin_work: Work, desk: Desk, signer: Signer, clock: FakeClock, outbox: Outbox
) -> None:
    presented, _, _ = await begun(admin_work, desk, signer)
    for _ in range(51):
        clock.advance(minutes=14)
        await access.recognise(admin_work, presented, Origin())
    clock.advance(minutes=14)
    with pytest.raises(NotSignedIn):
        await access.recognise(admin_work, presented, Origin())
    assert (await outbox())[-1]["payload"] == {"username": "nextstep", "reason": "expired"}


async def test_an_idle_session_ends_with_its_event_once(
    admin_work: Work, desk: Desk, signer: Signer, clock: FakeClock, outbox: Outbox
) -> None:
    presented, _, _ = await begun(admin_work, desk, signer)
    clock.advance(minutes=15)
    for _ in range(2):
        with pytest.raises(NotSignedIn):
            await access.recognise(admin_work, presented, Origin())
    ended = [e for e in await outbox() if e["type"] == "staff_session.ended"]
    assert [e["payload"]["reason"] for e in ended] == ["idle"]


async def test_the_sweep_ends_what_nobody_asked_for_again(
    admin_work: Work, relay_pool: Pool, desk: Desk, signer: Signer, clock: FakeClock, outbox: Outbox
) -> None:
    await begun(admin_work, desk, signer)
    assert await access.end_overdue(relay_pool, admin_work, "staff") == 0
    clock.advance(minutes=15)
    assert await access.end_overdue(relay_pool, admin_work, "portal") == 0
    assert await access.end_overdue(relay_pool, admin_work, "staff") == 1
    assert await access.end_overdue(relay_pool, admin_work, "staff") == 0
    assert (await outbox())[-1]["actor"]["kind"] == "system"


async def test_a_refresh_token_is_exchanged_once_and_a_retry_gets_the_same(
    admin_work: Work, desk: Desk, signer: Signer, clock: FakeClock
) -> None:
    _, tokens, _ = await begun(admin_work, desk, signer)

    async def refreshed(token: str) -> Tokens:
        return await access.refresh(admin_work, signer=signer, kind="staff", refresh_token=token, origin=Origin())

    first = await refreshed(tokens.refresh_token)
    clock.advance(seconds=9)
    assert (await refreshed(tokens.refresh_token)).refresh_token == first.refresh_token
    second = await refreshed(first.refresh_token)
    assert second.refresh_token != first.refresh_token


async def test_a_refresh_token_used_again_later_ends_the_family(
    admin_work: Work, desk: Desk, signer: Signer, clock: FakeClock, outbox: Outbox
) -> None:
    presented, tokens, _ = await begun(admin_work, desk, signer)
    first = await access.refresh(
        admin_work, signer=signer, kind="staff", refresh_token=tokens.refresh_token, origin=Origin()
    )
    clock.advance(seconds=11)
    for token in (tokens.refresh_token, first.refresh_token):
        with pytest.raises(NotSignedIn):
            await access.refresh(admin_work, signer=signer, kind="staff", refresh_token=token, origin=Origin())
    with pytest.raises(NotSignedIn):
        await access.recognise(admin_work, presented, Origin())
    assert (await outbox())[-1]["payload"]["reason"] == "revoked"


@pytest.mark.parametrize("token", ["", "x", f"{'ab' * 16}.{'a' * 43}"])
async def test_what_is_no_refresh_token_is_refused(admin_work: Work, desk: Desk, signer: Signer, token: str) -> None:
    with pytest.raises(NotSignedIn):
        await access.refresh(admin_work, signer=signer, kind="staff", refresh_token=token, origin=Origin())


async def test_a_deactivated_staff_user_is_out_at_once(
    admin_work: Work, admin_pool: Pool, desk: Desk, signer: Signer
) -> None:
    presented, tokens, _ = await begun(admin_work, desk, signer)
    async with admin_pool.transaction(desk.agency.id) as conn:
        await conn.execute("update accounts.staff_users set active = false")
    with pytest.raises(NotSignedIn):
        await access.recognise(admin_work, presented, Origin())
    with pytest.raises(NotSignedIn):
        await access.refresh(
            admin_work, signer=signer, kind="staff", refresh_token=tokens.refresh_token, origin=Origin()
        )
