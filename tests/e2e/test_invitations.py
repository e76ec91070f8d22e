"""An agency sends links in place of temporary passwords: from the setting to the portal, and a sign-in elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e import walk
from tests.e2e.conftest import VIEWPORTS, Watched
from tests.support.product import Product


@pytest.fixture
def by_link(window: Watched, stack: Product) -> Iterator[None]:
    """Riverside's new logins get a link, for as long as the test runs."""
    page = window.page
    walk.sign_in_staff(window, stack, "agencyadmin")
    page.get_by_role("link", name="Administration Menu").click()
    page.get_by_role("link", name="E-mail Notices").click()
    window.check("01-notices")
    page.get_by_label("a link to choose a password", exact=True).check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The e-mail notices were saved.")).to_be_visible()
    expect(page.get_by_label("a link to choose a password", exact=True)).to_be_checked()
    window.check("02-saved")
    yield
    page.goto(stack.admin("riverside/notices"))
    page.get_by_label("a temporary password by e-mail", exact=True).check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The e-mail notices were saved.")).to_be_visible()


def read(chromium: Browser, viewport: str, mail: str, shot: Path) -> None:
    """As a mail program shows it, far from our pages and their rules."""
    page = chromium.new_page(viewport=VIEWPORTS[viewport])  # type: ignore[arg-type]
    page.set_content(mail)
    page.screenshot(path=shot, full_page=True)
    page.close()


@pytest.mark.usefixtures("by_link")
def test_a_representative_comes_in_with_a_link(
    window: Watched, stack: Product, chromium: Browser, viewport: str, shots: Path
) -> None:
    owner, page = walk.an_owner(), window.page
    walk.open_face_sheet(page, stack, "malek")
    page.get_by_role("button", name="Edit", exact=True).first.click()
    page.get_by_role("button", name="Add Client Portal Login").click()
    dialog = page.get_by_role("dialog", name="Portal Login")
    expect(dialog.get_by_text("Sends a link by e-mail to choose a password.")).to_be_visible()
    dialog.get_by_label("Portal Username", exact=True).fill(owner.username)
    dialog.get_by_label("Portal User Email", exact=True).fill(owner.email)
    dialog.get_by_label("Representative", exact=True).check()
    window.check("03-window")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("An e-mail with a link to choose a password is on its way")).to_be_visible()
    window.check("04-added")

    link = stack.wait_for_mail(owner.email, r"http://\S+/invitation#token=\S+")
    home = Watched(chromium.new_context(viewport=VIEWPORTS[viewport], locale="en-US"), shots)  # type: ignore[arg-type]
    mine = home.page
    read(chromium, viewport, stack.mails(owner.email)[0]["html"], shots / "05-mail.png")
    mine.goto(link)
    expect(mine.get_by_label("Code from the e-mail")).not_to_have_value("")
    assert "token" not in mine.url
    home.check("06-welcome")
    mine.get_by_role("button", name="Choose my password").click()
    expect(mine.get_by_text(owner.username)).to_be_visible()
    expect(mine.get_by_text("You will see the record of")).to_be_visible()
    home.check("07-choice")
    walk.choose_password(mine)
    expect(mine.get_by_role("navigation", name="Client Portal Navigation Menu")).to_be_visible()
    home.check("08-in")

    mine.goto(link)
    mine.get_by_role("button", name="Choose my password").click()
    expect(mine.get_by_role("alert")).to_contain_text("Ask your agency to send you a new one.")
    home.check("09-used")

    elsewhere = Watched(chromium.new_context(viewport=VIEWPORTS[viewport]), shots)  # type: ignore[arg-type]
    walk.sign_in_client(elsewhere.page, stack, owner.username, walk.OWN_PASSWORD)
    expect(elsewhere.page.get_by_role("navigation", name="Client Portal Navigation Menu")).to_be_visible()
    report = stack.wait_for_mail(owner.email, r"http://\S+/not-me#token=\S+", count=2)
    [mail] = [mail for mail in stack.mails(owner.email) if "A NEW SIGN-IN" in mail["text"]]
    assert report in mail["text"]
    read(chromium, viewport, mail["html"], shots / "10-mail-new-device.png")
    for watched in (home, elsewhere):
        assert watched.problems == []
