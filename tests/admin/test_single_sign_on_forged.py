"""What an identity provider says is believed only as far as it is proved."""

from __future__ import annotations

import asyncio
import ssl
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import OctKey, RSAKey

from services.admin.openid import fetching
from services.admin.openid.fetching import BODY_LIMIT
from services.admin.openid.id_token import usable_keys
from services.admin.openid.providers import KEPT
from tests.admin.conftest import Api, Browser, Page, Town
from tests.admin.single_sign_on import SECRET, Refused, an_admin, another, leave, refusal, set_up
from tests.support.clock import FakeClock
from tests.support.hostile_provider import Hostile, hostile_provider

Http = TestClient[web.Request, web.Application]


@pytest.fixture
async def hostile(clock: FakeClock) -> AsyncIterator[Hostile]:
    async with hostile_provider(clock) as found:
        yield found


@pytest.fixture
async def admin(http: Http, town: Town, hostile: Hostile) -> Api:
    boss = await an_admin(town)
    found = Api(http)
    await found.sign_in(boss.user.username)
    await set_up(found, hostile.issuer)
    return found


@pytest.fixture
async def staff(http: Http, admin: Api, clock: FakeClock) -> Browser:
    clock.advance(seconds=1)
    return Browser(http)


async def returned(browser: Browser, hostile: Hostile, **query: str) -> Page:
    """Go there and come back with a code."""
    _, asked = await leave(browser)
    hostile.nonce = asked["nonce"]
    more = "".join(f"&{name}={value}" for name, value in query.items())
    return await browser.get(f"single-sign-on/callback?code=a-code&state={asked['state']}{more}")


async def unproven(browser: Browser, hostile: Hostile, town: Town, **query: str) -> Refused:
    refused = await refusal(browser, await returned(browser, hostile, **query))
    assert refused.key == "unproven"
    not_proven = {"username": None, "reason": "not_proven", "how": "single_sign_on"}
    assert (await town.events())[-1] == ("staff_session.refused", not_proven)
    assert await town.rows("select * from accounts.sessions where single_sign_on") == []
    assert await town.rows("select * from accounts.staff_identities") == []
    return refused


async def test_an_honest_answer_lets_its_owner_in(staff: Browser, hostile: Hostile) -> None:
    arrived = await returned(staff, hostile)
    assert arrived.headers["Location"] == "/riverside/"
    [(_, form)] = hostile.asked
    assert (form["client_id"], form["client_secret"], form["code"]) == ("portico", SECRET, "a-code")
    assert len(form["code_verifier"]) == 43


WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "another issuer's": {"iss": "https://evil.example"},
    "another client's": {"aud": "another"},
    "for others as well": {"aud": ["portico", "another"], "azp": "portico"},
    "of another party": {"azp": "another"},
    "expired": {"exp": 1},
    "without an end": {"exp": None},
    "with an end that is no number": {"exp": "tomorrow"},
    "of the future": {"iat": 4_000_000_000},
    "not valid yet": {"nbf": 4_000_000_000},
    "without a time": {"iat": None},
    "for another sign-in": {"nonce": "another"},
    "for no sign-in": {"nonce": None},
    "of nobody": {"sub": None},
    "of somebody without a name": {"sub": ""},
    "of a number": {"sub": 7},
    "of somebody who is no text": {"sub": "a\x00b"},
    "of somebody with too long a name": {"sub": "x" * 256},
    "with another access token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
}


