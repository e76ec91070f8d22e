"""Where server data and programs lie, as root and as an ordinary user."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

import asyncpg
import pytest

from ops.problems import Problem
from ops.stack import placement
from ops.stack.account import Account, server_account
from ops.stack.placement import Installation, lasting_root, place_for, reachable_root
from ops.stack.postgres import EmbeddedPostgres

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A data directory below a home that is closed to everybody else."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    data = home / "data"
    data.mkdir(mode=0o700)
    return data


def modes(*folders: Path) -> list[int]:
    return [folder.stat().st_mode for folder in folders]


async def test_server_data_moves_only_where_the_servers_cannot_reach_it_and_stays_there(closed: Path) -> None:
    before = modes(closed, closed.parent, closed.parent.parent)
    place = place_for(closed)
    try:
        assert place.moved is AS_ROOT
        assert place.account.can_enter(place.folder)
        assert (place.folder == closed) is not AS_ROOT
        async with EmbeddedPostgres(place.folder / "postgres", password="pw", durable=False) as server:
            connection = await asyncpg.connect(server.url)
            await connection.close()
        assert place_for(closed) == place
        assert modes(closed, closed.parent, closed.parent.parent) == before
    finally:
        shutil.rmtree(place.folder)


def test_server_data_that_is_gone_is_told_in_one_sentence(closed: Path) -> None:
    (closed / "servers.json").write_text('{"folder": "/nowhere/at/all"}')
    with pytest.raises(Problem, match=r"was in /nowhere/at/all, which is gone"):
        place_for(closed)


def test_a_reachable_data_directory_keeps_its_servers_data(folder: Path) -> None:
    place = place_for(folder)
    assert (place.folder, place.moved) == (folder, False)
    assert not (folder / "servers.json").exists()


def test_programs_that_the_account_cannot_run_are_copied_once(closed: Path) -> None:
    program = closed / "wheel" / "bin" / "server"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    (closed / "wheel" / "notes").write_text("read me")
    (closed / "wheel" / "notes").chmod(0o600)
    installation = Installation(
        f"test-{secrets.token_hex(4)}", "1.0", closed, parts=("wheel", "wheel.libs"), program="wheel/bin/server"
    )
    account = server_account()
    root = reachable_root(installation, account)
    assert (root == closed) is not AS_ROOT
    if AS_ROOT:
        try:
            assert account.can_run(root / installation.program)
            assert (root / "wheel" / "notes").stat().st_mode & 0o777 == 0o644
            program.write_text("changed")
            assert reachable_root(installation, account) == root
            assert (root / installation.program).read_text() == "#!/bin/sh\n"
            assert [path.name for path in root.parent.iterdir() if path.name.startswith(".copy-")] == []
        finally:
            shutil.rmtree(root)
    assert program.stat().st_mode & 0o777 == 0o700


def test_who_may_enter_follows_owner_group_and_others(tmp_path: Path) -> None:
    me = Account("me", os.geteuid(), os.getegid())
    fellow = Account("fellow", os.geteuid() + 1, os.getegid())
    stranger = Account("stranger", os.geteuid() + 1, os.getegid() + 1)
    tmp_path.chmod(0o710)
    # pytest's folders above are closed to others, so the question is asked of this folder alone.
    assert [account._may(tmp_path, 0o1) for account in (me, fellow, stranger)] == [True, True, False]
    assert not stranger.can_enter(tmp_path)
    assert not me.can_run(tmp_path / "missing")


def test_a_folder_that_others_may_write_is_never_trusted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared, own = folder / "shared", folder / "own"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setattr(placement, "_LASTING_ROOTS", (shared, own))
    assert lasting_root(server_account()) == own
    assert own.stat().st_mode & 0o777 == 0o755
    monkeypatch.setattr(placement, "_LASTING_ROOTS", (shared,))
    with pytest.raises(Problem, match="run this command as an ordinary user"):
        lasting_root(server_account())
