"""Staff add, change and reset portal logins; what happens and what is mailed commit together."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from services.admin.use_cases import login_mails
from services.admin.use_cases import portal_logins as use_cases
from services.admin.use_cases.credentials import Credentials
from services.admin.use_cases.portal_logins import NewPortalLogin, PortalLoginChange, PortalRefused
from shared.accounts import access, portal_logins, sessions
from shared.accounts.access import Origin
from shared.accounts.agencies import NotContracted
from shared.accounts.portal_logins import PortalLogin, UsernameTaken
from shared.actors import Actor
from shared.deliveries.sealing import Opener
from shared.errors import Changed, InvalidFields, NotFound
from shared.outbox import Work
from shared.security.passwords import PasswordHasher
from shared.security.session_limits import PASSWORD_RESET
from shared.security.tokens import new_reference
from tests.accounts.conftest import Desk, Outbox
from tests.support.clock import FakeClock
from tests.support.databases import Database
from tests.support.people import World

CMALEK = NewPortalLogin("cmalek", "cmalek@example.com")


async def secrets_in_the_queue(database: Database, opener: Opener) -> list[str]:
    conn = await asyncpg.connect(database.owner_url)
    try:
        rows = await conn.fetch("select sealed_secret from mail.deliveries where finished_at is null order by id")
    finally:
        await conn.close()
    return [opener.open(r["sealed_secret"]) for r in rows]


async def added(work: Work, credentials: Credentials, desk: Desk, new: NewPortalLogin = CMALEK) -> PortalLogin:
    return await use_cases.create(work, credentials, actor=desk.actor, client_id=desk.client.id, new=new)


async def changed(
    work: Work, credentials: Credentials, desk: Desk, login: PortalLogin, change: PortalLoginChange
) -> PortalLogin:
    return await use_cases.update(work, credentials, actor=desk.actor, login_id=login.id, change=change)


async def a_session(work: Work, login: PortalLogin, actor: Actor) -> access.Presented:
    async with work.transaction(actor) as tx:
        session_id, _ = await access.open_session(
            tx, kind="portal", person_id=login.id, origin=Origin(), with_cookie=False
        )
    return access.Presented("portal", actor.agency_id, session_id)


async def test_a_new_login_is_sent_a_temporary_password_that_only_the_notifier_can_read(
    admin_work: Work,
    credentials: Credentials,
    desk: Desk,
    opener: Opener,
    database: Database,
    hasher: PasswordHasher,
    outbox: Outbox,
    clock: FakeClock,
) -> None:
    login = await added(admin_work, credentials, desk)
    [secret] = await secrets_in_the_queue(database, opener)
    assert await hasher.verify(login.temporary_password_hash, secret)
    assert login.password_state(clock()) == "temporary"
    events = await outbox()
    assert [e["type"] for e in events] == ["portal_login.created", "delivery.queued"]
    assert secret not in str(events)
    clock.advance(hours=72)
    assert login.password_state(clock()) == "temporary_expired"


async def test_without_reset_password_there_is_no_credential_and_no_mail(
    admin_work: Work, credentials: Credentials, desk: Desk, opener: Opener, database: Database, clock: FakeClock
) -> None:
    login = await added(admin_work, credentials, desk, NewPortalLogin("cmalek", "c@example.com", reset_password=False))
    assert login.password_state(clock()) == "none"
    assert await secrets_in_the_queue(database, opener) == []
    after = await changed(admin_work, credentials, desk, login, PortalLoginChange(email="d@example.com"))
    assert after.password_state(clock()) == "none"


async def test_a_login_created_inactive_is_mailed_when_it_is_made_active(
    admin_work: Work, credentials: Credentials, desk: Desk, opener: Opener, database: Database, clock: FakeClock
) -> None:
    login = await added(admin_work, credentials, desk, NewPortalLogin("cmalek", "c@example.com", active=False))
    assert await secrets_in_the_queue(database, opener) == []
    after = await changed(admin_work, credentials, desk, login, PortalLoginChange(active=True))
    assert len(await secrets_in_the_queue(database, opener)) == 1
    assert after.password_state(clock()) == "temporary"


async def test_the_email_comes_from_the_current_residence_block(
    admin_work: Work, credentials: Credentials, desk: Desk, world: World
) -> None:
    login = await added(admin_work, credentials, desk, NewPortalLogin("cmalek", None))
    assert login.email == "home@example.com"
    other = await world.client(desk.agency, client_number="2", case_number=None)
    with pytest.raises(InvalidFields) as raised:
        await use_cases.create(
            admin_work, credentials, actor=desk.actor, client_id=other.id, new=NewPortalLogin("other", None)
        )
    assert raised.value.errors[0].field == "populate_email_from_current_residence"


async def test_a_username_is_taken_in_whatever_case_and_nothing_is_half_saved(
    admin_work: Work, credentials: Credentials, desk: Desk, opener: Opener, database: Database, outbox: Outbox
) -> None:
    await added(admin_work, credentials, desk)
    before = await outbox()
    with pytest.raises(UsernameTaken):
        await added(admin_work, credentials, desk, NewPortalLogin("CMalek", "x@example.com"))
    assert await outbox() == before
    assert len(await secrets_in_the_queue(database, opener)) == 1


async def test_of_two_that_want_a_username_at_once_one_gets_it(
    admin_work: Work, credentials: Credentials, desk: Desk
) -> None:
    wanted = [added(admin_work, credentials, desk, NewPortalLogin(name, "x@example.com")) for name in ("abc", "ABC")]
    results = await asyncio.gather(*wanted, return_exceptions=True)
    assert sorted(type(r).__name__ for r in results) == ["PortalLogin", "UsernameTaken"]


async def test_another_agency_may_use_the_same_username(
    admin_work: Work, credentials: Credentials, desk: Desk, world: World
) -> None:
    await added(admin_work, credentials, desk)
    there = await world.agency("lakeside")
    person, client = await world.staff(there), await world.client(there)
    login = await use_cases.create(admin_work, credentials, actor=person.actor, client_id=client.id, new=CMALEK)
    assert login.username == "cmalek"


async def test_another_agencys_client_and_login_are_not_there(
    admin_work: Work, credentials: Credentials, desk: Desk, world: World
) -> None:
    login = await added(admin_work, credentials, desk)
    stranger = (await world.staff(await world.agency("lakeside"))).actor
    with pytest.raises(NotFound):
        await use_cases.create(admin_work, credentials, actor=stranger, client_id=desk.client.id, new=CMALEK)
    with pytest.raises(NotFound):
        await use_cases.read(admin_work, actor=stranger, login_id=login.id)
    change = PortalLoginChange(active=False)
    with pytest.raises(NotFound):
        await use_cases.update(admin_work, credentials, actor=stranger, login_id=login.id, change=change)
    with pytest.raises(NotFound):
        await login_mails.of_login(admin_work, actor=stranger, login_id=login.id, before=None, limit=5)


async def test_an_agency_without_a_contract_gets_no_logins(
    admin_work: Work, credentials: Credentials, world: World
) -> None:
    agency = await world.agency("hillcrest", contracted=False)
    person, client = await world.staff(agency), await world.client(agency)
    with pytest.raises(NotContracted):
        await use_cases.create(admin_work, credentials, actor=person.actor, client_id=client.id, new=CMALEK)


async def test_adding_a_login_for_a_client_who_refused_has_to_be_confirmed(
    admin_work: Work, credentials: Credentials, desk: Desk
) -> None:
    from services.admin.use_cases import face_sheets

    refusal = face_sheets.FaceSheetChange(portal_refused=True)
    await face_sheets.update(admin_work, credentials, actor=desk.actor, client_id=desk.client.id, change=refusal)
    with pytest.raises(PortalRefused):
        await added(admin_work, credentials, desk)
    confirmed = NewPortalLogin("cmalek", "c@example.com", confirm_refused=True)
    assert (await added(admin_work, credentials, desk, confirmed)).username == "cmalek"


async def test_a_reset_supersedes_the_password_before_and_ends_sessions(
    admin_work: Work,
    portal_work: Work,
    credentials: Credentials,
    desk: Desk,
    opener: Opener,
    database: Database,
    hasher: PasswordHasher,
    outbox: Outbox,
) -> None:
    login = await added(admin_work, credentials, desk)
    [first] = await secrets_in_the_queue(database, opener)
    presented = await a_session(portal_work, login, desk.actor)
    after = await changed(admin_work, credentials, desk, login, PortalLoginChange(reset_password=True))
    [second] = await secrets_in_the_queue(database, opener)
    assert first != second
    assert await hasher.verify(after.temporary_password_hash, second)
    assert not await hasher.verify(after.temporary_password_hash, first)
    with pytest.raises(access.NotSignedIn):
        await access.recognise(portal_work, presented, Origin())
    types = [e["type"] for e in await outbox()]
    assert types[2:] == [
        "portal_login.updated",
        "portal_session.ended",
        "delivery.superseded",
        "delivery.queued",
    ]


async def test_deactivating_a_login_ends_its_sessions_and_takes_its_mail_back(
    admin_work: Work,
    portal_work: Work,
    credentials: Credentials,
    desk: Desk,
    opener: Opener,
    database: Database,
    outbox: Outbox,
) -> None:
    login = await added(admin_work, credentials, desk)
    presented = await a_session(portal_work, login, desk.actor)
    await access.recognise(portal_work, presented, Origin())
    await changed(admin_work, credentials, desk, login, PortalLoginChange(active=False))
    with pytest.raises(access.NotSignedIn):
        await access.recognise(portal_work, presented, Origin())
    assert await secrets_in_the_queue(database, opener) == []
    events = await outbox()
    updated = next(e for e in events if e["type"] == "portal_login.updated")
    assert updated["payload"]["changes"] == [{"field": "Active", "old": "Yes", "new": "No"}]
    # What could not reach its owner is made anew when the login is used again.
    await changed(admin_work, credentials, desk, login, PortalLoginChange(active=True))
    assert len(await secrets_in_the_queue(database, opener)) == 1


async def test_a_mail_in_the_queue_goes_to_the_corrected_address_only(
    admin_work: Work, credentials: Credentials, desk: Desk
) -> None:
    login = await added(admin_work, credentials, desk)
    await changed(admin_work, credentials, desk, login, PortalLoginChange(email="right@example.com"))
    found = await login_mails.of_login(admin_work, actor=desk.actor, login_id=login.id, before=None, limit=5)
    assert [(one.delivery.recipient, one.delivery.state) for one in found] == [
        ("right@example.com", "queued"),
        ("cmalek@example.com", "cancelled"),
    ]


async def test_nothing_changed_is_no_event_and_no_new_version(
    admin_work: Work, credentials: Credentials, desk: Desk, outbox: Outbox
) -> None:
    login = await added(admin_work, credentials, desk)
    before = await outbox()
    after = await changed(admin_work, credentials, desk, login, PortalLoginChange(active=True, email=login.email))
    assert after.version == login.version
    assert await outbox() == before


async def test_an_update_of_what_somebody_else_changed_is_refused(
    admin_work: Work, credentials: Credentials, desk: Desk
) -> None:
    login = await added(admin_work, credentials, desk)
    await changed(admin_work, credentials, desk, login, PortalLoginChange(representative=True))
    with pytest.raises(Changed):
        await use_cases.update(
            admin_work,
            credentials,
            actor=desk.actor,
            login_id=login.id,
            change=PortalLoginChange(representative=False),
            expected_version=login.version,
        )


async def test_an_unknown_client_is_not_found(admin_work: Work, credentials: Credentials, desk: Desk) -> None:
    with pytest.raises(NotFound):
        await use_cases.create(admin_work, credentials, actor=desk.actor, client_id=uuid4(), new=CMALEK)


async def test_sessions_of_a_login_end_together(
    admin_work: Work, portal_work: Work, credentials: Credentials, desk: Desk, outbox: Outbox
) -> None:
    login = await added(admin_work, credentials, desk)
    for _ in range(3):
        await a_session(portal_work, login, desk.actor)
    await changed(admin_work, credentials, desk, login, PortalLoginChange(active=False))
    ended = [e for e in await outbox() if e["type"] == "portal_session.ended"]
    assert [e["payload"]["reason"] for e in ended] == ["revoked"] * 3
    async with portal_work.pool.transaction(desk.agency.id) as conn:
        assert await sessions.end_all(conn, "portal", login.id, "revoked", portal_work.clock()) == []


async def test_a_changed_address_voids_what_was_sent_to_the_old_one(
    admin_work: Work, portal_work: Work, credentials: Credentials, desk: Desk, hasher: PasswordHasher, clock: FakeClock
) -> None:
    login = await added(
        admin_work, credentials, desk, NewPortalLogin("cmalek", "old@example.com", reset_password=False)
    )
    reference = new_reference(desk.agency.id)
    async with portal_work.transaction(desk.actor) as tx:
        await portal_logins.set_own_password(tx.conn, login.id, "an own password's hash", tx.now)
        await sessions.insert_password_token(
            tx.conn, reference, "portal", login.id, "reset", now=tx.now, expires_at=tx.now + PASSWORD_RESET
        )
    after = await changed(admin_work, credentials, desk, login, PortalLoginChange(email="new@example.com"))
    # No temporary password was on its way, so the owner's own one stays.
    assert after.password_state(clock()) == "own"
    async with portal_work.transaction(desk.actor) as tx:
        assert await sessions.lock_password_token(tx.conn, reference, "portal", tx.now) is None
