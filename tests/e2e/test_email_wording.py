"""An agency admin words an e-mail, sees it while typing, and gets it as a test."""

from __future__ import annotations

from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.e2e import walk
from tests.e2e.conftest import VIEWPORTS, Watched
from tests.support.product import Product

TEXT = "Hola {{ username }}:\n\nLe damos la bienvenida."


def framed(page: Page) -> FrameLocator:
    return page.frame_locator("iframe[name=wording-preview]")


def letter(page: Page) -> FrameLocator:
    return framed(page).frame_locator("iframe")


def test_the_preview_follows_what_is_typed_and_the_test_arrives(window: Watched, stack: Product) -> None:
    page = window.page
    walk.sign_in_staff(window, stack, "agencyadmin")
    page.get_by_role("link", name="Administration Menu").click()
    page.get_by_role("link", name="E-mail Wording").click()
    window.check("01-list")
    page.get_by_role("link", name="Temporary password, Spanish").click()
    expect(letter(page).get_by_role("heading", name="Su contraseña temporal")).to_be_visible()
    window.check("02-letter")
    typed = page.evaluate("history.length")
    page.get_by_label("Opening").fill(TEXT)
    expect(letter(page).get_by_text("Le damos la bienvenida.")).to_be_visible()
    expect(framed(page).locator("pre")).to_contain_text("Hola sample.username:")
    # The mail's own styles are at work in its frame, and nothing of them outside.
    width = letter(page).locator(".sheet").evaluate("e => getComputedStyle(e).maxWidth")
    assert width == "560px"
    page.get_by_label("Opening").fill("Hola {{ nombre }}")
    expect(framed(page).get_by_text("“nombre” is no placeholder")).to_be_visible()
    assert page.evaluate("history.length") == typed
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Line 1: “nombre” is no placeholder.")
    window.check("03-mistake")
    page.get_by_label("Opening").fill(TEXT)
    page.get_by_role("button", name="Send a test to me").click()
    expect(page.get_by_text("A test is on its way to")).to_be_visible()
    window.check("04-test-sent")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The wording was saved.")).to_be_visible()
    expect(page.get_by_label("Opening")).to_have_value(TEXT)
    window.check("05-saved")
    stack.wait_for_mail("agencyadmin@riverside.example.org", "Hola sample.username:\n\nLe damos la bienvenida.")


def test_without_a_script_the_button_shows_the_preview(chromium: Browser, stack: Product) -> None:
    context = chromium.new_context(viewport=VIEWPORTS["desktop"], java_script_enabled=False)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(stack.admin("riverside/sign-in"))
    page.get_by_label("Username", exact=True).fill("agencyadmin")
    page.get_by_label("Password", exact=True).fill(stack.password("riverside", "agencyadmin"))
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Main Menu")).to_be_visible()
    page.goto(stack.admin("riverside/email-wording/letter?mail=username&language=en"))
    page.get_by_label("Closing").fill("Call {{ agency_name }}.")
    page.get_by_role("button", name="Preview").click()
    expect(letter(page).get_by_text("Call Riverside Family Services.")).to_be_visible()
    expect(page.get_by_label("Closing")).to_have_value("Call {{ agency_name }}.")
    context.close()
