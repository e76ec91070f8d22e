"""One table says who may do what, and every use case asks it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest

from services.admin.use_cases import (
    addresses,
    attention,
    documents,
    email_settings,
    email_tests,
    face_sheets,
    login_mails,
    mail_wordings,
    notices,
    portal_logins,
    second_factor,
    sign_in_rules,
    single_sign_on_settings,
    staff_users,
)
from services.admin.use_cases import passwords as staff_passwords
from services.portal.use_cases import passwords
from shared.accounts import own_factors, own_passkeys
from shared.actors import Actor
from shared.errors import NotAllowed
from shared.outbox import Work
from shared.rights import RIGHTS, Right, allowed

CLIENT = Actor(agency_id=uuid4(), kind="portal_login", username="cmalek", name="cmalek")
STAFF = Actor(agency_id=uuid4(), kind="staff", username="nextstep", name="NextStep Solutions", role="staff")


def use_cases(*modules: ModuleType) -> Iterator[tuple[str, Any]]:
    """Every public use case that is told who acts."""
    for module in modules:
        for name, found in inspect.getmembers(module, inspect.iscoroutinefunction):
            ours = found.__module__ == module.__name__ and not name.startswith("_")
            if ours and "actor" in inspect.signature(found).parameters:
                yield f"{module.__name__}.{name}", found


ADMINS = dict(
    use_cases(staff_users, sign_in_rules, notices, single_sign_on_settings, email_settings, email_tests, mail_wordings)
)
STAFFS = {
    **dict(use_cases(addresses, attention, documents, face_sheets, login_mails, portal_logins, second_factor)),
    **ADMINS,
}


def test_the_walk_finds_the_use_cases() -> None:
    assert len(STAFFS) >= 25
    assert len(ADMINS) >= 12


@pytest.mark.parametrize("name", STAFFS)
async def test_what_staff_do_is_closed_to_everybody_else(name: str, admin_work: Work) -> None:
    await closed_to(STAFFS[name], admin_work, CLIENT, replace(STAFF, role=None), replace(STAFF, kind="system"))


@pytest.mark.parametrize("name", ADMINS)
async def test_what_agency_admins_do_is_closed_to_other_staff(name: str, admin_work: Work) -> None:
    operator = replace(STAFF, kind="operator", role=None)
    await closed_to(ADMINS[name], admin_work, STAFF, replace(STAFF, role="supervisor"), operator)


async def closed_to(use_case: Any, admin_work: Work, *actors: Actor) -> None:
    others: dict[str, Any] = {
        p.name: None
        for p in inspect.signature(use_case).parameters.values()
        if p.default is p.empty and p.name not in ("work", "actor")
    }
    for actor in actors:
        with pytest.raises(NotAllowed):
            await use_case(admin_work, actor=actor, **others)


def test_a_password_is_changed_by_its_owner() -> None:
    for _, found in use_cases(passwords):
        assert found.needs is Right.CHANGE_OWN_PASSWORD
    assert [holder for holder, rights in RIGHTS.items() if Right.CHANGE_OWN_PASSWORD in rights] == ["portal_login"]
    for _, found in use_cases(staff_passwords):
        assert found.needs is Right.CHANGE_OWN_STAFF_PASSWORD
    holders = [holder for holder, rights in RIGHTS.items() if Right.CHANGE_OWN_STAFF_PASSWORD in rights]
    assert holders == ["staff", "supervisor", "agency_admin"]


def test_ones_own_passkeys_are_for_everybody_who_signs_in_and_nobody_else() -> None:
    found = dict(use_cases(own_passkeys))
    assert {name.rpartition(".")[2] for name in found} == {
        "of_actor",
        "read",
        "begin_adding",
        "add",
        "rename",
        "remove",
    }
    assert {use_case.needs for use_case in found.values()} == {Right.MANAGE_OWN_PASSKEYS}
    holders = [holder for holder, rights in RIGHTS.items() if Right.MANAGE_OWN_PASSKEYS in rights]
    assert holders == ["staff", "supervisor", "agency_admin", "portal_login"]


def test_the_table_is_as_agencies_know_the_roles() -> None:
    assert not allowed(STAFF, Right.READ_LOGS_OF_ALL)
    assert allowed(replace(STAFF, role="supervisor"), Right.READ_LOGS_OF_ALL)
    assert [holder for holder, rights in RIGHTS.items() if Right.READ_SECURITY_LOG in rights] == ["agency_admin"]
    assert RIGHTS["staff"] < RIGHTS["supervisor"] <= RIGHTS["agency_admin"]
    about_oneself = {Right.MANAGE_OWN_SECOND_FACTOR, Right.MANAGE_OWN_PASSKEYS}
    assert RIGHTS["portal_login"] & RIGHTS["agency_admin"] == about_oneself
    for right in (Right.MANAGE_STAFF, Right.MANAGE_AGENCY):
        assert [holder for holder, rights in RIGHTS.items() if right in rights] == ["agency_admin"]


def test_a_second_factor_is_its_owners() -> None:
    found = dict(use_cases(own_factors))
    assert len(found) >= 7
    assert {use_case.needs for use_case in found.values()} == {Right.MANAGE_OWN_SECOND_FACTOR}
    for holder in ("operator", "system"):
        assert Right.MANAGE_OWN_SECOND_FACTOR not in RIGHTS[holder]
    assert not RIGHTS["system"]


async def test_nobody_acts_without_saying_who(admin_work: Work) -> None:
    with pytest.raises(TypeError):
        await face_sheets.read(admin_work, actor=None, client_id=uuid4())  # type: ignore[arg-type]
