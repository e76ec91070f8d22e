"""The sample rows of the two logs that agencies know, letter by letter, by doing what they describe at those times."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from redis.asyncio import Redis

from services.admin.use_cases import face_sheets
from services.admin.use_cases import portal_logins as logins
from services.admin.use_cases.credentials import Credentials
from services.portal.use_cases import passwords, sessions, sign_in
from services.portal.use_cases.mails import Mails
from shared.accounts import access
from shared.accounts.access import Origin, Presented, SignedIn
from shared.accounts.second_steps import SecondFactorRequired
from shared.db import Pool
from shared.deliveries.sealing import Opener, Sealer, new_key_pair
from shared.outbox import Work
from shared.security.gate import Gate
from shared.security.passwords import PasswordHasher
from shared.security.tokens import Signer
from tests.support.clock import FakeClock
from tests.support.databases import Database
from tests.support.people import Person, World
from tests.support.pipeline import PEMS, a_consumer, a_relay, audit_api, run_through

NEW_YORK = ZoneInfo("America/New_York")
OWN = ["blue kettle on a windy hill", "seven lanterns by the harbor", "a quiet orchard in winter"]

ACTIVITY = [
    ("Login", "Patient Portal login by cmalek", "06/16/2022 09:47:16 AM"),
    (
        "Profile Updated",
        "Portal Login cmalek was modified by nextstep. Changes: Password updated",
        "06/16/2022 09:46:43 AM",
    ),
    (
        "Profile Updated",
        "Portal Login cmalek was modified by nextstep. Changes: Password updated",
        "06/14/2022 11:32:36 AM",
    ),
    ("Logout", "Patient Portal logout by cmalek", "06/14/2022 11:19:36 AM"),
    ("Login", "Patient Portal login by cmalek", "06/14/2022 11:19:33 AM"),
    ("Logout", "Patient Portal logout by cmalek", "06/14/2022 11:19:26 AM"),
    ("Login", "Patient Portal login by cmalek", "06/14/2022 11:19:11 AM"),
    ("Login", "Patient Portal login by cmalek", "06/14/2022 10:55:29 AM"),
    ("Logout", "Patient Portal logout by cmalek", "06/14/2022 10:54:55 AM"),
    ("Reset Password", "Password changed by cmalek", "06/14/2022 10:53:59 AM"),
]
HOMELESS = (
    "Updated the following dynamic fields: Current Residence",
    ["In current residence field: Current Residence - {Set entry: CurrentHomeless to value: No}"],
)
CHANGES = [
    ("NextStep Solutions", "6/16/2022 9:46:48 AM", *HOMELESS),
    ("NextStep Solutions", "6/16/2022 9:46:43 AM", "Portal Login cmalek was modified.", ["Password updated"]),
    ("NextStep Solutions", "6/14/2022 11:32:36 AM", "Portal Login cmalek was modified.", ["Password updated"]),
    ("NextStep Solutions", "6/14/2022 10:46:25 AM", *HOMELESS),
    ("NextStep Solutions", "6/14/2022 10:46:18 AM", "Added a new portal login", []),
]


class Story:
    """Staff and client, doing at each moment what the sample says."""

    def __init__(
        self,
        database: Database,
        clock: FakeClock,
        admin: Work,
        portal: Work,
        gate: Gate,
        hasher: PasswordHasher,
        staff: Person,
    ) -> None:
        private, public = new_key_pair()
        self._database, self._clock, self._admin, self._portal = database, clock, admin, portal
        self._gate, self._hasher, self._staff = gate, hasher, staff
        self._opener = Opener(private)
        self._mails = Mails(Sealer(public), "https://portal.example")
        self._credentials = Credentials(hasher, Sealer(public), "https://portal.example")
        self._signer = Signer(PEMS["portico_portal"], "portico_portal", clock)

    def at(self, text: str) -> None:
        """Move to a moment of the agency's day, such as ``06/14/2022 10:46:18 AM``."""
        self._clock.set(datetime.strptime(text, "%m/%d/%Y %I:%M:%S %p").replace(tzinfo=NEW_YORK))

    async def residence(self, client_id: object, homeless: str) -> None:
        change = face_sheets.FaceSheetChange(dynamic_fields={"current_residence": {"CurrentHomeless": homeless}})
        await face_sheets.update(
            self._admin,
            self._credentials,
            actor=self._staff.actor,
            client_id=client_id,  # type: ignore[arg-type]
            change=change,
        )

    async def add_login(self, client_id: object) -> None:
        new = logins.NewPortalLogin("cmalek", "cmalek@example.com")
        self.login = await logins.create(
            self._admin,
            self._credentials,
            actor=self._staff.actor,
            client_id=client_id,
            new=new,  # type: ignore[arg-type]
        )

    async def reset(self) -> None:
        change = logins.PortalLoginChange(reset_password=True)
        await logins.update(
            self._admin, self._credentials, actor=self._staff.actor, login_id=self.login.id, change=change
        )

    async def first_password(self, own: str) -> None:
        """Sign in with the temporary password and choose one's own; a session begins with it."""
        required = await self._sign_in(await self._mailed())
        assert isinstance(required, sign_in.PasswordChangeRequired)
        self.session_id = (
            await passwords.choose(
                self._portal,
                self._hasher,
                self._signer,
                self._mails,
                token=required.token,
                purpose="temporary",
                new_password=own,
                origin=Origin(),
                with_cookie=False,
            )
        ).session_id

    async def sign_in(self, own: str) -> None:
        result = await self._sign_in(own)
        assert isinstance(result, SignedIn)
        self.session_id = result.session_id

    async def sign_out(self) -> None:
        presented = Presented("portal", self._staff.agency.id, self.session_id)
        actor, session = await access.recognise(self._portal, presented, Origin())
        await sessions.sign_out(self._portal, actor=actor, session=session)

    async def _sign_in(self, password: str) -> SignedIn | sign_in.PasswordChangeRequired | SecondFactorRequired:
        return await sign_in.sign_in(
            self._portal,
            self._gate,
            self._signer,
            self._mails,
            slug="riverside",
            username="cmalek",
            password=password,
            origin=Origin(),
            with_cookie=False,
        )

    async def _mailed(self) -> str:
        conn = await asyncpg.connect(self._database.owner_url)
        try:
            box = await conn.fetchval(
                "select sealed_secret from mail.deliveries where finished_at is null and mail = 'temporary_password'"
            )
        finally:
            await conn.close()
        return self._opener.open(box)


