"""Choosing a password with the meter beside it, and confirming a changed e-mail address, at phone and desktop width."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e import walk
from tests.e2e.conftest import VIEWPORTS, Watched
from tests.support.product import Product

GOOD = "seven lamps beside an old bridge"


def _added(owner: walk.Owner, window: Watched, stack: Product) -> str:
    """Staff add a portal login; answers the address of the face sheet."""
    page = window.page
    walk.sign_in_staff(window, stack)
    walk.open_face_sheet(page, stack, "malek")
    sheet = page.url
    page.get_by_role("button", name="Edit", exact=True).first.click()
    walk.add_login(page, owner)
    return sheet


def _typed(page: Page, text: str) -> Locator:
    """The meter, once this stands in the field."""
    field = page.get_by_label("New password", exact=True)
    field.fill("")
    field.press_sequentially(text)
    return page.locator("[data-password-meter]")


def test_the_meter_says_what_is_still_against_a_password(
    window: Watched, stack: Product, chromium: Browser, viewport: str, shots: Path
) -> None:
    owner = walk.an_owner()
    _added(owner, window, stack)
    home = Watched(chromium.new_context(viewport=VIEWPORTS[viewport]), shots)  # type: ignore[arg-type]
    page = home.page
    walk.sign_in_client(page, stack, owner.username, walk.temporary_password(stack, owner))
    field, meter = page.get_by_label("New password", exact=True), page.locator("[data-password-meter]")
    expect(field).to_have_attribute("autocomplete", "new-password")
    expect(meter).to_be_hidden()

    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    expect(_typed(page, "seven lamps")).to_contain_text("11 of at least 15 characters.")
    assert meter.get_by_role("meter").evaluate("meter => meter.value") == 11
    home.check("01-short")
    for text, said in (
        ("Riverside lamps and bridges", "Leave out “riverside”"),
        ("abcabcabcabcabcabc", "Do not repeat the same few characters."),
        ("qwertyuiop12345678", "Rows of letters, numbers or keys"),
    ):
        expect(_typed(page, text)).to_contain_text(said)
        assert meter.get_by_role("meter").evaluate("meter => meter.value") < 7.5
    home.check("02-against")
    expect(_typed(page, GOOD)).to_contain_text("32 characters: long enough.")
    expect(meter.locator("[aria-live=polite]")).to_contain_text("Nothing is against it so far.")
    assert meter.get_by_role("meter").evaluate("meter => meter.value === meter.max")
    assert sent == [], "nothing is sent while somebody types"
    home.check("03-good")

    page.get_by_role("button", name="Show what is typed").first.click()
    expect(field).to_have_attribute("type", "text")
    page.get_by_role("button", name="Show what is typed").first.click()
    expect(field).to_have_attribute("type", "password")
    field.fill("01071988vtrcbrf")
    page.get_by_label("Confirm new password", exact=True).fill("01071988vtrcbrf")
    page.get_by_role("button", name="Save password").click()
    expect(page.get_by_role("alert")).to_contain_text("on lists of passwords that others have used and lost")
    home.check("04-refused")
    walk.choose_password(page, GOOD)
    expect(page.get_by_role("navigation", name="Client Portal Navigation Menu")).to_be_visible()
    assert home.problems == []


def test_a_changed_address_is_confirmed_from_the_old_mailbox(
    window: Watched, stack: Product, chromium: Browser, viewport: str, shots: Path
) -> None:
    owner, page = walk.an_owner(), window.page
    sheet = _added(owner, window, stack)
    walk.temporary_password(stack, owner)
    page.goto(f"{sheet}/edit")
    row = page.get_by_role("row").filter(has=page.get_by_role("cell", name=owner.username, exact=True))
    row.get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog", name="Portal Login")
    dialog.get_by_label("Portal User Email", exact=True).fill(f"moved.{owner.email}")
    dialog.get_by_role("button", name="Save").click()
    page.goto(sheet)
    waiting = page.get_by_role("cell", name=f"moved.{owner.email} waiting for the owner to confirm")
    expect(waiting).to_be_visible()
    window.check("10-waiting")

    home = Watched(chromium.new_context(viewport=VIEWPORTS[viewport]), shots)  # type: ignore[arg-type]
    mine = home.page
    link = stack.wait_for_mail(owner.email, r"http://\S+/confirm-email#token=\S+")
    [mail] = [mail for mail in stack.mails(owner.email) if "confirm-email" in mail["text"]]
    assert "m***@example.com" in mail["text"]
    assert f"moved.{owner.email}" not in mail["text"] + mail["html"]
    mine.goto(link)
    expect(mine.get_by_label("Code from the e-mail")).not_to_have_value("")
    assert "token" not in mine.url
    home.check("11-confirm")
    mine.get_by_role("button", name="Yes, it is right").click()
    expect(mine.get_by_text("Your new e-mail address is confirmed.")).to_be_visible()
    home.check("12-confirmed")
    page.reload()
    expect(page.get_by_role("cell", name=f"moved.{owner.email}", exact=True)).to_be_visible()
    expect(waiting).to_be_hidden()
    assert home.problems == []
