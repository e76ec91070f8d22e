"""Agency admins see in the Security Log what was tried, locked and read; nobody else gets there."""

from __future__ import annotations

import uuid

import pytest
from playwright.sync_api import expect

from tests.e2e import walk
from tests.e2e.conftest import Watched
from tests.support import api
from tests.support.api import call
from tests.support.product import Product, eventually

TRIES = 10


@pytest.fixture(scope="module")
def locked(stack: Product) -> str:
    """A username that somebody has guessed at until it was locked. Once for both widths: one address has 30 tries."""
    username = f"guessed.{uuid.uuid4().hex[:8]}"
    token = api.staff_token(stack)
    client_id = api.find_client(stack, token, "100001")
    body = {"username": username, "email": f"{username}@example.com"}
    assert call("POST", stack.admin(f"api/v1/clients/{client_id}/portal-logins"), body, token).status == 201
    for number in range(TRIES):
        guess = {"agency": "riverside", "username": username, "password": f"a wrong guess, number {number}"}
        assert call("POST", stack.portal("api/v1/token"), guess).status == 401
    admin = api.staff_token(stack, "agencyadmin")

    def arrived() -> bool:
        asked = f"{stack.ready['audit_url']}/api/v1/security-log?person={username}&event=portal_login.locked"
        return bool(call("GET", asked, token=admin).body["items"])

    eventually(arrived)
    return username


def test_a_wrong_sign_in_a_lock_and_a_reading_are_in_it(window: Watched, stack: Product, locked: str) -> None:
    page = window.page
    walk.sign_in_staff(window, stack, "agencyadmin")
    page.get_by_role("link", name="Administration Menu").click()
    window.check("01-administration-menu")
    page.get_by_role("link", name="Security Log").click()
    expect(page.get_by_role("heading", name="Security Log")).to_be_visible()
    window.check("02-security-log")
    page.get_by_label("Person", exact=True).fill(locked)
    page.get_by_role("button", name="Apply Filter").click()
    expect(page.get_by_role("cell", name=f"{locked} was locked after {TRIES} wrong passwords.")).to_be_visible()
    refused = f"A sign-in to the portal as {locked} was refused: the password was wrong."
    expect(page.get_by_role("cell", name=refused)).to_have_count(TRIES)
    assert locked not in page.url
    window.check("03-by-person")
    page.get_by_label("Event", exact=True).select_option("Portal Login Locked")
    page.get_by_role("button", name="Apply Filter").click()
    expect(page.get_by_role("row")).to_have_count(2)
    # That it was read stands in it as well.
    page.get_by_label("Event", exact=True).select_option("Log Viewed")
    page.get_by_label("Person", exact=True).fill("agencyadmin")
    page.get_by_role("button", name="Apply Filter").click()
    expect(page.get_by_role("cell", name="agencyadmin read the Security Log.").first).to_be_visible()
    expect(page.get_by_role("cell", name="127.0.0.1", exact=True).first).to_be_visible()
    page.get_by_label("Person", exact=True).fill("nobody.at.all")
    page.get_by_role("button", name="Apply Filter").click()
    expect(page.get_by_text("Nobody at your agency has this username.").first).to_be_visible()
    window.check("04-nobody")


def test_without_the_role_it_is_not_there(window: Watched, stack: Product) -> None:
    page = window.page
    walk.sign_in_staff(window, stack, "supervisor")
    expect(page.get_by_role("link", name="Reports Menu")).to_be_visible()
    expect(page.get_by_role("link", name="Administration Menu")).to_have_count(0)
    answer = page.goto(stack.admin("riverside/security-log"))
    assert answer is not None
    assert answer.status == 403
    expect(page.get_by_role("table")).to_have_count(0)