@pytest.fixture
async def staff(world: World) -> Person:
    return await world.staff(await world.agency(time_zone="America/New_York"))


async def test_the_sample_rows(
    world: World,
    staff: Person,
    database: Database,
    redis_url: str,
    clock: FakeClock,
    admin_work: Work,
    portal_work: Work,
    relay_pool: Pool,
    gate: Gate,
    hasher: PasswordHasher,
) -> None:
    client = await world.client(staff.agency, last_name="Malek")
    story = Story(database, clock, admin_work, portal_work, gate, hasher, staff)
    story.at("06/14/2022 10:46:18 AM")
    await story.add_login(client.id)
    story.at("06/14/2022 10:46:25 AM")
    await story.residence(client.id, "No")
    story.at("06/14/2022 10:53:59 AM")
    await story.first_password(OWN[0])
    story.at("06/14/2022 10:54:55 AM")
    await story.sign_out()
    story.at("06/14/2022 10:55:29 AM")
    await story.sign_in(OWN[0])
    story.at("06/14/2022 11:19:11 AM")
    await story.sign_in(OWN[0])
    story.at("06/14/2022 11:19:26 AM")
    await story.sign_out()
    story.at("06/14/2022 11:19:33 AM")
    await story.sign_in(OWN[0])
    story.at("06/14/2022 11:19:36 AM")
    await story.sign_out()
    story.at("06/14/2022 11:32:36 AM")
    await story.reset()
    story.at("06/15/2022 08:00:00 AM")
    await story.residence(client.id, "Yes")
    await story.first_password(OWN[1])
    story.at("06/16/2022 09:46:43 AM")
    await story.reset()
    story.at("06/16/2022 09:46:48 AM")
    await story.residence(client.id, "No")
    story.at("06/16/2022 09:47:16 AM")
    await story.first_password(OWN[2])

    store_pool = await Pool.open(database.url("portico_audit"), size=2)
    async with (
        Redis.from_url(redis_url) as redis,
        audit_api(database, redis_url, admin_work, clock) as api,
    ):
        await run_through(a_relay(relay_pool, redis, clock), a_consumer(store_pool, redis, clock), redis)
        status, log = await api.get("/api/v1/activity", await api.client_token(staff.actor, story.login.id), limit=200)
        assert status == 200
        rows = [(i["action"], i["description"], i["timestamp"]) for i in log["items"]]
        # More rows may stand between those of the sample, but all of it is there, and in its order.
        assert [row for row in rows if row in ACTIVITY] == ACTIVITY
        token = await api.staff_token(staff.actor)
        status, log = await api.get("/api/v1/changes", token, client_id=client.id, limit=200)
        assert status == 200
        entries = [(i["user"], i["date_and_time"], i["description"], i["lines"]) for i in log["items"]]
        assert [entry for entry in entries if entry in CHANGES] == CHANGES
    await store_pool.close()
