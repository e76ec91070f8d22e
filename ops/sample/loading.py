"""Loads the sample agencies, their staff and their rosters; what is there already stays as it is."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
from rich.console import Console

from ops.importing.cli import import_file
from ops.problems import Problem
from ops.sample.data import AGENCIES, ROSTERS, SampleAgency, SampleStaff, email_of
from shared.accounts import agencies, field_blocks, staff
from shared.accounts.agencies import Agency
from shared.accounts.staff import StaffUser
from shared.actors import operator
from shared.clock import system_clock
from shared.db import Pool
from shared.events import Subject
from shared.events.staff_catalogue import StaffCreated
from shared.outbox import Work
from shared.security.passwords import PasswordHasher


async def load(environment: Mapping[str, str], passwords: Mapping[str, str]) -> dict[str, Any]:
    """Load what is missing, and answer who can sign in.

    ``environment`` names DATABASE_URL (role portico_admin) and OWNER_DATABASE_URL. ``passwords`` gives a password for
    each ``<agency>/<username>`` that it is asked for.
    """
    pool = await Pool.open(environment["DATABASE_URL"], size=2, application_name="portico-sample", command_timeout=60)
    hasher = PasswordHasher()
    try:
        answer = []
        for sample in AGENCIES:
            agency, is_new = await _agency(environment["OWNER_DATABASE_URL"], pool, sample)
            people = [
                await _staff(pool, hasher, agency, person, email_of(sample, person), passwords)
                for person in sample.staff
            ]
            if is_new:
                await _roster(environment["DATABASE_URL"], sample.slug)
            answer.append({"slug": sample.slug, "name": sample.name, "staff": people})
        return {"agencies": answer}
    finally:
        hasher.close()
        await pool.close()


async def _agency(owner_url: str, pool: Pool, sample: SampleAgency) -> tuple[Agency, bool]:
    async with pool.transaction(None) as conn:
        found = await agencies.by_slug(conn, sample.slug)
    if found is not None:
        return found, not await _has_clients(pool, found)
    agency = Agency(
        uuid4(), sample.slug, sample.name, sample.contracted, None, sample.time_zone, "en-US", None, 72, version=1
    )
    owner = await asyncpg.connect(owner_url)
    try:
        await agencies.insert(owner, agency, datetime.now(UTC))
    finally:
        await owner.close()
    async with pool.transaction(agency.id) as conn:
        for position, block in enumerate(field_blocks.DEFAULT_BLOCKS):
            await field_blocks.insert(conn, agency.id, uuid4(), block, position)
    return agency, True


async def _has_clients(pool: Pool, agency: Agency) -> bool:
    # A load that was interrupted between agency and roster is finished by the next one.
    async with pool.transaction(agency.id) as conn:
        return bool(await conn.fetchval("select exists (select from accounts.clients)"))


async def _staff(
    pool: Pool,
    hasher: PasswordHasher,
    agency: Agency,
    person: SampleStaff,
    email: str,
    passwords: Mapping[str, str],
) -> dict[str, str]:
    password = passwords[f"{agency.slug}/{person.username}"]
    actor = operator(agency.id, getpass.getuser(), socket.gethostname())
    async with pool.transaction(agency.id) as conn:
        known = await staff.by_username(conn, person.username)
    if known is None or not await hasher.verify(known.password_hash, password):
        hashed = await hasher.hash(password)
        user = StaffUser(uuid4(), person.username, person.display_name, person.role, True, hashed, email)
        async with Work(pool, system_clock, table="accounts.outbox").transaction(actor) as tx:
            if known is not None:
                await staff.set_own_password(tx.conn, known.id, hashed, tx.now)
            elif await staff.insert(tx.conn, agency.id, user, tx.now):
                created = StaffCreated(
                    username=user.username, role=user.role, display_name=user.display_name, email=email
                )
                await tx.append(created, Subject(staff_user_id=user.id))
    elif known.email is None:
        # From a load before staff had addresses.
        async with pool.transaction(agency.id) as conn:
            await staff.set_email(conn, known.id, email)
    return {"username": person.username, "password": password, "role": person.role}


async def _roster(url: str, slug: str) -> None:
    outcome = await import_file(url, ROSTERS / f"{slug}.csv", slug, dry_run=False, console=Console(quiet=True))
    if outcome.refused:
        first = outcome.refused[0]
        raise Problem(f"The sample roster {slug}.csv is refused at line {first.line}, {first.field}: {first.message}")
