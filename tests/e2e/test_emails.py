"""Staff see how the e-mail with the password got on, send it again, and find the logins that nobody gets into."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import asyncpg
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e import walk
from tests.e2e.conftest import Watched
from tests.e2e.walk import Owner
from tests.support import api
from tests.support.api import call
from tests.support.product import Product, eventually

SAID = "5.1.1 <user@example.com>: Recipient address rejected: User unknown in virtual mailbox table"


def run(stack: Product, query: str, *arguments: Any) -> None:
    """Do to the database what nobody waits three days for."""
    if "database_url" not in stack.ready:
        pytest.skip("the ready file names no database")

    async def execute() -> None:
        conn = await asyncpg.connect(stack.ready["database_url"])
        try:
            await conn.execute(query, *arguments)
        finally:
            await conn.close()

    # In a thread of its own: Playwright's loop lets no other run beside it.
    thread = threading.Thread(target=lambda: asyncio.run(execute()))
    thread.start()
    thread.join()


def with_login(stack: Product) -> tuple[Owner, str, str]:
    """A new portal login whose e-mail was accepted; with its client's id and its own."""
    owner, token = walk.an_owner(), api.staff_token(stack)
    client_id = api.find_client(stack, token, "100001")
    body = {"username": owner.username, "email": owner.email}
    made = call("POST", stack.admin(f"api/v1/clients/{client_id}/portal-logins"), body, token)
    assert made.status == 201, made
    settled(stack, token, made.body["id"], "accepted")
    return owner, client_id, made.body["id"]


def settled(stack: Product, token: str, login_id: str, step: str) -> None:
    """Wait until the newest e-mail has this step."""

    def look() -> bool:
        answer = call("GET", stack.admin(f"api/v1/portal-logins/{login_id}/deliveries"), token=token)
        return any(found["step"] == step for found in answer.body["items"][0]["timeline"])

    eventually(look)


def emails(page: Page, owner: Owner) -> Locator:
    return page.get_by_role("region", name=f"E-mails to {owner.username}")


def test_the_way_of_an_e_mail_is_told_to_its_end(window: Watched, stack: Product) -> None:
    owner, client_id, login_id = with_login(stack)
    page, token = window.page, api.staff_token(stack)
    walk.sign_in_staff(window, stack)
    page.goto(stack.admin(f"riverside/clients/{client_id}"))
    section = emails(page, owner)
    expect(section.get_by_text("The e-mail was put in the queue.")).to_be_visible()
    expect(section.get_by_text("Attempt 1: The mail server took the e-mail.")).to_be_visible()
    window.check("01-accepted")
    section.get_by_role("button", name=f"Resend the e-mail to {owner.username}").click()
    expect(page.get_by_role("status").get_by_text("A new e-mail is on its way.")).to_be_visible()
    walk.temporary_password(stack, owner, count=2)
    settled(stack, token, login_id, "accepted")
    page.get_by_role("link", name=f"Correct the address and resend for {owner.username}").click()
    field = page.get_by_label("Portal User Email", exact=True)
    expect(field).to_have_value(owner.email)
    window.check("02-correct-the-address")
    field.fill("nobody@")
    page.get_by_role("button", name="Correct the address and resend").click()
    expect(page.get_by_role("alert")).to_contain_text("Enter an e-mail address such as name@example.org.")
    window.check("03-a-wrong-address")
    right = Owner(owner.username, f"right.{owner.email}")
    field.fill(right.email)
    page.get_by_role("button", name="Correct the address and resend").click()
    expect(emails(page, owner).get_by_text(right.email).first).to_be_visible()
    api.first_sign_in(stack, owner.username, walk.temporary_password(stack, right), walk.OWN_PASSWORD)
    page.reload()
    section = emails(page, owner)
    expect(section.get_by_role("button")).to_have_count(0)
    section.get_by_role("link", name=f"All e-mails to {owner.username}").click()
    expect(page.get_by_text("The owner signed in with the temporary password.")).to_be_visible()
    expect(page.get_by_text("The owner chose a password.")).to_be_visible()
    expect(page.get_by_text("Something newer took its place. It no longer lets anybody in.").first).to_be_visible()
    window.check("04-all-e-mails")


def test_logins_that_nobody_gets_into_are_found_from_the_main_menu(window: Watched, stack: Product) -> None:
    late, _, late_id = with_login(stack)
    unreachable, _, unreachable_id = with_login(stack)
    past = "now() - interval '1 hour'"
    run(
        stack,
        f"update accounts.portal_logins set temporary_password_expires_at = {past} where id = $1::text::uuid",
        late_id,
    )
    run(stack, f"update mail.deliveries set expires_at = {past} where portal_login_id = $1::text::uuid", late_id)
    run(stack, "update mail.deliveries set state = 'failed' where portal_login_id = $1::text::uuid", unreachable_id)
    run(
        stack,
        "update mail.delivery_attempts a set outcome = 'refused', reply_code = 550, reply = $2"
        " from mail.deliveries d where d.id = a.delivery_id and d.portal_login_id = $1::text::uuid",
        unreachable_id,
        SAID,
    )
    page = window.page
    walk.sign_in_staff(window, stack)
    window.check("01-main-menu")
    page.get_by_role("link", name="portal logins need attention").click()
    expect(page.get_by_role("heading", name="Portal Logins That Need Attention")).to_be_visible()
    expect(page.get_by_role("cell", name=late.username, exact=True)).to_be_visible()
    expect(page.get_by_role("cell", name=unreachable.username, exact=True)).to_have_count(0)
    window.check("02-ran-out")
    page.get_by_role("link", name="E-mail failed").click()
    row = page.get_by_role("row").filter(has_text=unreachable.username)
    expect(row).to_contain_text("The mailbox does not exist. Ask for an address that works")
    window.check("03-failed")
    row.get_by_role("link", name="Face Sheet").click()
    section = emails(page, unreachable)
    expect(section.get_by_text(f"550 {SAID}")).to_be_visible()
    expect(
        emails(page, late).get_by_text("The temporary password ran out before anybody signed in with it.")
    ).to_be_visible()
    window.check("04-face-sheet")
    section.get_by_role("button", name="Resend").click()
    page.goto(stack.admin("riverside/attention?kind=failed"))
    expect(page.get_by_role("cell", name=unreachable.username, exact=True)).to_have_count(0)
