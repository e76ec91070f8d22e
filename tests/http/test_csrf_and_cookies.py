"""What browsers send along: the origin of a request, and cookies."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from shared.http.cookies import CookieName
from shared.http.csrf import StaleForm, check_csrf, csrf_token
from tests.http.conftest import Client, MakeClient


async def done(request: web.Request) -> web.Response:
    return web.Response(text="done")


async def page_client(make_client: MakeClient, **options: object) -> Client:
    routes = [web.route("*", path, done) for path in ("/page", "/api/v1/x", "/internal/v1/x")]
    return await make_client(*routes, **options)


@pytest.mark.parametrize("site", ["same-site", "cross-site", "none", "nonsense", ""])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_unsafe_requests_of_other_origins_are_refused(make_client: MakeClient, method: str, site: str) -> None:
    client = await page_client(make_client)
    own = {"Origin": str(client.make_url("/")).rstrip("/")}
    response = await client.request(method, "/page", headers={"Sec-Fetch-Site": site, **own})
    assert response.status == 403
    assert "did not come from one of our own pages" in await response.text()


@pytest.mark.parametrize("site", ["same-site", "cross-site", "none", "same-origin"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_safe_requests_may_come_from_anywhere(make_client: MakeClient, method: str, site: str) -> None:
    client = await page_client(make_client)
    assert (await client.request(method, "/page", headers={"Sec-Fetch-Site": site})).status == 200


async def test_our_own_pages_may_send(make_client: MakeClient) -> None:
    client = await page_client(make_client)
    assert (await client.post("/page", headers={"Sec-Fetch-Site": "same-origin"})).status == 200


@pytest.mark.parametrize("path", ["/api/v1/x", "/internal/v1/x"])
async def test_programs_with_tokens_are_not_asked(make_client: MakeClient, path: str) -> None:
    client = await page_client(make_client)
    assert (await client.post(path, headers={"Sec-Fetch-Site": "cross-site"})).status == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://portal.example.org", 200),
        ("http://PORTAL.example.org:80", 200),
        ("https://public.example.org", 200),
        ("https://portal.example.org", 403),
        ("http://portal.example.org:8080", 403),
        ("http://portal.example.org.evil.example", 403),
        ("http://evil.example", 403),
        ("null", 403),
        ("file://", 403),
        ("http://[", 403),
        ("", 403),
        (None, 403),
    ],
)
async def test_browsers_without_fetch_metadata_are_known_by_their_origin(
    make_client: MakeClient, origin: str | None, status: int
) -> None:
    client = await page_client(make_client, public_url="https://public.example.org/staff")
    headers = {"Host": "portal.example.org", **({} if origin is None else {"Origin": origin})}
    assert (await client.post("/page", headers=headers)).status == status


async def test_the_forwarded_host_counts_behind_a_trusted_proxy_only(make_client: MakeClient) -> None:
    headers = {
        "Host": "inside",
        "X-Forwarded-Host": "portal.example.org",
        "X-Forwarded-Proto": "https",
        "Origin": "https://portal.example.org",
    }
    behind = await page_client(make_client, trusted_proxies=(ip_network("127.0.0.0/8"),))
    alone = await page_client(make_client)
    assert (await behind.post("/page", headers=headers)).status == 200
    assert (await alone.post("/page", headers=headers)).status == 403


def test_tokens_belong_to_one_session() -> None:
    request = make_mocked_request("POST", "/page")
    token = csrf_token(b"secret of one session")
    assert token == csrf_token(b"secret of one session")
    check_csrf(request, token, b"secret of one session")
    for wrong in (csrf_token(b"another session"), token[:-1], "", None, "ü\ud800"):
        with pytest.raises(StaleForm):
            check_csrf(request, wrong, b"secret of one session")


def test_scripts_may_send_the_token_in_a_header() -> None:
    secret = b"secret of one session"
    check_csrf(make_mocked_request("POST", "/page", headers={"X-CSRF-Token": csrf_token(secret)}), None, secret)


@pytest.mark.parametrize(
    ("secure", "name"), [(True, "__Host-portico_staff_riverside"), (False, "portico_staff_riverside")]
)
async def test_cookies_follow_the_scheme_of_the_public_url(make_client: MakeClient, secure: bool, name: str) -> None:
    cookie = CookieName("portico_staff", "riverside", secure=secure)

    async def sign_in(request: web.Request) -> web.Response:
        response = web.Response(text=str(cookie.read(request)))
        cookie.set(response, "the-value", max_age=60)
        return response

    async def sign_out(request: web.Request) -> web.Response:
        response = web.Response()
        cookie.delete(response)
        return response

    client = await make_client(web.get("/in", sign_in), web.get("/out", sign_out))
    header = (await client.get("/in")).headers["Set-Cookie"]
    parts = header.split("; ")
    assert parts[0] == f"{name}=the-value"
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=60"} <= set(parts)
    assert ("Secure" in parts) is secure
    assert "Domain" not in header
    gone = (await client.get("/out")).headers["Set-Cookie"]
    assert gone.startswith(f'{name}=""')
    assert "Max-Age=0" in gone
    assert ("Secure" in gone.split("; ")) is secure
    answer = await client.get("/in", headers={"Cookie": f"other=1; {name}=mine"})
    assert await answer.text() == "mine"


@pytest.mark.parametrize("slug", ["a;b", "a b", "", "a\r\nSet-Cookie: x", "ä", "a=b"])
def test_a_name_cannot_shape_the_header(slug: str) -> None:
    if slug:
        with pytest.raises(ValueError, match="name"):
            CookieName("portico_staff", slug, secure=True).set(web.Response(), "x")
    assert CookieName("portico_staff", slug, secure=True).read(make_mocked_request("GET", "/")) is None
