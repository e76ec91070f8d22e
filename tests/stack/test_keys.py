"""`portico keys`: keys change step by step, while processes read their files and the database now and then.

That a whole `portico up` goes on meanwhile is shown by test_up_keys.py.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from typer.testing import CliRunner

from ops.audit.databases import Operator
from ops.cli import app
from ops.keys.changing import Keys
from ops.keys.standing import LONGEST, Published, standing
from ops.problems import Problem
from ops.stack.files import replace_private
from ops.stack.key_folder import TARGETS, KeyFolder, target
from services.notifier.servers import seal_anew
from shared.accounts import email_settings
from shared.accounts.email_settings import EmailSettings, SealedPassword
from shared.actors import system
from shared.db import Pool
from shared.deliveries import store as deliveries
from shared.errors import NotSignedIn
from shared.events import Subject
from shared.outbox import Work
from shared.security.session_limits import ACCESS_TOKEN
from shared.security.tokens import NEXT_FOR, REPLACED_AFTER, STAFF, Signer
from tests.stack.key_processes import ADMIN, SEALING, SIGNING, Processes
from tests.support.clock import FakeClock
from tests.support.databases import Database
from tests.support.people import World


@pytest.fixture
async def pools(database: Database) -> AsyncIterator[dict[str, Pool]]:
    roles = ("portico_admin", "portico_portal", "portico_notifier", "portico_audit")
    found = {role: await Pool.open(database.url(role), size=2) for role in roles}
    yield found
    await asyncio.gather(*(pool.close() for pool in found.values()))


@pytest.fixture
def files(tmp_path: Path) -> KeyFolder:
    found = KeyFolder(tmp_path / "keys")
    found.make_missing({})
    return found


@pytest.fixture
async def processes(files: KeyFolder, clock: FakeClock, pools: dict[str, Pool], world: World) -> Processes:
    await world.agency("riverside")
    await world.agency("lakeside")
    found = Processes(files, clock, pools)
    await found.start()
    return found


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def keys(processes: Processes, database: Database, said: list[str]) -> Keys:
    return Keys(
        owner_url=database.owner_url,
        admin_url=database.url("portico_admin"),
        folder=processes.folder,
        operator=Operator("olga", "desk"),
        clock=processes.clock,
        say=said.append,
        sleep=processes.sleep,
    )


Rows = Callable[[str], Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def rows(database: Database) -> Rows:
    async def read(query: str) -> list[dict[str, Any]]:
        conn = await asyncpg.connect(database.owner_url)
        try:
            return [dict(row) for row in await conn.fetch(query)]
        finally:
            await conn.close()

    return read


async def events_of(rows: Rows) -> list[dict[str, Any]]:
    return [json.loads(row["body"]) for row in await rows("select body from accounts.outbox order by id")]


async def states(keys: Keys, name: str) -> list[str]:
    return [key.state for key in (await keys.standing())[name]]


async def test_rotating_gives_every_service_a_new_key_and_takes_nothing_away(
    keys: Keys, processes: Processes, files: KeyFolder, said: list[str]
) -> None:
    before, token = {t.name: files.names(t) for t in TARGETS}, processes.mint()
    assert await keys.rotate(TARGETS, leaked=False)
    assert len([line for line in said if "was added" in line or "seals from now on" in line]) == len(TARGETS)
    for wanted in TARGETS:
        new, *others = files.names(wanted)
        assert others == before[wanted.name]
        assert new not in others
    assert {processes.signing[name].signer.kid for name in SIGNING} == {before[name][0] for name in SIGNING}
    await processes.sleep(NEXT_FOR.total_seconds() + 2)
    assert {processes.signing[name].signer.kid for name in SIGNING} == {files.names(target(n))[0] for n in SIGNING}
    assert processes.sealer.sealed_for == files.names(SEALING)[0]
    # Five minutes are over for it; one that was minted a moment ago is as good as ever.
    with pytest.raises(NotSignedIn):
        processes.accepted(token)
    assert await states(keys, "admin") == ["current", "old"]


async def test_it_is_written_into_the_log_of_every_agency_by_name_alone(
    keys: Keys, files: KeyFolder, rows: Rows, said: list[str]
) -> None:
    await keys.rotate([ADMIN], leaked=True)
    events = await events_of(rows)
    new = files.names(ADMIN)[0]
    assert [event["type"] for event in events] == ["key.added", "key.added", "key.withdrawn", "key.withdrawn"]
    assert len({event["agency_id"] for event in events}) == 2
    assert events[0]["payload"] == {"service": "admin", "use": "signing", "key": new}
    assert events[2]["payload"]["reason"] == "leaked"
    assert {(e["actor"]["kind"], e["actor"]["username"]) for e in events} == {("operator", "olga@desk")}
    for key in files.read(ADMIN):
        for line in key.splitlines():
            assert line not in json.dumps(events) + "".join(said)


async def test_a_second_rotation_waits_for_the_first(keys: Keys, files: KeyFolder, said: list[str]) -> None:
    await keys.rotate([ADMIN], leaked=False)
    names = files.names(ADMIN)
    assert await keys.rotate([ADMIN], leaked=False)
    assert files.names(ADMIN) == names
    assert "has a new key already" in said[-1]


async def test_a_leaked_key_opens_nothing_as_soon_as_the_command_ends(
    keys: Keys, processes: Processes, files: KeyFolder
) -> None:
    stolen = Signer(files.file(ADMIN).read_text(), "portico_admin", processes.clock)
    processes.accepted(stolen.mint(STAFF, lifetime=ACCESS_TOKEN))
    # While it runs, everything that the service mints is accepted: Processes looks at each round.
    assert await keys.rotate([target(name) for name in SIGNING], leaked=True)
    await processes.sleep(2)
    with pytest.raises(NotSignedIn):
        processes.accepted(stolen.mint(STAFF, lifetime=ACCESS_TOKEN))
    processes.accepted(processes.mint())
    assert len(files.names(ADMIN)) == 1
    assert await states(keys, "admin") == ["current", "withdrawn"]


async def test_nothing_is_withdrawn_while_no_process_has_read_the_new_key(
    keys: Keys, processes: Processes, files: KeyFolder, said: list[str]
) -> None:
    old = files.names(ADMIN)[0]
    processes.blind = True
    assert not await keys.rotate([ADMIN], leaked=False)
    assert "no process has read it yet" in said[-1]
    with pytest.raises(Problem, match="nothing was withdrawn"):
        await keys.rotate([ADMIN], leaked=True)
    assert old in files.names(ADMIN)
    processes.blind = False
    await processes.sleep(2)
    assert processes.signer.kid == old
    processes.accepted(processes.mint())


async def test_another_service_is_not_held_up_by_one_that_does_not_read_its_key(
    keys: Keys, processes: Processes, files: KeyFolder
) -> None:
    del processes.signing["notifier"]
    with pytest.raises(Problem, match="No process of notifier"):
        await keys.rotate([target(name) for name in SIGNING], leaked=True)
    assert [len(files.names(target(name))) for name in SIGNING] == [1, 1, 2]


async def test_one_key_is_revoked_and_replaced_where_there_is_no_other(
    keys: Keys, processes: Processes, files: KeyFolder, said: list[str]
) -> None:
    [old] = files.names(ADMIN)
    await keys.revoke(old)
    await processes.sleep(2)
    assert old not in files.names(ADMIN)
    processes.accepted(processes.mint())
    await keys.revoke(old)
    assert "was withdrawn before" in said[-1]
    # With one that waits to sign, that one takes its place at once.
    await keys.rotate([ADMIN], leaked=False)
    following, current = files.names(ADMIN)
    await keys.revoke(current)
    await processes.sleep(2)
    assert (files.names(ADMIN), processes.signer.kid) == ([following], following)


async def test_what_cannot_be_revoked_is_said_in_a_sentence(keys: Keys, files: KeyFolder) -> None:
    with pytest.raises(Problem, match="There is no key called 'x'"):
        await keys.revoke("x")
    with pytest.raises(Problem, match="what it sealed would be lost"):
        await keys.revoke(files.names(target("admin-boxes"))[0])


async def test_tidying_drops_signing_keys_once_no_token_of_theirs_is_good(
    keys: Keys, processes: Processes, files: KeyFolder, said: list[str]
) -> None:
    await keys.rotate([ADMIN], leaked=False)
    await processes.sleep(REPLACED_AFTER.total_seconds() - 30)
    await keys.tidy()
    assert (len(files.names(ADMIN)), said[-1]) == (2, "There is nothing to drop.")
    await processes.sleep(120)
    await keys.tidy()
    assert len(files.names(ADMIN)) == 1
    assert await states(keys, "admin") == ["current", "withdrawn"]


async def test_a_sealing_key_stays_as_long_as_an_e_mail_waits_for_it(
    keys: Keys, processes: Processes, files: KeyFolder, world: World, rows: Rows
) -> None:
    agency = await world.agency("hillcrest")
    work = Work(processes.pools["portico_admin"], processes.clock, table="accounts.outbox")
    async with work.transaction(system(agency.id, "test")) as tx:
        await deliveries.queue(
            tx,
            sealer=processes.sealer,
            mail="password_reset",
            owner=Subject(portal_login_id=uuid4(), client_id=uuid4()),
            recipient="cmalek@client.example",
            context={},
            secret="secret",
            expires_at=tx.now + timedelta(days=3),
        )
    assert await keys.rotate([SEALING], leaked=True)
    await processes.sleep(120)
    await keys.tidy()
    old = (await keys.standing())["sealing"][-1]
    assert (old.state, old.needed, old.in_file) == ("withdrawn", "1 e-mail that waits", True)
    [row] = await rows("select sealed_secret from mail.deliveries")
    assert processes.opener.open(row["sealed_secret"]) == "secret"
    await rows("update mail.deliveries set state = 'accepted', finished_at = now(), sealed_secret = null")
    await keys.tidy()
    assert files.names(SEALING) == [processes.sealer.sealed_for]


async def test_a_sealing_key_stays_until_no_mail_servers_password_needs_it(
    keys: Keys, processes: Processes, files: KeyFolder, world: World
) -> None:
    agency = await world.agency("hillcrest")
    work = Work(processes.pools["portico_admin"], processes.clock, table="accounts.outbox")
    server = EmailSettings(host="mail.example", port=587, security="starttls", username="relay", version=1)
    sealed = SealedPassword(processes.sealer.seal("secret"), processes.sealer.sealed_for)
    async with work.transaction(system(agency.id, "test")) as tx:
        await email_settings.put(tx.conn, agency.id, server, sealed)
    assert await keys.rotate([SEALING], leaked=True)
    await processes.sleep(120)
    await keys.tidy()
    assert sealed.sealed_for in files.names(SEALING)
    await seal_anew(processes.pools["portico_notifier"], processes.opener, processes.clock)
    await keys.tidy()
    assert files.names(SEALING) == [processes.sealer.sealed_for]


async def test_another_deployments_folder_withdraws_nothing_here(
    keys: Keys, processes: Processes, tmp_path: Path, said: list[str]
) -> None:
    await processes.sleep(REPLACED_AFTER.total_seconds())
    foreign = KeyFolder(tmp_path / "elsewhere")
    foreign.make_missing({})
    lost = Keys(**{name: getattr(keys, name) for name in Keys.__slots__} | {"folder": foreign})
    await lost.tidy()
    assert said == ["There is nothing to drop."]
    processes.accepted(processes.mint())


async def test_a_key_that_is_in_no_file_any_more_is_withdrawn_when_its_time_is_over(
    keys: Keys, processes: Processes, files: KeyFolder
) -> None:
    [old] = files.names(ADMIN)
    # As somebody does who simply gives the service another key.
    files.write(ADMIN, [ADMIN.new_key()])
    await processes.sleep(REPLACED_AFTER.total_seconds() + 10)
    [_, stray] = (await keys.standing())["admin"]
    assert (stray.name, stray.state, stray.look) == (old, "old", True)
    await keys.tidy()
    assert await states(keys, "admin") == ["current", "withdrawn"]


async def test_nothing_is_changed_that_could_not_be_written_down(keys: Keys, files: KeyFolder) -> None:
    before = files.names(ADMIN)
    wrong = keys.admin_url.replace("portico_admin:", "portico_admin:not-")
    mute = Keys(**{name: getattr(keys, name) for name in Keys.__slots__} | {"admin_url": wrong})
    for change in (mute.rotate([ADMIN], leaked=True), mute.revoke(before[0]), mute.tidy()):
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await change
    assert files.names(ADMIN) == before


async def test_two_commands_do_not_change_keys_at_once(keys: Keys, files: KeyFolder) -> None:
    with files.alone(), pytest.raises(Problem, match="Another command is changing the keys"):
        await keys.rotate([ADMIN], leaked=False)


async def test_without_the_files_keys_are_listed_and_not_changed(keys: Keys) -> None:
    blind = Keys(**{name: getattr(keys, name) for name in Keys.__slots__} | {"folder": None})
    assert [key.in_file for key in (await blind.standing())["admin"]] == [None]
    with pytest.raises(Problem, match="KEYS_FOLDER is not set"):
        await blind.rotate([ADMIN], leaked=False)


def test_a_key_in_use_for_more_than_a_year_is_something_to_look_at(clock: FakeClock) -> None:
    published = [Published(ADMIN, "k", clock(), None)]
    for days, look in ((LONGEST.days, False), (LONGEST.days + 1, True)):
        [key] = standing(published, None, clock() + timedelta(days=days))["admin"]
        assert (key.state, key.look) == ("current", look)


def test_a_file_that_is_replaced_keeps_who_may_read_it(tmp_path: Path) -> None:
    for mode in (0o600, 0o444, 0o640):
        path = tmp_path / f"{mode:o}"
        path.write_text("old")
        path.chmod(mode)
        before = path.stat()
        replace_private(path, "new")
        after = path.stat()
        assert (path.read_text(), after.st_mode, after.st_uid, after.st_gid) == (
            "new",
            before.st_mode,
            before.st_uid,
            before.st_gid,
        )
    assert len(list(tmp_path.iterdir())) == 3


def test_a_file_that_root_replaces_stays_its_owners(tmp_path: Path) -> None:
    # Only root may give a file to somebody else.
    owner = (12_345, 12_346) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    path = tmp_path / "key"
    path.write_text("old")
    os.chown(path, *owner)
    path.chmod(0o600)
    replace_private(path, "new")
    found = path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (*owner, 0o600)


@pytest.mark.parametrize(("content", "told"), [("x", "holds what is no key"), ("", "holds what is no key")])
def test_a_damaged_file_is_named(files: KeyFolder, content: str, told: str) -> None:
    files.file(ADMIN).write_text(content)
    with pytest.raises(Problem, match=rf"admin/signing_key\.pem is damaged: it {told}"):
        files.read(ADMIN)


async def test_the_command_lists_keys_for_people_and_for_scripts(
    processes: Processes, files: KeyFolder, database: Database
) -> None:
    environment = {
        "OWNER_DATABASE_URL": database.owner_url,
        "DATABASE_URL": database.url("portico_admin"),
        "KEYS_FOLDER": str(files.path),
    }
    runner = CliRunner(env=environment)

    async def run(*arguments: str) -> Any:
        return await asyncio.to_thread(runner.invoke, app, ["keys", *arguments])

    done = await run("list", "--json")
    items = json.loads(done.stdout)["items"]
    assert [item["group"] for item in items] == [wanted.name for wanted in TARGETS]
    assert {item["state"] for item in items if item["use"] == "boxes"} == {"current"}
    # The processes' clock stands in the past, so for this command they have been in use for a while.
    assert items[0]["key"] == files.names(ADMIN)[0]
    files.write(ADMIN, [ADMIN.new_key(), *files.read(ADMIN)])
    done = await run("list")
    assert done.exit_code == 1
    assert "no process has read it yet" in done.stdout
    for key in (key for wanted in TARGETS for key in files.read(wanted)):
        assert key.splitlines()[-1 if "-" not in key else 1] not in done.stdout
    # Names are base64url, and may begin like an option.
    done = await run("revoke", "--yes", "-h7Kqp_x")
    assert str(done.exception) == "There is no key called '-h7Kqp_x': see `portico keys list --all`."
    done = await run("rotate", "nonsense")
    assert isinstance(done.exception, Problem)
    assert "name some of admin, portal, notifier, sealing, admin-boxes, portal-boxes" in str(done.exception)
