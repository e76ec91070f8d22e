"""The steps that people take, by the labels that they read."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Watched
from tests.support.product import TEMPORARY_PASSWORD, Product

OWN_PASSWORD = "blue kettle on a windy hill 42"


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody who gets a portal login; each test has its own."""

    username: str
    email: str


def an_owner() -> Owner:
    """A username and an address that nobody used before."""
    tag = uuid.uuid4().hex[:8]
    return Owner(f"cmalek.{tag}", f"cmalek.{tag}@example.com")


def sign_in_staff(window: Watched, stack: Product, username: str = "nextstep", agency: str = "riverside") -> None:
    page = window.page
    page.goto(stack.admin(f"{agency}/"))
    page.get_by_label("Username", exact=True).fill(username)
    page.get_by_label("Password", exact=True).fill(stack.password(agency, username))
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Main Menu")).to_be_visible()


def open_face_sheet(page: Page, stack: Product, query: str, agency: str = "riverside") -> None:
    """Main Menu > Admissions Menu > Face Sheet, search, select."""
    page.goto(stack.admin(f"{agency}/"))
    page.get_by_role("link", name="Admissions Menu").click()
    page.get_by_role("link", name="Face Sheet").click()
    page.get_by_label("Search for a client").fill(query)
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=re.compile("^Select")).first.click()


def add_login(page: Page, owner: Owner) -> None:
    """On the face sheet in edit: the Portal Login window, filled in and saved."""
    page.get_by_role("button", name="Add Client Portal Login").click()
    dialog = page.get_by_role("dialog", name="Portal Login")
    expect(dialog.get_by_label("Reset Password", exact=True)).to_be_checked()
    expect(dialog.get_by_label("Active", exact=True)).to_be_checked()
    expect(dialog.get_by_label("Representative", exact=True)).not_to_be_checked()
    dialog.get_by_label("Portal Username", exact=True).fill(owner.username)
    dialog.get_by_label("Portal User Email", exact=True).fill(owner.email)
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("cell", name=owner.username, exact=True)).to_be_visible()


def temporary_password(stack: Product, owner: Owner, *, count: int = 1) -> str:
    """The temporary password in the newest mail."""
    return stack.wait_for_mail(owner.email, TEMPORARY_PASSWORD, count=count)


def sign_in_client(page: Page, stack: Product, username: str, password: str, agency: str = "riverside") -> None:
    page.goto(stack.portal(f"{agency}/"))
    page.get_by_label("Username", exact=True).fill(username)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def choose_password(page: Page, password: str = OWN_PASSWORD) -> None:
    expect(page.get_by_role("heading", name="Choose your password")).to_be_visible()
    page.get_by_label("New password", exact=True).fill(password)
    page.get_by_label("Confirm new password", exact=True).fill(password)
    page.get_by_role("button", name=re.compile("password", re.IGNORECASE)).last.click()


def activity(page: Page) -> list[tuple[str, str]]:
    """The rows of the Client Action Log: action and description, newest first."""
    page.get_by_role("navigation", name="Client Portal Navigation Menu").get_by_role("link", name="Activity").click()
    expect(page.get_by_role("heading", name="Client Action Log")).to_be_visible()
    rows = page.get_by_role("row").all()[1:]
    cells = [row.get_by_role("cell").all_inner_texts() for row in rows]
    return [(c[0], c[1]) for c in cells]
