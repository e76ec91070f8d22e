"""Passwords that others have lost: how they are kept, looked up, and refreshed."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from ops.passwords.writing import RARELY, Keys, width_for, write
from shared.security import password_rules
from shared.security.blocklist import HEADER_BYTES, SHIPPED, BadBlocklist, Blocklist, key_of, shipped
from shared.security.blocklist_setting import BlocklistFile
from shared.security.password_rules import PasswordRefused
from shared.security.passwords import PasswordHasher

LOST = "This password is on lists of passwords that others have used and lost."
LOST_BEFORE_ITS_END = (
    "Without what stands at its end, this password is on lists of passwords that others have used and lost."
)


def made(folder: Path, *passwords: str) -> Path:
    keys = Keys()
    keys.add(key_of(password) for password in passwords)
    path = folder / "own.bin"
    write(keys, path)
    return path


def reasons(password: str, blocklist: Blocklist | None = None) -> list[str]:
    try:
        password_rules.check(password, context=(), blocklist=blocklist)
    except PasswordRefused as error:
        return [found.message for found in error.errors]
    return []


def refresh(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops", "passwords", "refresh", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ,
    )


# The list that comes with Portico


@pytest.mark.parametrize(
    "password",
    [
        "123456",
        "password",
        "qwertyuiop",
        "iloveyou",
        # Long enough for a password alone, lost by somebody, and nothing that a dictionary knows.
        "000webhost4ever",
        "01071988vtrcbrf",
    ],
)
def test_it_holds_common_and_long_ones_in_any_case(password: str) -> None:
    for typed in (password, password.upper(), password.title()):
        assert shipped().holds(typed), typed


@pytest.mark.parametrize(
    "password",
    ["correct horse battery staple", "walking home along the canal", "blue kettle walks on the roof", "", "ß" * 40],
)
def test_it_does_not_hold_what_nobody_lost(password: str) -> None:
    assert not shipped().holds(password)


def test_it_is_small_and_seldom_mistaken() -> None:
    assert len(shipped()) > 350_000
    assert SHIPPED.stat().st_size < 3_000_000
    assert shipped().mistaken < RARELY
    assert not any(shipped().holds(secrets.token_urlsafe(16)) for _ in range(5_000))


def test_a_look_takes_next_to_no_time() -> None:
    shipped()
    started = time.perf_counter()
    for number in range(1_000):
        shipped().holds(f"number {number} of a thousand")
    assert time.perf_counter() - started < 1, "a millisecond each at the very most"


def test_characters_are_normalised_as_they_are_for_the_hash() -> None:
    assert shipped().holds("ｐａｓｓｗｏｒｄ"), "full width letters"


# What the rules make of it


@pytest.mark.parametrize("password", ["000webhost4ever", "000WEBHOST4EVER", "01071988VTRCBRF"])
def test_a_lost_password_is_refused_with_that_reason_alone(password: str) -> None:
    assert reasons(password) == [LOST]


@pytest.mark.parametrize(
    "password",
    ["password123456789!", "Password 123456789", "iloveyou-12345678", "000webhost4ever!", "000webhost4ever2026"],
)
def test_digits_and_signs_at_its_end_do_not_save_a_lost_password(password: str) -> None:
    assert reasons(password) == [LOST_BEFORE_ITS_END]


@pytest.mark.parametrize("password", ["password 7402519386 4471", "dragon 83-20-57-11-96-4"])
def test_a_long_end_that_nobody_lost_saves_it(password: str) -> None:
    assert reasons(password) == []


def test_a_short_one_is_told_as_well() -> None:
    assert reasons("password1")[-1] == LOST


async def test_an_operators_own_list_is_asked_besides(tmp_path: Path) -> None:
    own = Blocklist(made(tmp_path, "riverside summer picnic"))
    assert reasons("Riverside Summer Picnic") == []
    assert reasons("Riverside Summer Picnic", own) == [LOST]
    assert reasons("000webhost4ever", own) == [LOST]
    hasher = PasswordHasher(1, blocklist=own)
    try:
        with pytest.raises(PasswordRefused) as refused:
            await hasher.check_rules("riverside summer picnic", context=())
        assert [found.message for found in refused.value.errors] == [LOST]
    finally:
        hasher.close()


# The file


@settings(max_examples=30, deadline=None)
@given(st.sets(st.text(min_size=1, max_size=20), min_size=1, max_size=60))
def test_whatever_was_put_in_is_found(tmp_path_factory: pytest.TempPathFactory, passwords: set[str]) -> None:
    path = made(tmp_path_factory.mktemp("list"), *passwords)
    found = Blocklist(path)
    # Looked up by key, since what is typed is normalised and these are not.
    assert all(found._has(key_of(password)) for password in passwords)
    assert not found._has(key_of("x" * 21))


def test_records_are_as_wide_as_mistakes_are_to_be_rare() -> None:
    for count in (1, 1_000, 400_000, 100_000_000, 10**12):
        assert count / 256 ** width_for(count) <= RARELY
    assert width_for(400_000) == 5


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda whole: b"", "has made"),
        (lambda whole: b"password\nqwerty\n" * 10, "has made"),
        (lambda whole: whole[:-1], "is damaged"),
        (lambda whole: whole + b"\0", "is damaged"),
        (lambda whole: whole[:HEADER_BYTES] + bytes([whole[HEADER_BYTES] ^ 1]) + whole[HEADER_BYTES + 1 :], "damaged"),
        (lambda whole: whole[:HEADER_BYTES], "is damaged"),
    ],
)
def test_a_file_that_is_none_or_damaged_is_not_used(tmp_path: Path, damage: object, said: str) -> None:
    path = made(tmp_path, "one", "two", "three")
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(BadBlocklist, match=said):
        Blocklist(path)


def test_the_setting_says_what_is_wrong_with_the_file_before_anything_starts(tmp_path: Path) -> None:
    class Settings(BaseModel):
        password_blocklist_file: BlocklistFile

    good = made(tmp_path, "one")
    assert Settings(password_blocklist_file=good).password_blocklist_file == good
    plain = tmp_path / "plain.txt"
    plain.write_text("password\nqwerty\n" * 10)
    for path, said in (
        (plain, "names a file that is no list that `portico passwords refresh` has made"),
        (tmp_path / "gone", "names a file that can't be read: No such file or directory"),
        (tmp_path, "names a file that can't be read: Is a directory"),
    ):
        with pytest.raises(ValidationError, match=said):
            Settings(password_blocklist_file=path)


# Refreshing it


def test_lists_of_every_form_become_one_file(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_bytes(
        "Summer Picnic 24\r\nabc\nkäse und brot\n".encode() + "gr\xfcne wiese\n".encode("latin-1")
    )
    (tmp_path / "more.json").write_text(json.dumps(["json password"]))
    with gzip.open(tmp_path / "packed.txt.gz", "wt") as packed:
        packed.write("packed password\n")
    often, seldom = (hashlib.sha1(text).hexdigest().upper() for text in (b"hashed often", b"hashed seldom"))
    (tmp_path / "hashes.txt").write_text(f"{often}:17\r\n{seldom}:2\r\n")
    (tmp_path / "range").mkdir()
    by_range = hashlib.sha1(b"Hashed By Range").hexdigest().upper()
    (tmp_path / "range" / f"{by_range[:5]}.txt").write_text(f"{by_range[5:]}:9\n")
    into = tmp_path / "own.bin"
    done = refresh(
        tmp_path / "plain.txt",
        tmp_path / "more.json",
        tmp_path / "packed.txt.gz",
        tmp_path / "hashes.txt",
        tmp_path / "range",
        *("--into", into, "--least-count", "3"),
    )
    assert done.returncode == 0, done.stderr
    assert "7 passwords in" in done.stdout
    found = Blocklist(into)
    for held in (
        *("summer picnic 24", "SUMMER PICNIC 24", "käse und brot", "Grüne Wiese", "json password", "packed password"),
        *("hashed often", "Hashed By Range"),
    ):
        assert found.holds(held), held
    for left_out in ("abc", "hashed seldom", "hashed by range"):
        assert not found.holds(left_out), left_out
    assert into.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("list.json", b"{}", "is no JSON list of passwords."),
        ("list.gz", b"no gzip", "can't be read: it is damaged."),
        ("hashes.txt", b"A" * 40 + b":1\nnonsense\n", "line 2: this is no SHA-1 hash"),
        ("hashes.txt", b"A" * 35 + b":1\n", "line 1: this is no SHA-1 hash"),
        ("empty.txt", b"\n\n", "There is no password in these files, so nothing was written."),
    ],
)
def test_what_cannot_be_read_is_one_sentence_and_writes_nothing(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path, into = tmp_path / name, tmp_path / "own.bin"
    path.write_bytes(content)
    done = refresh(path, "--into", into)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert done.stderr.startswith("portico: ")
    assert said in done.stderr
    assert not into.exists()
