"""The page that shows caught mail, and the same as JSON for tests and scripts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from importlib import resources
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import aiohttp_jinja2
import jinja2
from aiohttp import web
from markupsafe import Markup, escape

from ops.mailbox.store import Mail, MailStore

STORE = web.AppKey("store", MailStore)
HOSTS = web.AppKey("hosts", frozenset[str])

_PAGE_LENGTH = 50
_MOST_JSON = 5_000

_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; frame-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
# What a mail brings along may style itself and nothing else; its links open outside of the frame.
_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'self';"
    " sandbox allow-popups allow-popups-to-escape-sandbox"
)
_LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(store: MailStore, hosts: frozenset[str]) -> web.Application:
    """The web application over a store, answering only to these host names."""
    app = web.Application(middlewares=[_guard])
    app[STORE] = store
    app[HOSTS] = hosts
    environment = aiohttp_jinja2.setup(app, loader=jinja2.PackageLoader("ops.mailbox"), autoescape=True)
    environment.filters |= {"moment": _moment, "linked": _linked}
    app.add_routes(
        [
            web.get("/", mail_list),
            web.get("/messages/{id}", mail_page),
            web.get("/messages/{id}/html", html_part),
            web.get("/messages/{id}/source", source),
            web.post("/delete-all", delete_all),
            web.get("/api/messages", messages),
            web.delete("/api/messages", delete_messages),
            web.get("/healthz", alive),
            web.get("/readyz", alive),
            web.get("/mailbox.css", stylesheet),
        ]
    )
    return app


async def mail_list(request: web.Request) -> web.Response:
    """The list, newest first, for one address or all."""
    to, before = request.query.get("to", "").strip(), request.query.get("before")
    found = list(islice(request.app[STORE].newest(to or None, before=before), _PAGE_LENGTH + 1))
    context = {
        "mails": found[:_PAGE_LENGTH],
        "to": to,
        "total": len(request.app[STORE]),
        "paged": before is not None,
        "older": found[_PAGE_LENGTH - 1].id if len(found) > _PAGE_LENGTH else None,
    }
    return aiohttp_jinja2.render_template("list.html", request, context)


async def mail_page(request: web.Request) -> web.Response:
    """One e-mail: its text, and its HTML in a frame that can do nothing."""
    return aiohttp_jinja2.render_template("mail.html", request, {"mail": _mail(request)})


async def html_part(request: web.Request) -> web.Response:
    """The HTML part alone, for the frame."""
    html = '<!doctype html><base target="_blank">' + _mail(request).html
    response = web.Response(text=html, content_type="text/html", charset="utf-8")
    response.headers["Content-Security-Policy"] = _MAIL_POLICY
    return response


async def source(request: web.Request) -> web.Response:
    """The e-mail as it was stored."""
    content = request.app[STORE].source(request.match_info["id"])
    if content is None:
        raise web.HTTPNotFound(text="There is no such mail (any more).")
    return web.Response(body=content, content_type="text/plain", charset="utf-8")


async def delete_all(request: web.Request) -> web.Response:
    """The button."""
    request.app[STORE].clear()
    raise web.HTTPSeeOther("/")


async def messages(request: web.Request) -> web.Response:
    """``{"items": [{id, from, to, subject, received_at, text, html}]}``, newest first; ``to`` and ``limit`` select."""
    store, to = request.app[STORE], request.query.get("to", "").strip()
    limit = request.query.get("limit", str(_MOST_JSON))
    if not limit.isdecimal():
        raise web.HTTPBadRequest(text="limit must be a whole number.")
    found = list(islice(store.newest(to or None), int(limit)))
    mails = await asyncio.to_thread(lambda: [store.get(envelope.id) for envelope in found])
    return web.json_response({"items": [_item(mail) for mail in mails if mail is not None]})


async def delete_messages(request: web.Request) -> web.Response:
    """Delete all mail."""
    request.app[STORE].clear()
    return web.Response(status=204)


async def alive(_: web.Request) -> web.Response:
    """It answers, so it is."""
    return web.json_response({"status": "ok"})


async def stylesheet(_: web.Request) -> web.Response:
    """The page's only other file."""
    style = resources.files("ops.mailbox").joinpath("static/mailbox.css").read_text(encoding="utf-8")
    return web.Response(text=style, content_type="text/css", charset="utf-8")


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    # Another site can make its own name point here, and would then read everything as its own.
    if _host_name(request.host) not in request.app[HOSTS]:
        raise web.HTTPMisdirectedRequest(text="This mailbox does not answer to that host name.")
    if request.method not in ("GET", "HEAD") and not _is_same_origin(request):
        raise web.HTTPForbidden(text="Only the mailbox's own page and programs may delete mail.")
    try:
        response = await handler(request)
    except web.HTTPException as answer:
        _protect(answer)
        raise
    _protect(response)
    return response


def _protect(response: web.StreamResponse | web.HTTPException) -> None:
    response.headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"


def _is_same_origin(request: web.Request) -> bool:
    """Whether a browser sent this from our page, or a program that is no browser sent it."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2] == request.host


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _mail(request: web.Request) -> Mail:
    mail = request.app[STORE].get(request.match_info["id"])
    if mail is None:
        raise web.HTTPNotFound(text="There is no such mail (any more).")
    return mail


def _item(mail: Mail) -> dict[str, Any]:
    return {
        "id": mail.envelope.id,
        "from": mail.envelope.sender,
        "to": mail.envelope.to,
        "subject": mail.envelope.subject,
        "received_at": mail.envelope.received_at.isoformat().replace("+00:00", "Z"),
        "text": mail.text,
        "html": mail.html,
    }


def _moment(value: datetime) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(value.isoformat(), f"{value:%Y-%m-%d %H:%M:%S} UTC")


def _linked(text: str) -> Markup:
    """Plain text with its addresses as links."""
    pieces, position = [], 0
    for link in _LINK.finditer(text):
        pieces.append(escape(text[position : link.start()]))
        anchor = Markup('<a href="{0}" target="_blank" rel="noopener noreferrer">{0}</a>')
        pieces.append(anchor.format(link.group()))
        position = link.end()
    pieces.append(escape(text[position:]))
    return Markup("").join(pieces)
