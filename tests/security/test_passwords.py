"""Passwords at rest and temporary passwords."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from shared.errors import Busy
from shared.security.passwords import PasswordHasher, new_temporary_password


async def test_a_password_is_stored_as_argon2id_with_our_cost(hasher: PasswordHasher) -> None:
    stored = await hasher.hash("correct horse battery staple")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert "horse" not in stored
    assert await hasher.verify(stored, "correct horse battery staple")
    assert not await hasher.verify(stored, "correct horse battery stapler")


async def test_the_same_letters_typed_on_another_keyboard_are_the_same_password(hasher: PasswordHasher) -> None:
    stored = await hasher.hash("caf\u00e9 \ufb01lm \u2167")
    assert await hasher.verify(stored, "cafe\u0301 film VIII")


async def test_no_stored_password_is_never_right(hasher: PasswordHasher) -> None:
    assert not await hasher.verify(None, "")
    assert not await hasher.verify(None, "anything at all")


async def test_a_full_queue_is_told_to_come_again_and_keeps_the_loop_free() -> None:
    hasher = PasswordHasher(threads=1)
    try:
        waiting = [asyncio.create_task(hasher.hash(f"password {n}")) for n in range(120)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
    finally:
        hasher.close()
    refused = [r for r in results if isinstance(r, Busy)]
    assert len(refused) == 120 - 101
    assert all(isinstance(r, str | Busy) for r in results)
    assert refused[0].retry_after == 2


def test_temporary_passwords_are_long_different_and_easy_to_type() -> None:
    made = {new_temporary_password() for _ in range(200)}
    assert len(made) == 200
    for password in made:
        assert len(password.replace("-", "")) == 20
        assert not set(password) & set("0O1lIo")


@pytest.mark.parametrize("password", ["x" * 4096, "\U0001f600" * 256, "a\x00b"])
async def test_no_part_of_a_password_is_cut_off(hasher: PasswordHasher, password: str) -> None:
    stored = await hasher.hash(password)
    assert await hasher.verify(stored, password)
    assert not await hasher.verify(stored, password[:-1])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes a thread for a process")
async def test_a_crowd_is_hashed_in_the_time_that_nobody_else_needs() -> None:
    hasher = PasswordHasher(threads=1)
    policies: list[int] = []
    running = most = 0

    def look() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        policies.append(os.sched_getscheduler(0))
        running -= 1

    try:
        await hasher._in_pool(look)
        assert policies == [os.SCHED_OTHER], "one person's password need not wait for the machine to be idle"
        await asyncio.gather(*(hasher._in_pool(look) for _ in range(60)))
    finally:
        hasher.close()
    assert policies.count(os.SCHED_IDLE) == 50
    assert most == 1, "still one at a time: each takes 19 MiB"
