"""What the tests of single sign-on share: an agency that uses it, and browsers that go to a provider and back."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from aiohttp import ClientSession, CookieJar, web
from aiohttp.test_utils import TestClient, TestServer

from tests.admin.conftest import Api, Browser, Page, Town
from tests.support import identity_provider
from tests.support.people import Person

SECRET = "the-client-secret-of-tests"


def settings_for(issuer: str, /, **changes: Any) -> dict[str, Any]:
    """What an admin sends to set it up."""
    return {
        "name": "Riverside Login",
        "issuer": issuer,
        "client_id": "portico",
        "client_secret": SECRET,
        **changes,
    }


async def set_up(api: Api, issuer: str, /, **changes: Any) -> dict[str, Any]:
    """Set it up as ``api``, an admin."""
    answer = await api.call("PUT", "single-sign-on", settings_for(issuer, **changes))
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


async def an_admin(town: Town, username: str = "boss") -> Person:
    """A staff user who may set it up."""
    return await town.world.staff(town.agency, username, display_name="The Boss", role="agency_admin")


async def another(http: TestClient[web.Request, web.Application]) -> Browser:
    """Another browser of the same service; close its session."""
    assert isinstance(http.server, TestServer)
    return Browser(TestClient(http.server))


async def leave(browser: Browser, next_path: str = "") -> tuple[str, dict[str, str]]:
    """Press the button; answers where the browser is sent, and what the address asks."""
    page = await browser.get("single-sign-on" + (f"?next={next_path}" if next_path else ""))
    assert page.status == 303, page.words
    address = page.headers["Location"]
    return address, dict(parse_qsl(urlsplit(address).query))


async def sign_in_there(address: str, username: str) -> str:
    """Fill in the provider's own form, in a browser that is new to it; answers the address that it leads back to."""
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as there:
        async with there.get(address) as response:
            form, at = await response.text(), str(response.url)
        [token] = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        goes_to = html.unescape(re.findall(r'name="next" value="([^"]+)"', form)[0])
        fields = {"username": username, "password": identity_provider.PASSWORD}
        fields |= {"csrfmiddlewaretoken": token, "next": goes_to}
        async with there.post(at, data=fields, headers={"Referer": at}, allow_redirects=False) as response:
            assert response.status == 302, await response.text()
            authorize = urljoin(at, response.headers["Location"])
        async with there.get(authorize, allow_redirects=False) as response:
            assert response.status == 302, await response.text()
            return response.headers["Location"]


async def come_back(browser: Browser, address: str) -> Page:
    """Follow the provider's redirect to us."""
    url = urlsplit(address)
    return await browser.get(f"{url.path}?{url.query}")


@dataclass(frozen=True, slots=True)
class Refused:
    """How a sign-in ended on the sign-in page."""

    key: str
    words: str


async def refusal(browser: Browser, page: Page) -> Refused:
    """The page that says why not; nobody is signed in."""
    assert page.status == 303, page.words
    location = page.headers["Location"]
    assert urlsplit(location).path == f"/{browser.slug}/sign-in"
    told = await browser.get(location)
    assert told.status == 200
    found = re.search(r'<div class="notice notice-error" role="alert">.*?</div>', told.text, re.DOTALL)
    assert found, told.words
    assert (await browser.get("")).status == 303
    return Refused(dict(parse_qsl(urlsplit(location).query))["refused"], told.words)
