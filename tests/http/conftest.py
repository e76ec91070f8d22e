"""A small application with one handler for each kind of thing that can happen, on a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from shared.http.application import create_app

Client = TestClient[web.Request, web.Application]
MakeClient = Callable[..., Awaitable[Client]]

NOW = datetime(2022, 6, 16, 9, 47, 16, tzinfo=UTC)


def small_app(*routes: web.RouteDef, **options: Any) -> web.Application:
    """An application with these routes; ``options`` are those of `create_app`."""
    app = create_app(**{"public_url": "http://localhost", "clock": lambda: NOW, **options})
    app.add_routes(routes)
    return app


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Errors on purpose need not be read: structlog's default form of them takes a second each."""
    with capture_logs():
        yield


@pytest.fixture
async def make_client() -> AsyncIterator[MakeClient]:
    """Start an application on a port of its own: ``client = await make_client(web.get(...), public_url=...)``."""
    clients: list[Client] = []

    async def make(*routes: web.RouteDef, **options: Any) -> Client:
        client = TestClient(TestServer(small_app(*routes, **options)))
        await client.start_server()
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.close()
