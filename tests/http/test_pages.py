"""Templates, static files and redirects."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from shared.errors import NotFound
from shared.http.pages import STATIC, local_path, render, see_other, setup_pages
from shared.http.problems import Problem
from shared.http.static_files import StaticFiles
from tests.http.conftest import small_app

PACKAGE = "pages_of_a_service"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An importable package with a template and a style sheet."""
    folder = tmp_path / PACKAGE
    (folder / "templates").mkdir(parents=True)
    (folder / "static" / "fonts").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "templates" / "greet.html").write_text(
        '<link href="{{ static_url("own.css") }}"><p>{{ name }} {{ name|loud }} {{ staff }} {{ request.path }}</p>'
    )
    (folder / "templates" / "broken.html").write_text("{{ nobody_gave_this }}")
    (folder / "static" / "own.css").write_text("p { color: black }")
    (folder / "static" / "fonts" / "a.woff2").write_bytes(b"font")
    (folder / "static" / "notes.md").write_text("not for the public")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    sys.modules.pop(PACKAGE, None)


def page_app(*routes: web.RouteDef, **options: object) -> web.Application:
    app = small_app(*routes, **options)
    setup_pages(
        app,
        [(PACKAGE, "templates")],
        filters={"loud": str.upper},
        static=[(PACKAGE, "static")],
        context=lambda request: {"staff": "nextstep"},
    )
    return app


async def greet(request: web.Request) -> web.Response:
    return render(request, "greet.html", status=202, headers={"X-Own": "1"}, name=request.query.get("name", "Ann"))


async def broken(request: web.Request) -> web.Response:
    return render(request, "broken.html")


async def test_pages_escape_and_know_their_context(package: Path) -> None:
    async with TestClient(TestServer(page_app(web.get("/greet", greet)))) as client:
        response = await client.get("/greet", params={"name": "<b>x</b>"})
        text = await response.text()
    assert (response.status, response.content_type, response.headers["X-Own"]) == (202, "text/html", "1")
    assert "<p>&lt;b&gt;x&lt;/b&gt; &lt;B&gt;X&lt;/B&gt; nextstep /greet</p>" in text


async def test_static_files_change_their_address_with_their_content(package: Path) -> None:
    app = page_app(web.get("/greet", greet))
    async with TestClient(TestServer(app)) as client:
        address = re.findall(r'href="([^"]+)"', await (await client.get("/greet")).text())[0]
        assert address == app[STATIC].url("own.css")
        response = await client.get(address)
        assert (response.status, response.content_type) == (200, "text/css")
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert await response.text() == "p { color: black }"
        # A relative address in the style sheet leads to the font.
        assert await (await client.get(address.replace("own.css", "fonts/a.woff2"))).read() == b"font"
        head = await client.head(address)
        assert (head.status, head.headers["Content-Length"]) == (200, "18")

        outdated = await client.get("/static/0123456789abcdef/own.css")
        assert (outdated.status, outdated.headers["Cache-Control"]) == (200, "no-store")

    (package / "static" / "own.css").write_text("p { color: white }")
    assert page_app()[STATIC].url("own.css") != address


@pytest.mark.parametrize(
    "name",
    ["nothing.css", "notes.md", "../__init__.py", "%2e%2e/__init__.py", "..%2f..%2f..%2fetc/passwd", "fonts", "fonts/"],
)
async def test_other_files_are_not_there(package: Path, name: str) -> None:
    app = page_app()
    async with TestClient(TestServer(app)) as client:
        assert (await client.get(f"/static/{app[STATIC].version}/{name}")).status == 404


def test_a_page_cannot_name_a_file_that_is_not_there(package: Path) -> None:
    with pytest.raises(LookupError):
        page_app()[STATIC].url("nothing.css")


def test_the_shared_files_can_all_be_served() -> None:
    from importlib.resources import files

    folder = files("shared.http") / "static"
    served = StaticFiles([folder])
    for entry in folder.iterdir():
        if entry.is_file():
            assert served.url(entry.name)


async def test_an_undefined_name_is_an_error_and_not_an_empty_place(package: Path) -> None:
    app = page_app(web.get("/broken", broken))
    async with TestClient(TestServer(app)) as client:
        response = await client.get("/broken")
        text = await response.text()
    assert response.status == 500
    assert "nobody_gave_this" not in text


async def test_errors_get_a_page_in_the_look_of_the_others(package: Path) -> None:
    async def missing(request: web.Request) -> web.Response:
        raise NotFound("There is no such <client>.")

    async with TestClient(TestServer(page_app(web.get("/missing", missing)))) as client:
        response = await client.get("/missing", headers={"X-Request-ID": "trace-12345678"})
        text = await response.text()
    assert (response.status, response.content_type) == (404, "text/html")
    assert "There is no such &lt;client&gt;." in text
    assert "trace-12345678" in text
    assert "portico.css" in text


async def test_a_service_keeps_its_own_error_page(package: Path) -> None:
    def own(request: web.Request, problem: Problem) -> web.Response:
        return web.Response(text="own", status=problem.status)

    async with TestClient(TestServer(page_app(render_error=own))) as client:
        assert await (await client.get("/missing")).text() == "own"


def test_a_template_that_is_not_there_is_said_by_name(package: Path) -> None:
    app = page_app()
    from aiohttp_jinja2 import get_env

    with pytest.raises(jinja2.TemplateNotFound):
        get_env(app).get_template("nothing.html")


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("/riverside/clients", "/riverside/clients"),
        ("/a\r\nSet-Cookie: x=1", "/aSet-Cookie:%20x=1"),
        ("/grüße", "/gr%C3%BC%C3%9Fe"),
    ],
)
async def test_redirects_after_a_form(package: Path, url: str, location: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return see_other(url)

    async with TestClient(TestServer(page_app(web.get("/go", handler)))) as client:
        response = await client.get("/go", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, location)
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("/riverside/activity", True),
        ("/riverside/?a=1#b", True),
        ("", False),
        (None, False),
        ("//evil.example/", False),
        ("/\\evil.example/", False),
        ("https://evil.example/", False),
        ("javascript:alert(1)", False),
        ("/a\nb", False),
        ("relative", False),
    ],
)
def test_only_paths_of_this_server_are_followed(value: str | None, kept: bool) -> None:
    assert local_path(value, "/home") == (value if kept else "/home")