@pytest.mark.parametrize("claims", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
async def test_a_token_that_says_the_wrong_thing_lets_nobody_in(
    staff: Browser, hostile: Hostile, town: Town, claims: dict[str, Any]
) -> None:
    hostile.claims = claims
    await unproven(staff, hostile, town)


def _unsigned(hostile: Hostile, claims: dict[str, Any]) -> str:
    _, payload, _ = hostile.signed(claims).split(".")
    header = urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    return f"{header}.{payload}."


def _changed(hostile: Hostile, claims: dict[str, Any]) -> str:
    honest, other = hostile.signed(claims).split("."), hostile.signed({**claims, "sub": "sub-2"}).split(".")
    return f"{honest[0]}.{other[1]}.{honest[2]}"


def _by_key_in_header(hostile: Hostile, claims: dict[str, Any]) -> str:
    mine = RSAKey.generate_key(2048, {"kid": "1"}, private=True)
    return hostile.signed(claims, key=mine, jwk=mine.as_dict(private=False))


FORGED: dict[str, Callable[[Hostile, dict[str, Any]], Any]] = {
    "not signed": _unsigned,
    "signed with the public key as a secret": lambda h, c: h.signed_with_secret(c, h.key.as_pem(private=False)),
    "signed with the client secret": lambda h, c: h.signed_with_secret(c, SECRET.encode()),
    "signed with another key": lambda h, c: h.signed(c, key=RSAKey.generate_key(2048, {"kid": "1"}, private=True)),
    "signed with a key of its own header": _by_key_in_header,
    "signed with a key that is in no set": lambda h, c: h.signed(c, kid="2"),
    "changed after it was signed": _changed,
    "no token": lambda h, c: "not.a.token",
    "nothing": lambda h, c: None,
    "a list": lambda h, c: ["x"],
}


@pytest.mark.parametrize("sign", FORGED.values(), ids=FORGED)
async def test_a_forged_token_lets_nobody_in(
    staff: Browser, hostile: Hostile, town: Town, sign: Callable[[Hostile, dict[str, Any]], Any]
) -> None:
    hostile.sign = sign
    await unproven(staff, hostile, town)


async def test_a_secret_in_the_key_set_is_no_key(staff: Browser, hostile: Hostile, town: Town) -> None:
    shared = OctKey.import_key("a-secret-that-everybody-can-read-there", {"kid": "1", "alg": "HS256"})
    hostile.keys = [shared.as_dict(private=True), hostile.key.as_dict(private=False)]
    hostile.sign = lambda h, c: h.signed(c, alg="HS256", key=shared)
    await unproven(staff, hostile, town)


async def test_a_short_key_is_no_key(staff: Browser, hostile: Hostile) -> None:
    with pytest.warns(UserWarning, match="2048"):
        short = RSAKey.generate_key(1024, {"kid": "1"}, private=True)
    hostile.keys = [short.as_dict(private=False)]
    hostile.sign = lambda h, c: h.signed(c, key=short)
    assert (await refusal(staff, await returned(staff, hostile))).key == "away"


@pytest.mark.parametrize(("n", "e", "usable"), [(400, 4, True), (341, 4, False), (1367, 4, False), (400, 9, False)])
def test_a_key_whose_check_would_take_long_is_no_key(n: int, e: int, usable: bool) -> None:
    key = {"kty": "RSA", "n": "w" * n, "e": "AQAB" + "AAAA" * (e // 4 - 1) + "A" * (e % 4)}
    assert (usable_keys({"keys": [key]}) is not None) is usable


async def test_keys_that_nobody_knows_are_passed_over(staff: Browser, hostile: Hostile) -> None:
    hostile.keys = [{"kty": "NEW", "kid": "1"}, {"kty": "RSA"}, 7, hostile.key.as_dict(private=False)]  # type: ignore[list-item]
    assert (await returned(staff, hostile)).headers["Location"] == "/riverside/"


async def test_a_provider_may_change_its_keys(staff: Browser, hostile: Hostile, clock: FakeClock) -> None:
    await returned(staff, hostile)
    await staff.post("sign-out", (await staff.get("")).form("sign-out"))
    hostile.key = RSAKey.generate_key(2048, {"kid": "next"}, private=True)
    hostile.sign = lambda h, c: h.signed(c, kid="next")
    clock.advance(seconds=1)
    assert (await returned(staff, hostile)).headers["Location"] == "/riverside/"


async def test_an_answer_of_another_provider_is_not_taken(staff: Browser, hostile: Hostile, town: Town) -> None:
    await unproven(staff, hostile, town, iss="https://evil.example")
    assert hostile.asked == []


async def test_somebody_else_who_takes_a_name_over_stays_out(
    staff: Browser, hostile: Hostile, town: Town, clock: FakeClock
) -> None:
    await returned(staff, hostile)
    await staff.post("sign-out", (await staff.get("")).form("sign-out"))
    hostile.claims = {"sub": "sub-2"}
    clock.advance(seconds=1)
    assert (await refusal(staff, await returned(staff, hostile))).key == "nobody"
    other = {"username": "nextstep", "reason": "other_identity", "how": "single_sign_on"}
    assert (await town.events())[-1] == ("staff_session.refused", other)


async def test_a_claim_that_the_token_lacks_is_asked_for(staff: Browser, hostile: Hostile) -> None:
    hostile.claims = {"preferred_username": None}
    hostile.userinfo = {"sub": "sub-1", "preferred_username": "nextstep"}
    assert (await returned(staff, hostile)).headers["Location"] == "/riverside/"
    assert hostile.asked[-1][1]["Authorization"] == "Bearer theirs"


@pytest.mark.parametrize("userinfo", [{"sub": "sub-2", "preferred_username": "nextstep"}, {"preferred_username": 1}])
async def test_what_is_said_of_somebody_else_does_not_count(
    staff: Browser, hostile: Hostile, userinfo: dict[str, Any]
) -> None:
    hostile.claims = {"preferred_username": None}
    hostile.userinfo = userinfo
    assert (await refusal(staff, await returned(staff, hostile))).key == "nobody"


@pytest.fixture
async def by_email(admin: Api, hostile: Hostile, town: Town, clock: FakeClock) -> Hostile:
    """The agency knows its staff by their addresses; the provider says nextstep's."""
    await town.execute("update accounts.staff_users set email = 'Next.Step@example.org' where username = 'nextstep'")
    await set_up(admin, hostile.issuer, claim="email")
    clock.advance(seconds=1)
    hostile.claims = {"email": "next.step@example.org", "email_verified": True}
    return hostile


async def test_a_verified_address_names_a_staff_user(staff: Browser, by_email: Hostile) -> None:
    _, asked = await leave(staff)
    assert asked["scope"] == "openid email"
    assert (await returned(staff, by_email)).headers["Location"] == "/riverside/"
    assert "NextStep Solutions" in (await staff.get("")).words


@pytest.mark.parametrize("verified", [False, None, "true", 1])
async def test_an_address_that_nobody_verified_names_nobody(
    staff: Browser, by_email: Hostile, verified: object
) -> None:
    by_email.claims["email_verified"] = verified
    assert (await refusal(staff, await returned(staff, by_email))).key == "nobody"


async def test_an_address_is_verified_by_who_says_it(staff: Browser, by_email: Hostile) -> None:
    by_email.claims["email_verified"] = None
    by_email.userinfo = {"sub": "sub-1", "email": "somebody.else@example.org", "email_verified": True}
    assert (await refusal(staff, await returned(staff, by_email))).key == "nobody"


async def test_an_address_of_two_people_names_neither(staff: Browser, by_email: Hostile, town: Town) -> None:
    await town.world.staff(town.agency, "twin")
    await town.execute("update accounts.staff_users set email = 'next.step@example.org' where username = 'twin'")
    assert (await refusal(staff, await returned(staff, by_email))).key == "nobody"
    await town.execute("update accounts.staff_users set active = false where username = 'twin'")
    assert (await returned(staff, by_email)).headers["Location"] == "/riverside/"


WRONG_DESCRIPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "another's": ({"issuer": "https://evil.example"}, "issuer: It calls itself by another address"),
    "without addresses": ({"token_endpoint": None}, "token_endpoint: It is missing."),
    "not encrypted": (
        {"authorization_endpoint": "http://evil.example/"},
        "authorization_endpoint: The address must begin with https://.",
    ),
    "another scheme": ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri: "),
    "without PKCE": ({"code_challenge_methods_supported": ["plain"]}, "code_challenge_methods_supported: "),
    "without codes": ({"response_types_supported": ["token"]}, "response_types_supported: "),
    "with secrets only": ({"id_token_signing_alg_values_supported": ["HS256", "none"]}, "id_token_signing_alg"),
    "with keys for clients": ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "token_endpoint_auth"),
    "a query that cannot be read": (
        {"authorization_endpoint": "https://example.org/?a=%zz", "jwks_uri": "https://example.org/a b"},
        "jwks_uri: Enter an address",
    ),
    "no list": ({"response_types_supported": "code"}, "response_types_supported: It is no list."),
}


@pytest.mark.parametrize(("description", "told"), WRONG_DESCRIPTIONS.values(), ids=WRONG_DESCRIPTIONS)
async def test_what_is_wrong_with_a_description_is_told_to_admins_alone(
    staff: Browser, http: Http, hostile: Hostile, description: dict[str, Any], told: str
) -> None:
    hostile.description = description
    page = await staff.get("single-sign-on")
    refused = await refusal(staff, page)
    assert refused.key == "away"
    assert told not in refused.words
    assert told in await what_the_test_says(http, hostile.issuer)


async def what_the_test_says(http: Http, issuer: str) -> str:
    """What the admin's page says when it is tested."""
    browser = await another(http)
    await browser.sign_in("boss")
    form = (await browser.get("administration/single-sign-on")).form("client_secret")
    page = await browser.post("administration/single-sign-on/test", {**form, "issuer": issuer})
    await browser.http.session.close()
    return page.summary or page.words


async def _slow(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    raise AssertionError


AWAY: dict[str, tuple[Callable[[], web.StreamResponse], str]] = {
    "elsewhere": (
        lambda: web.Response(status=302, headers={"Location": "http://evil.example/"}),
        "It sends us on to another address.",
    ),
    "broken": (lambda: web.Response(text="<html>"), "Its answer is no JSON object."),
    "missing": (
        lambda: web.Response(text="<html>", status=404),
        "There is no description of a provider at this address",
    ),
    "endless": (lambda: web.Response(body=b" " * (BODY_LIMIT + 1)), "Its answer is too long."),
    "compressed": (
        lambda: web.Response(body=b"x", headers={"Content-Encoding": "gzip"}),
        "Its answer is compressed.",
    ),
}


@pytest.mark.parametrize(("answer", "told"), AWAY.values(), ids=AWAY)
async def test_an_answer_that_is_none_is_not_read(
    staff: Browser, http: Http, hostile: Hostile, answer: Callable[[], web.StreamResponse], told: str
) -> None:
    hostile.answer = answer
    refused = await refusal(staff, await staff.get("single-sign-on"))
    assert refused.key == "away"
    # Passwords are still good, and the page has them.
    assert "Or with your username here" in refused.words
    assert told in await what_the_test_says(http, hostile.issuer)


async def test_a_provider_that_is_away_keeps_nobody_waiting(
    staff: Browser, http: Http, hostile: Hostile, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "SECONDS", 0.2)
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", _slow)
    async with TestServer(app) as slow:
        assert "It does not answer in time." in await what_the_test_says(http, str(slow.make_url("")).rstrip("/"))
    await leave(staff)
    issuer = hostile.issuer
    await hostile.server.close()
    # What is known of it is good for a while; after that it has to be there.
    clock.advance(seconds=KEPT.total_seconds())
    assert (await refusal(staff, await staff.get("single-sign-on"))).key == "away"
    assert "It cannot be reached." in await what_the_test_says(http, issuer)


async def test_a_certificate_that_nobody_vouches_for_is_not_taken(http: Http, staff: Browser, tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(_self_signed(tmp_path))
    server = TestServer(web.Application(), scheme="https")
    await server.start_server(ssl=context)
    try:
        told = await what_the_test_says(http, str(server.make_url("")).rstrip("/"))
    finally:
        await server.close()
    assert "Its certificate is not good for this address." in told


def _self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path
