"""Staff sign in with a real identity provider, in Chromium, at phone and desktop width: an admin sets it up first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e import walk
from tests.e2e.conftest import VIEWPORTS, Watched
from tests.support import identity_provider
from tests.support.identity_provider import CLIENT_ID, CLIENT_SECRET, PASSWORD, Account, Provider
from tests.support.product import Product


@pytest.fixture
def provider(stack: Product) -> Iterator[Provider]:
    if stack.process is None:
        pytest.skip("a product that runs elsewhere cannot reach a provider on this machine")
    accounts = [Account("agencyadmin"), Account("nextstep"), Account("stranger")]
    with identity_provider.running(accounts, [stack.admin("riverside/single-sign-on/callback")]) as found:
        yield found


@pytest.fixture
def other(chromium: Browser, viewport: str, shots: Path) -> Iterator[Watched]:
    """Another browser, of somebody else."""
    context = chromium.new_context(viewport=VIEWPORTS[viewport])  # type: ignore[arg-type]
    watched = Watched(context, shots)
    yield watched
    context.close()
    assert watched.problems == []


def set_up(window: Watched, stack: Product, provider: Provider) -> None:
    """The admin fills in the page, tests it, and saves it."""
    walk.sign_in_staff(window, stack, "agencyadmin")
    page = window.page
    page.get_by_role("link", name="Administration Menu").click()
    page.get_by_role("link", name="Single Sign-On").click()
    window.check("01-empty")
    page.get_by_label("Name on the Button", exact=True).fill("Riverside Login")
    page.get_by_label("Issuer", exact=True).fill(provider.issuer + "/wrong")
    page.get_by_label("Client ID", exact=True).fill(CLIENT_ID)
    page.get_by_role("button", name="Test").click()
    expect(page.get_by_role("alert")).to_contain_text("Issuer: ")
    window.check("02-wrong-issuer")
    page.get_by_label("Issuer", exact=True).fill(provider.issuer)
    page.get_by_role("button", name="Test").click()
    expect(page.get_by_role("status")).to_contain_text("The provider answers")
    page.get_by_label("Client Secret", exact=True).fill(CLIENT_SECRET)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("The settings were saved.")
    window.check("03-saved")


def sign_in_there(page: Page, username: str, provider: Provider) -> None:
    """Press our button and fill in the provider's form."""
    page.get_by_role("link", name="Sign in with Riverside Login").click()
    expect(page.get_by_label("Username")).to_be_visible()
    assert urlsplit(page.url).port == provider.port
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def test_staff_sign_in_with_their_agencys_provider(
    window: Watched, other: Watched, stack: Product, provider: Provider
) -> None:
    set_up(window, stack, provider)
    page = other.page
    page.goto(stack.admin("riverside/reports"))
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    other.check("04-sign-in")
    sign_in_there(page, "nextstep", provider)
    # From the provider's site back to the page that was asked for, with both cookies.
    expect(page.get_by_role("heading", name="Reports Menu")).to_be_visible()
    assert page.url == stack.admin("riverside/reports")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_contain_text("sign out there too")
    page.context.clear_cookies()

    page.goto(stack.admin("riverside/sign-in"))
    sign_in_there(page, "stranger", provider)
    expect(page.get_by_role("alert")).to_contain_text("there is no staff user here for you")
    assert "code=" not in page.url
    other.check("05-nobody")
    page.context.clear_cookies()

    page.goto(stack.admin("riverside/administration/single-sign-on"))
    sign_in_there(page, "agencyadmin", provider)
    page.get_by_label("Staff may sign in with a password as well", exact=True).uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Passwords are switched off.")).to_be_visible()
    other.check("06-passwords-off")

    window.page.get_by_role("button", name="Sign out").click()
    expect(window.page.get_by_role("link", name="Sign in with Riverside Login")).to_be_visible()
    expect(window.page.get_by_label("Password")).to_have_count(0)
    window.check("07-button-only")

    page.get_by_role("button", name="Remove single sign-on").click()
    expect(page.get_by_role("status")).to_contain_text("Single sign-on was removed.")
