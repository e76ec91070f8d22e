"""An agency admin invites somebody, who comes in by the e-mail, works, and is taken another role."""

from __future__ import annotations

import uuid
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.e2e import walk
from tests.e2e.conftest import VIEWPORTS, Watched
from tests.support.product import TEMPORARY_PASSWORD, Product


def _sign_in(page: Page, stack: Product, username: str, password: str) -> None:
    page.goto(stack.admin("riverside/sign-in"))
    page.get_by_label("Username", exact=True).fill(username)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def _invite(window: Watched, stack: Product, username: str, email: str) -> None:
    """As the sample's agency admin, by the menus; ends on the new staff user's page."""
    page = window.page
    walk.sign_in_staff(window, stack, "agencyadmin")
    page.get_by_role("link", name="Administration Menu").click()
    window.check("01-administration")
    page.get_by_role("link", name="Staff", exact=True).click()
    window.check("02-staff")
    page.get_by_role("link", name="Add Staff User").click()
    page.get_by_role("button", name="Add and send the e-mail").click()
    expect(page.get_by_role("alert")).to_contain_text("Please correct")
    window.check("03-what-is-wrong")
    page.get_by_label("Name", exact=True).fill("Nora Newman")
    page.get_by_label("Username", exact=True).fill(username)
    page.get_by_label("E-mail", exact=True).fill(email)
    page.get_by_label("Supervisor", exact=True).check()
    page.get_by_role("button", name="Add and send the e-mail").click()
    expect(page.get_by_text("The staff user was added.")).to_be_visible()


def test_an_invited_supervisor(window: Watched, stack: Product, chromium: Browser, viewport: str, shots: Path) -> None:
    username = f"nora.{uuid.uuid4().hex[:8]}"
    email, page = f"{username}@riverside.example.org", window.page
    _invite(window, stack, username, email)
    temporary = stack.wait_for_mail(email, TEMPORARY_PASSWORD)
    assert stack.admin("riverside/") in stack.mails(email)[0]["text"]
    page.reload()
    window.check("04-invited")

    theirs = Watched(chromium.new_context(viewport=VIEWPORTS[viewport]), shots)  # type: ignore[arg-type]
    nora = theirs.page
    _sign_in(nora, stack, username, temporary)
    expect(nora.get_by_role("heading", name="Choose your password")).to_be_visible()
    theirs.check("05-choose")
    walk.choose_password(nora)
    expect(nora.get_by_text("Your password is saved.")).to_be_visible()
    theirs.check("06-main-menu")
    nora.get_by_role("link", name="Account", exact=True).click()
    expect(nora.get_by_text("Supervisor", exact=True)).to_be_visible()
    theirs.check("07-account")
    nora.get_by_role("link", name="Change Password").click()
    theirs.check("08-change-password")

    page.reload()
    expect(page.get_by_text("A password of their own")).to_be_visible()
    page.get_by_role("link", name="Edit", exact=True).click()
    window.check("09-edit")
    page.get_by_label("Agency Admin", exact=True).check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The staff user was updated.")).to_be_visible()
    expect(page.get_by_text("Not signed in anywhere")).to_be_visible()
    window.check("10-updated")
    nora.reload()
    expect(nora.get_by_text("Your session has ended.")).to_be_visible()
    _sign_in(nora, stack, username, walk.OWN_PASSWORD)
    expect(nora.get_by_role("link", name="Administration Menu")).to_be_visible()
    assert theirs.problems == []


def test_a_staff_user_locks_themselves_out_of_harm(
    window: Watched, stack: Product, chromium: Browser, viewport: str, shots: Path
) -> None:
    username = f"nora.{uuid.uuid4().hex[:8]}"
    email, page = f"{username}@riverside.example.org", window.page
    _invite(window, stack, username, email)
    theirs = Watched(chromium.new_context(viewport=VIEWPORTS[viewport]), shots)  # type: ignore[arg-type]
    nora = theirs.page
    _sign_in(nora, stack, username, stack.wait_for_mail(email, TEMPORARY_PASSWORD))
    walk.choose_password(nora)
    nora.goto(stack.wait_for_mail(email, r"http://\S+/not-me#token=\S+"))
    expect(nora.get_by_label("Code from the e-mail")).not_to_have_value("")
    assert "token" not in nora.url
    theirs.check("20-not-me")
    nora.get_by_role("button", name="Lock my username").click()
    expect(nora.get_by_role("heading", name="Tell an admin of your agency")).to_be_visible()
    theirs.check("21-locked")
    _sign_in(nora, stack, username, walk.OWN_PASSWORD)
    expect(nora.get_by_role("alert")).to_contain_text("not right")

    page.reload()
    expect(page.get_by_text("that a change, or an attempt to sign in, was not theirs.")).to_be_visible()
    window.check("22-reported")
    page.get_by_role("button", name="Send a new temporary password").click()
    expect(page.get_by_text("An e-mail with a new temporary password is on its way.")).to_be_visible()
    _sign_in(nora, stack, username, stack.wait_for_mail(email, TEMPORARY_PASSWORD, count=2))
    walk.choose_password(nora, "three green boats at the quay")
    expect(nora.get_by_text("Your password is saved.")).to_be_visible()
    assert theirs.problems == []


def test_a_forgotten_password_of_staff(window: Watched, stack: Product, chromium: Browser, viewport: str) -> None:
    username = f"nora.{uuid.uuid4().hex[:8]}"
    email, page = f"{username}@riverside.example.org", window.page
    _invite(window, stack, username, email)
    stranger = chromium.new_context(viewport=VIEWPORTS[viewport])  # type: ignore[arg-type]
    nora = stranger.new_page()
    _sign_in(nora, stack, username, stack.wait_for_mail(email, TEMPORARY_PASSWORD))
    walk.choose_password(nora)
    expect(nora.get_by_role("heading", name="Main Menu")).to_be_visible()
    page.context.clear_cookies()
    page.goto(stack.admin("riverside/sign-in"))
    window.check("30-sign-in")
    page.get_by_role("link", name="Forgot your password?").click()
    window.check("31-forgot")
    page.get_by_label("Username", exact=True).fill(username)
    page.get_by_label("E-mail address", exact=True).fill(email)
    page.get_by_role("button", name="Send the e-mail").click()
    window.check("32-sent")
    page.goto(stack.wait_for_mail(email, r"http://\S+/reset#token=\S+"))
    expect(page.get_by_label("Code from the e-mail")).not_to_have_value("")
    window.check("33-reset")
    page.get_by_label("New password", exact=True).fill("three green boats at the quay")
    page.get_by_label("Confirm new password", exact=True).fill("three green boats at the quay")
    page.get_by_role("button", name="Save password").click()
    expect(page.get_by_text("Your password is saved.")).to_be_visible()
    nora.reload()
    expect(nora.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    stranger.close()
