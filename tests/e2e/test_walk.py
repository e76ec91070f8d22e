"""The whole story, as staff and client live it, at phone and desktop width, without an accessibility violation."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.e2e import walk
from tests.e2e.conftest import VIEWPORTS, Watched
from tests.support.product import Product, eventually


def test_the_whole_story(window: Watched, stack: Product, chromium: Browser, viewport: str, shots: Path) -> None:
    owner, page = walk.an_owner(), window.page
    page.goto(stack.admin("riverside/"))
    window.check("01-staff-sign-in")
    walk.sign_in_staff(window, stack)
    window.check("02-main-menu")
    page.get_by_role("link", name="Admissions Menu").click()
    window.check("03-admissions-menu")
    page.get_by_role("link", name="Face Sheet").click()
    window.check("04-search")
    page.get_by_label("Search for a client").fill("malek")
    page.get_by_role("button", name="Search").click()
    window.check("05-found")
    page.get_by_role("link", name=re.compile("^Select")).first.click()
    expect(page.get_by_text("Client Portal", exact=True).first).to_be_visible()
    window.check("06-face-sheet")
    page.get_by_role("link", name="Edit", exact=True).or_(
        page.get_by_role("button", name="Edit", exact=True)
    ).first.click()
    window.check("07-edit")
    expect(page.get_by_text(re.compile(r"/riverside/"))).to_be_visible()
    homeless = page.get_by_label("CurrentHomeless")
    homeless.select_option("Yes" if homeless.input_value() == "No" else "No")
    now_homeless = homeless.input_value()

    page.get_by_role("button", name="Add Client Portal Login").click()
    window.check("08-window")
    dialog = page.get_by_role("dialog", name="Portal Login")
    dialog.get_by_role("button", name="Save").click()
    window.check("09-window-with-errors")
    dialog = page.get_by_role("dialog", name="Portal Login")
    dialog.get_by_role("button", name="Populate Email from Current Residence Block").click()
    residence_email = page.locator("[name='dynamic_fields.current_residence.Email']").input_value()
    expect(dialog.get_by_label("Portal User Email", exact=True)).to_have_value(residence_email)
    dialog.get_by_label("Portal Username", exact=True).fill(owner.username)
    dialog.get_by_label("Portal User Email", exact=True).fill(owner.email)
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("cell", name=owner.username, exact=True)).to_be_visible()
    expect(page.get_by_label("CurrentHomeless")).to_have_value(now_homeless)
    window.check("10-login-added")
    page.get_by_role("button", name="Update", exact=True).click()
    expect(page.get_by_text(owner.username).first).to_be_visible()

    temporary = walk.temporary_password(stack, owner)
    client = Watched(chromium.new_context(viewport=VIEWPORTS[viewport]), shots)  # type: ignore[arg-type]
    mine = client.page
    mine.goto(stack.portal("riverside/"))
    client.check("20-portal-sign-in")
    walk.sign_in_client(mine, stack, owner.username, temporary)
    client.check("21-choose-password")
    walk.choose_password(mine, "password1234567")
    client.check("22-password-refused")
    walk.choose_password(mine)
    expect(mine.get_by_role("navigation", name="Client Portal Navigation Menu")).to_be_visible()
    client.check("23-home")
    rows = eventually(lambda: rows if len(rows := walk.activity(mine)) >= 3 else None)
    assert rows[:3] == [
        ("Login", f"Patient Portal login by {owner.username}"),
        ("Reset Password", f"Password changed by {owner.username}"),
        ("Profile Created", f"Portal Login {owner.username} was added by nextstep"),
    ]
    client.check("24-activity")

    # Made inactive: out at once, and the same words as for anybody who cannot get in.
    page.get_by_role("link", name="Edit", exact=True).or_(
        page.get_by_role("button", name="Edit", exact=True)
    ).first.click()
    row = page.get_by_role("row").filter(has=page.get_by_role("cell", name=owner.username, exact=True))
    row.get_by_role("button", name=re.compile("^Edit")).click()
    dialog = page.get_by_role("dialog", name="Portal Login")
    expect(dialog.get_by_label("Reset Password", exact=True)).not_to_be_checked()
    dialog.get_by_label("Active", exact=True).uncheck()
    window.check("11-login-edit")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog", name="Portal Login")).to_be_hidden()
    mine.reload()
    expect(mine.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    client.check("25-signed-out")
    walk.sign_in_client(mine, stack, owner.username, walk.OWN_PASSWORD)
    inactive = mine.get_by_role("alert").inner_text()
    walk.sign_in_client(mine, stack, "nobody-at-all", walk.OWN_PASSWORD)
    assert mine.get_by_role("alert").inner_text() == inactive
    client.check("26-refused")
    assert client.problems == []

    # The change log in the Document Center.
    page.goto(stack.admin("riverside/"))
    page.get_by_role("link", name="Reports Menu").click()
    window.check("12-reports-menu")
    page.get_by_role("link", name="Document Center").click()
    page.get_by_label("Search for a client").fill("C22-10001")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=re.compile("^Select")).first.click()
    window.check("13-cases")
    page.get_by_role("radio", name=re.compile("Case #")).first.check()
    page.get_by_role("button", name="Open Case").click()
    expect(
        page.get_by_role("heading", name="Face Sheet Change Log").or_(page.get_by_text("Face Sheet Change Log")).first
    ).to_be_visible()
    page.get_by_role("radio", name="Changes to this Client's face sheet").check()
    window.check("14-case")
    page.get_by_role("button", name="Open Form").click()
    page.get_by_label("Change Type").select_option(label="Portal Login")
    page.get_by_role("button", name="Apply Filter").click()
    entry = f"Portal Login {owner.username} was modified."
    expect(page).to_have_url(re.compile("change_type="))
    eventually(lambda: page.get_by_text(entry).count() or _reloaded(page))
    expect(page.get_by_text("Active: Yes -> No").first).to_be_visible()
    expect(page.get_by_text("NextStep Solutions").first).to_be_visible()
    window.check("15-change-log")


def _reloaded(page: Page) -> None:
    page.reload()


# Each width has a client of its own: the login that the first one adds would be in the second one's way.
REFUSING = {"phone": "100094", "desktop": "100101"}


def test_a_refusal_is_seen_and_asked_about(window: Watched, stack: Product, viewport: str) -> None:
    page, number = window.page, REFUSING[viewport]
    walk.sign_in_staff(window, stack)
    walk.open_face_sheet(page, stack, number)
    page.get_by_role("link", name="Edit", exact=True).or_(
        page.get_by_role("button", name="Edit", exact=True)
    ).first.click()
    page.get_by_label("Client Refused Portal Login").check()
    page.get_by_role("button", name="Update", exact=True).click()
    expect(page.get_by_text("This client was asked and refused a portal login.")).to_be_visible()
    window.check("refused-face-sheet")
    page.goto(stack.admin("riverside/face-sheet"))
    page.get_by_label("Search for a client").fill(number)
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("Refused portal login", exact=True)).to_be_visible()
    window.check("refused-found")
    page.get_by_role("link", name=re.compile("^Select")).first.click()
    page.get_by_role("link", name="Edit", exact=True).or_(
        page.get_by_role("button", name="Edit", exact=True)
    ).first.click()
    owner = walk.an_owner()
    page.get_by_role("button", name="Add Client Portal Login").click()
    dialog = page.get_by_role("dialog", name="Portal Login")
    dialog.get_by_label("Portal Username", exact=True).fill(owner.username)
    dialog.get_by_label("Portal User Email", exact=True).fill(owner.email)
    dialog.get_by_role("button", name="Save").click()
    dialog = page.get_by_role("dialog", name="Portal Login")
    dialog.get_by_label(re.compile("although the client refused")).check()
    window.check("refused-confirm")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("cell", name=owner.username, exact=True)).to_be_visible()
    page.get_by_label("Client Refused Portal Login").uncheck()
    page.get_by_role("button", name="Update", exact=True).click()
    walk.open_face_sheet(page, stack, number)
    expect(page.get_by_text("This client was asked and refused")).to_have_count(0)


def test_an_agency_without_a_contract(window: Watched, stack: Product) -> None:
    page = window.page
    walk.sign_in_staff(window, stack, "hillstaff", "hillcrest")
    walk.open_face_sheet(page, stack, "300010", "hillcrest")
    expect(page.get_by_text("Client Portal", exact=True)).to_have_count(0)
    page.goto(stack.portal("hillcrest/"))
    expect(page.get_by_text(re.compile("not available")).first).to_be_visible()
    window.check("not-available")
