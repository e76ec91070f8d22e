"""A second factor, from its set-up to its loss, as the owner of a portal login and staff see it."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pyotp
from playwright.sync_api import Browser, Page, expect

from tests.e2e import walk
from tests.e2e.conftest import VIEWPORTS, Watched
from tests.support.factors import CODES_IN_PAGE, seed_in
from tests.support.product import Product


def _set_up(window: Watched, password: str) -> tuple[pyotp.TOTP, list[str]]:
    page = window.page
    page.get_by_role("link", name="Sign-in Security").first.click()
    expect(page.get_by_role("heading", name="Sign-in Security")).to_be_visible()
    window.check("01-off")
    page.get_by_role("link", name="Set up an app").click()
    window.check("02-password")
    page.get_by_label("Current password", exact=True).fill(password)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("img", name=re.compile("^QR code"))).to_be_visible()
    window.check("03-app")
    app = pyotp.TOTP(seed_in(page.content()).replace(" ", ""))
    page.get_by_label("Code from the app", exact=True).fill(app.now())
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    window.check("04-recovery-codes")
    codes = CODES_IN_PAGE.findall(page.content())
    assert len(codes) == 10
    page.get_by_role("link", name="I have kept them, go on").click()
    expect(page.get_by_text("You have 10 left.")).to_be_visible()
    window.check("05-on")
    return app, codes


def _type_code(page: Page, code: str, *, remember: bool = False) -> None:
    expect(page.get_by_role("heading", name="Enter your code")).to_be_visible()
    page.get_by_label("Code", exact=True).fill(code)
    if remember:
        page.get_by_label("Remember this device for 30 days", exact=True).check()
    page.get_by_role("button", name="Go on").click()


def test_an_owner_sets_up_uses_and_loses_a_second_factor(
    window: Watched, stack: Product, chromium: Browser, viewport: str, shots: Path
) -> None:
    owner, staff = walk.an_owner(), window.page
    walk.sign_in_staff(window, stack)
    walk.open_face_sheet(staff, stack, "malek")
    sheet = staff.url
    staff.get_by_role("link", name="Edit", exact=True).or_(
        staff.get_by_role("button", name="Edit", exact=True)
    ).first.click()
    walk.add_login(staff, owner)

    home = Watched(chromium.new_context(viewport=VIEWPORTS[viewport]), shots)  # type: ignore[arg-type]
    mine = home.page
    menu = mine.get_by_role("navigation", name="Client Portal Navigation Menu")
    walk.sign_in_client(mine, stack, owner.username, walk.temporary_password(stack, owner))
    walk.choose_password(mine)
    expect(menu).to_be_visible()
    app, codes = _set_up(home, walk.OWN_PASSWORD)
    stack.wait_for_mail(owner.email, "An authenticator app was set up")

    menu.get_by_role("button", name="Sign out").click()
    walk.sign_in_client(mine, stack, owner.username, walk.OWN_PASSWORD)
    expect(mine.get_by_role("heading", name="Enter your code")).to_be_visible()
    home.check("06-code")
    _type_code(mine, "abc")
    expect(mine.get_by_text("This code is not right.").first).to_be_visible()
    home.check("07-wrong-code")
    # The present code has been used; the next one is good already.
    _type_code(mine, app.at(int(time.time()), counter_offset=1), remember=True)
    expect(menu).to_be_visible()
    menu.get_by_role("button", name="Sign out").click()
    walk.sign_in_client(mine, stack, owner.username, walk.OWN_PASSWORD)
    expect(menu).to_be_visible()
    mine.get_by_role("link", name="Sign-in Security").first.click()
    expect(mine.get_by_text("This device")).to_be_visible()
    home.check("08-remembered")

    elsewhere = Watched(chromium.new_context(viewport=VIEWPORTS[viewport]), shots)  # type: ignore[arg-type]
    walk.sign_in_client(elsewhere.page, stack, owner.username, walk.OWN_PASSWORD)
    _type_code(elsewhere.page, codes[0])
    expect(elsewhere.page.get_by_role("navigation", name="Client Portal Navigation Menu")).to_be_visible()
    stack.wait_for_mail(owner.email, "A recovery code was used")

    staff.goto(sheet)
    window.check("09-face-sheet")
    staff.get_by_role("link", name=f"Remove the second step of {owner.username}").click()
    window.check("10-reason")
    staff.get_by_label("Reason", exact=True).fill("Lost the phone, came in person")
    staff.get_by_role("button", name="Remove the second step").click()
    expect(staff.get_by_text("The second step was removed.")).to_be_visible()
    window.check("11-removed")
    stack.wait_for_mail(owner.email, "IF YOU DID NOT ASK FOR THAT")
    mine.reload()
    expect(mine.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    walk.sign_in_client(mine, stack, owner.username, walk.OWN_PASSWORD)
    expect(menu).to_be_visible()
    for watched in (home, elsewhere):
        assert watched.problems == []


def test_admins_say_who_has_to_have_a_second_factor(window: Watched, stack: Product) -> None:
    page = window.page
    walk.sign_in_staff(window, stack, "agencyadmin")
    page.get_by_role("link", name="Administration Menu").click()
    window.check("20-administration-menu")
    page.get_by_role("link", name="Sign-in Rules").click()
    page.get_by_label("Second step for representatives", exact=True).check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The rules were saved.")).to_be_visible()
    window.check("21-sign-in-rules")
    page.get_by_label("Second step for representatives", exact=True).uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Second step for representatives", exact=True)).not_to_be_checked()
    page.get_by_role("link", name="Sign-in Security").click()
    expect(page.get_by_role("link", name="Set up an app")).to_be_visible()
    window.check("22-staff-sign-in-security")
