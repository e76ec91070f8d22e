"""What the relay puts on the queue: an id a message, and nothing else."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from kombu.exceptions import OperationalError
from redis.asyncio import Redis

from shared.deliveries.queue import LATER_QUEUE, TASK, URGENT_QUEUE, CeleryDeliveryQueue, celery_app
from shared.deliveries.tasks import named
from tests.support.forwarding import Forwarding


@asynccontextmanager
async def a_queue(url: str) -> AsyncIterator[CeleryDeliveryQueue]:
    queue = CeleryDeliveryQueue(celery_app(url))
    try:
        yield queue
    finally:
        queue.close()


async def messages(url: str, queue: str = URGENT_QUEUE) -> list[dict[str, object]]:
    async with Redis.from_url(url) as redis:
        return [json.loads(raw) for raw in reversed(await redis.lrange(queue, 0, -1))]


async def test_a_message_names_the_delivery_and_nothing_else(broker_url: str) -> None:
    ids = [str(uuid4()) for _ in range(3)]
    async with a_queue(broker_url) as queue:
        await queue.put_all(ids)
        await queue.put_all([])
    found = await messages(broker_url)
    assert [json.loads(base64.b64decode(str(m["body"])))[:2] for m in found] == [[[i], {}] for i in ids]
    for message in found:
        headers = message["headers"]
        assert isinstance(headers, dict)
        assert headers["task"] == TASK
        assert (headers["argsrepr"], headers["kwargsrepr"]) == ("(delivery)", "{}")
        assert message["content-type"] == "application/json"


async def test_notices_have_a_queue_of_their_own_and_their_messages_hold_the_id_alone(broker_url: str) -> None:
    notice, urgent = uuid4(), uuid4()
    async with a_queue(broker_url) as queue:
        await queue.put_all([named(notice, urgent=False), named(urgent, urgent=True)])
    for name, delivery_id in ((LATER_QUEUE, notice), (URGENT_QUEUE, urgent)):
        [message] = await messages(broker_url, name)
        assert json.loads(base64.b64decode(str(message["body"])))[0] == [str(delivery_id)]


async def test_it_says_when_the_broker_is_away_and_goes_on_when_it_is_back(broker_url: str) -> None:
    async with Forwarding(broker_url) as broker, a_queue(broker.url) as queue:
        await broker.open()
        await queue.put_all(["1"])
        await broker.close()
        with pytest.raises((OperationalError, OSError)):
            await queue.put_all(["2"])
        await broker.open()
        await queue.put_all(["3"])
    bodies = [json.loads(base64.b64decode(str(m["body"])))[0] for m in await messages(broker_url)]
    assert bodies == [["1"], ["3"]]


def test_only_json_is_taken_and_the_shared_settings_hold(broker_url: str) -> None:
    conf = celery_app(broker_url).conf
    assert conf.accept_content == ["json"]
    assert conf.task_acks_late
    assert conf.worker_prefetch_multiplier == 1
    assert conf.broker_transport_options["visibility_timeout"] == 300
    assert conf.result_backend is None
