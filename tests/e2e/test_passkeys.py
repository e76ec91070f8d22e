"""Passkeys in Chromium, with an authenticator that Chromium plays: added, used to sign in, removed; both services."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from tests.e2e import walk
from tests.e2e.conftest import Watched
from tests.support.product import Product


class Device:
    """A phone that checks its owner, or does not."""

    def __init__(self, page: Page) -> None:
        self._cdp = page.context.new_cdp_session(page)
        self._cdp.send("WebAuthn.enable")
        options: dict[str, Any] = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        self._id = self._cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

    def verifies(self, yes: bool) -> None:
        self._cdp.send("WebAuthn.setUserVerified", {"authenticatorId": self._id, "isUserVerified": yes})

    def passkeys(self) -> list[Any]:
        found: list[Any] = self._cdp.send("WebAuthn.getCredentials", {"authenticatorId": self._id})["credentials"]
        return found


def _add(window: Watched, password: str, name: str, shots: str) -> None:
    page = window.page
    page.get_by_label("Name of the passkey").fill(name)
    page.get_by_label("Current password", exact=True).fill("not the password")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("This is not your current password.")
    window.check(f"{shots}-wrong-password")
    page.get_by_label("Current password", exact=True).fill(password)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("heading", name=f"New passkey: {name}")).to_be_visible()
    window.check(f"{shots}-new")
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_text("The passkey was added.")).to_be_visible()
    window.check(f"{shots}-added")


def _remove(window: Watched, password: str, shots: str) -> None:
    page = window.page
    page.get_by_role("link", name="Change", exact=True).click()
    window.check(f"{shots}-one")
    page.get_by_label("Current password", exact=True).fill(password)
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("The passkey was removed.")).to_be_visible()
    expect(page.get_by_text("You have no passkeys.")).to_be_visible()


def _refused(window: Watched, shots: str) -> None:
    """The passkey is on the device, and gone from the service."""
    page = window.page
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert").first).to_contain_text("That passkey is not right")
    window.check(f"{shots}-refused")


def test_the_owner_of_a_portal_login_signs_in_with_a_passkey(window: Watched, stack: Product) -> None:
    owner, page = walk.an_owner(), window.page
    walk.sign_in_staff(window, stack)
    walk.open_face_sheet(page, stack, "malek")
    page.get_by_role("link", name="Edit", exact=True).or_(
        page.get_by_role("button", name="Edit", exact=True)
    ).first.click()
    walk.add_login(page, owner)
    walk.sign_in_client(page, stack, owner.username, walk.temporary_password(stack, owner))
    walk.choose_password(page)

    device = Device(page)
    navigation = page.get_by_role("navigation", name="Client Portal Navigation Menu")
    navigation.get_by_role("link", name="Passkeys").click()
    expect(page.get_by_text("You have no passkeys.")).to_be_visible()
    window.check("01-none")
    _add(window, walk.OWN_PASSWORD, "My phone", "02")
    [made] = device.passkeys()
    assert (made["rpId"], made["isResidentCredential"]) == ("localhost", True)
    link = stack.wait_for_mail(owner.email, r"http://\S+/not-me#token=\S+", count=2)
    assert link.startswith(stack.portal("riverside/not-me"))

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_visible()
    window.check("03-sign-in")
    device.verifies(False)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_text("No passkey was used.")).to_be_visible()
    window.check("04-not-verified")
    device.verifies(True)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(navigation).to_be_visible()
    assert walk.activity(page)[0] == ("Login", f"Patient Portal login by {owner.username}")
    assert ("Passkey Added", f"The passkey My phone was added by {owner.username}") in walk.activity(page)

    page.goto(stack.portal("riverside/passkeys"))
    _remove(window, walk.OWN_PASSWORD, "05")
    page.get_by_role("button", name="Sign out").click()
    _refused(window, "06")


def test_a_staff_user_signs_in_with_a_passkey(window: Watched, stack: Product) -> None:
    page, password = window.page, stack.password("riverside", "nextstep")
    walk.sign_in_staff(window, stack)
    device = Device(page)
    page.get_by_role("link", name="Passkeys", exact=True).click()
    expect(page.get_by_role("heading", name="Your Passkeys")).to_be_visible()
    _add(window, password, "Desk", "11")
    assert len(device.passkeys()) == 1
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_visible()
    window.check("12-sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="Main Menu")).to_be_visible()
    page.get_by_role("link", name="Passkeys", exact=True).click()
    _remove(window, password, "13")
    page.get_by_role("button", name="Sign out").click()
    _refused(window, "14")


def test_without_a_script_the_pages_say_so_and_passwords_work(stack: Product, chromium: Any) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(stack.admin("riverside/sign-in"))
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()
    page.get_by_label("Username", exact=True).fill("nextstep")
    page.get_by_label("Password", exact=True).fill(stack.password("riverside", "nextstep"))
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("link", name="Passkeys", exact=True).click()
    expect(page.get_by_text("This browser cannot make passkeys here.")).to_be_visible()
    expect(page.get_by_role("button", name="Add a passkey")).to_be_hidden()
    context.close()
