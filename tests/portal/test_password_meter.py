"""Every page on which a password is chosen has the meter; what it says is looked at in tests/e2e/test_passwords.py."""

from __future__ import annotations

import html
import json
import re

import pytest

from shared.security.password_rules import LEAST, MOST
from tests.portal.conftest import Portal, Town, sign_in_page


async def page_of(portal: Portal, town: Town, name: str) -> str:
    if name == "choose-password":
        _, temporary = await town.login()
        await sign_in_page(portal, password=temporary)
    elif name == "change-password":
        await town.own()
        await sign_in_page(portal)
    answer = await portal.get(f"/riverside/{name}")
    assert answer.status == 200
    return await answer.text()


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("choose-password", ["cmalek", "Riverside Family Services"]),
        # Nobody has said yet who they are: the page must not say it either.
        ("reset", ["Riverside Family Services"]),
        ("change-password", ["cmalek", "Riverside Family Services", "Catherine Malek"]),
    ],
)
async def test_the_page_has_a_meter_that_knows_what_the_page_knows(
    portal: Portal, town: Town, name: str, left_out: list[str]
) -> None:
    page = await page_of(portal, town, name)
    [meter] = re.findall(r'<div class="password-meter".*?>\n', page, re.DOTALL)
    assert " hidden " in meter, "it does nothing without a script"
    assert f'data-least="{LEAST}"' in meter
    assert f'data-most="{MOST}"' in meter
    known = re.search(r'data-leave-out="([^"]*)"', meter)
    assert known is not None
    assert json.loads(html.unescape(known[1])) == left_out
    assert page.count('autocomplete="new-password"') == 2
    assert page.count("data-password-toggle") == page.count('type="password"'), "each can be shown"
    script = re.search(r'<script type="module" src="(/static/[^"]*password-meter[^"]*)"></script>', page)
    assert script is not None
    assert (await portal.get(script[1])).status == 200
