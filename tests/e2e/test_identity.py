"""Locks and devices, as staff and the owner of a portal login see them, at phone and desktop width."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, expect

from shared.accounts.sign_in_budgets import FAILURES
from tests.e2e import walk
from tests.e2e.conftest import VIEWPORTS, Watched
from tests.support.product import Product


def _login_of(owner: walk.Owner, window: Watched, stack: Product) -> str:
    """Staff add a portal login; answers the address of the face sheet."""
    page = window.page
    walk.sign_in_staff(window, stack)
    walk.open_face_sheet(page, stack, "malek")
    sheet = page.url
    page.get_by_role("link", name="Edit", exact=True).or_(
        page.get_by_role("button", name="Edit", exact=True)
    ).first.click()
    walk.add_login(page, owner)
    return sheet


def test_locks_and_devices(window: Watched, stack: Product, chromium: Browser, viewport: str, shots: Path) -> None:
    owner, page = walk.an_owner(), window.page
    sheet = _login_of(owner, window, stack)

    home = Watched(chromium.new_context(viewport=VIEWPORTS[viewport]), shots)  # type: ignore[arg-type]
    mine = home.page
    walk.sign_in_client(mine, stack, owner.username, walk.temporary_password(stack, owner))
    walk.choose_password(mine)
    expect(mine.get_by_role("navigation", name="Client Portal Navigation Menu")).to_be_visible()

    elsewhere = Watched(chromium.new_context(viewport=VIEWPORTS[viewport]), shots)  # type: ignore[arg-type]
    walk.sign_in_client(elsewhere.page, stack, owner.username, walk.OWN_PASSWORD)
    mine.get_by_role("link", name="Devices").first.click()
    expect(mine.get_by_text("This device")).to_be_visible()
    home.check("01-devices")
    mine.get_by_role("button", name="Sign out everywhere else").click()
    expect(mine.get_by_text("Signed out there.")).to_be_visible()
    home.check("02-signed-out-there")
    elsewhere.page.reload()
    expect(elsewhere.page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()

    stranger = Watched(chromium.new_context(viewport=VIEWPORTS[viewport]), shots)  # type: ignore[arg-type]
    for _ in range(FAILURES):
        walk.sign_in_client(stranger.page, stack, owner.username, "this is not the password")
    walk.sign_in_client(stranger.page, stack, owner.username, walk.OWN_PASSWORD)
    expect(stranger.page.get_by_role("alert")).to_contain_text("not right")
    stranger.check("03-refused")

    page.goto(sheet)
    locked = page.get_by_text(re.compile(f"{owner.username} is locked until .*, after 10 failed logins."))
    expect(locked).to_be_visible()
    expect(page.get_by_text(f"{owner.username} is signed in on one device.")).to_be_visible()
    window.check("04-locked")
    page.get_by_role("button", name=f"Unlock {owner.username}").click()
    expect(page.get_by_text("The portal login is not locked any more.")).to_be_visible()
    expect(locked).to_be_hidden()
    walk.sign_in_client(stranger.page, stack, owner.username, walk.OWN_PASSWORD)
    expect(stranger.page.get_by_role("navigation", name="Client Portal Navigation Menu")).to_be_visible()

    page.reload()
    page.get_by_role("button", name=f"Sign {owner.username} out").click()
    expect(page.get_by_text("The portal login was signed out everywhere.")).to_be_visible()
    window.check("05-signed-out")
    stranger.page.reload()
    expect(stranger.page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    page.get_by_role("link", name="Sessions", exact=True).click()
    expect(page.get_by_role("heading", name="Your Sessions")).to_be_visible()
    window.check("06-your-sessions")
    for watched in (home, elsewhere, stranger):
        assert watched.problems == []


def test_an_owner_locks_a_login_from_the_mail(
    window: Watched, stack: Product, chromium: Browser, viewport: str, shots: Path
) -> None:
    owner, page = walk.an_owner(), window.page
    sheet = _login_of(owner, window, stack)
    thief = Watched(chromium.new_context(viewport=VIEWPORTS[viewport]), shots)  # type: ignore[arg-type]
    walk.sign_in_client(thief.page, stack, owner.username, walk.temporary_password(stack, owner))
    walk.choose_password(thief.page)
    expect(thief.page.get_by_role("navigation", name="Client Portal Navigation Menu")).to_be_visible()

    home = Watched(chromium.new_context(viewport=VIEWPORTS[viewport]), shots)  # type: ignore[arg-type]
    mine = home.page
    # With the page open already, only the address changes.
    mine.goto(stack.portal("riverside/not-me"))
    mine.goto(stack.wait_for_mail(owner.email, r"http://\S+/not-me#token=\S+"))
    expect(mine.get_by_label("Code from the e-mail")).not_to_have_value("")
    assert "token" not in mine.url
    home.check("10-not-me")
    mine.get_by_role("button", name="Lock this login").click()
    expect(mine.get_by_role("heading", name="Call your agency")).to_be_visible()
    home.check("11-locked")
    thief.page.reload()
    expect(thief.page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    walk.sign_in_client(thief.page, stack, owner.username, walk.OWN_PASSWORD)
    expect(thief.page.get_by_role("alert")).to_contain_text("not right")

    page.goto(sheet)
    expect(page.get_by_text(re.compile(f"The owner of {owner.username} said on"))).to_be_visible()
    window.check("12-reported")
    for watched in (home, thief):
        assert watched.problems == []
