"""What a mail provider tells us: believed when it is signed, written down once, and answered alike whoever it is about."""

from __future__ import annotations

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.admin.api.mail_events import MOST_EVENTS, PATH, SIGNATURE, TIMESTAMP, signature_of
from services.admin.settings import AdminSettings
from tests.admin.conftest import Answer, Api, Start, Town
from tests.support.clock import FakeClock

SECRET = "shared with the provider, for trials only".replace(" ", "-")


@pytest.fixture
def settings(settings: AdminSettings) -> AdminSettings:
    return settings.model_copy(update={"mail_events_secret": SECRET})


class Provider:
    """Signs as it was told to."""

    def __init__(self, api: Api, town: Town, clock: FakeClock) -> None:
        self.api, self.town, self.clock = Api(api.http), town, clock

    async def delivery(self) -> str:
        """The newest delivery, handed over."""
        [row] = await self.town.rows(
            "update mail.deliveries set state = 'accepted', attempts = 1, sealed_secret = null, finished_at = now()"
            " where id = (select id from mail.deliveries order by id desc limit 1) returning id"
        )
        return str(row["id"])

    async def tell(
        self, *events: dict[str, Any], secret: str = SECRET, late: int = 0, headers: dict[str, str] | None = None
    ) -> Answer:
        return await self.send(json.dumps({"events": events}).encode(), secret=secret, late=late, headers=headers)

    async def send(
        self, body: bytes, *, secret: str = SECRET, late: int = 0, headers: dict[str, str] | None = None
    ) -> Answer:
        said = str(int(self.clock().timestamp()) - late)
        signed = {TIMESTAMP: said, SIGNATURE: signature_of(secret, said, body), "Content-Type": "application/json"}
        return await self.api.post(PATH, body, headers=signed if headers is None else {**signed, **headers})

    async def recorded(self) -> list[tuple[str, str, str | None]]:
        rows = await self.town.rows("select kind, source, code from mail.bounces order by id")
        return [tuple(row.values()) for row in rows]  # type: ignore[misc]


@pytest.fixture
async def provider(api: Api, town: Town, clock: FakeClock) -> Provider:
    await api.login(town.client)
    return Provider(api, town, clock)


def bounced(delivery_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": "event-1",
        "delivery_id": delivery_id,
        "recipient": "cmalek@example.com",
        "type": "bounced",
        "class": "hard",
        "code": "5.1.1",
        "reason": "550 5.1.1 User unknown",
        "at": "2026-03-02T15:00:00Z",
        **fields,
    }


async def test_a_hard_bounce_flags_the_address(provider: Provider, api: Api, town: Town) -> None:
    delivery = await provider.delivery()
    answer = await provider.tell(bounced(delivery))
    assert (answer.status, answer.json) == (202, {"received": 1})
    assert await provider.recorded() == [("hard", "provider", "5.1.1")]
    sheet = (await api.get(f"clients/{town.client.id}")).json
    assert sheet["portal_logins"][0]["email_bounced"]["reason"] == "The mailbox does not exist."


async def test_a_message_id_names_the_delivery_as_well(provider: Provider) -> None:
    event = bounced("", message_id=f"<{await provider.delivery()}@portico.example>")
    del event["delivery_id"]
    assert (await provider.tell(event)).status == 202
    assert await provider.recorded() == [("hard", "provider", "5.1.1")]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"type": "complained", "class": None, "code": None, "reason": ""}, "complaint"),
        ({"class": "soft", "code": "4.2.2"}, "soft"),
        ({"class": "hard", "code": "5.2.2"}, "soft"),
        ({"class": "hard", "code": "5.7.1", "reason": "550 5.7.1 Blocked"}, "soft"),
        ({"class": "hard", "code": None, "reason": "bounced"}, "hard"),
        ({"class": None, "code": None, "reason": "550 5.1.1 who?"}, "hard"),
        ({"class": None, "code": None, "reason": ""}, "unknown"),
    ],
)
async def test_what_it_says_is_judged(provider: Provider, fields: dict[str, Any], kind: str) -> None:
    assert (await provider.tell(bounced(await provider.delivery(), **fields))).status == 202
    assert [found for found, _, _ in await provider.recorded()] == [kind]


async def test_a_request_sent_twice_counts_once(provider: Provider, api: Api, town: Town, clock: FakeClock) -> None:
    delivery = await provider.delivery()
    for _ in range(2):
        assert (await provider.tell(bounced(delivery))).status == 202
    assert len(await provider.recorded()) == 1
    assert (await town.types()).count("delivery.bounced") == 1
    # Nor does it undo what staff decided since.
    [login] = (await api.get(f"clients/{town.client.id}")).json["portal_logins"]
    clock.advance(seconds=1)
    await api.post(f"portal-logins/{login['id']}/email-works")
    assert (await provider.tell(bounced(delivery))).status == 202
    assert (await provider.tell(bounced(delivery, id="event-2", type="complained"))).status == 202
    assert (await api.get(f"portal-logins/{login['id']}")).json["email_bounced"] is None


@pytest.mark.parametrize(
    "fields",
    [
        {"delivery_id": "00000000-0000-7000-8000-000000000007"},
        {"recipient": "somebody.else@example.com"},
        {"type": "delivered"},
        {"delivery_id": None},
        {"delivery_id": None, "message_id": "<made-up@portico.example>"},
    ],
)
async def test_what_is_not_about_our_mails_is_answered_alike(provider: Provider, fields: dict[str, Any]) -> None:
    with capture_logs() as logs:
        answer = await provider.tell(bounced(await provider.delivery()) | fields)
    assert (answer.status, answer.json) == (202, {"received": 1})
    assert await provider.recorded() == []
    assert "example.com" not in str(logs)


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "guessed by somebody, and just as long as ours"},
        {"late": 301},
        {"late": -301},
        {"headers": {SIGNATURE: ""}},
        {"headers": {SIGNATURE: "é" * 64}},
        {"headers": {TIMESTAMP: ""}},
        {"headers": {TIMESTAMP: "1772463600"}},
        {"headers": {TIMESTAMP: "9" * 400}},
        {"headers": {TIMESTAMP: "-1"}},
    ],
)
async def test_what_is_not_signed_is_refused(provider: Provider, clock: FakeClock, wrong: dict[str, Any]) -> None:
    delivery = await provider.delivery()
    clock.advance(seconds=7)
    answer = await provider.tell(bounced(delivery), **wrong)
    assert (answer.status, answer.json["type"]) == (401, "/problems/not-signed")
    assert await provider.recorded() == []


async def test_a_body_that_was_changed_on_the_way_is_refused(provider: Provider, clock: FakeClock) -> None:
    body = json.dumps({"events": [bounced(await provider.delivery())]}).encode()
    said = str(int(clock().timestamp()))
    headers = {TIMESTAMP: said, SIGNATURE: signature_of(SECRET, said, body + b" ")}
    assert (await provider.send(body, headers=headers)).status == 401
    # Five minutes off is near enough.
    assert (await provider.send(body, late=300)).status == 202


async def test_nothing_is_read_in_a_body_before_its_signature(provider: Provider) -> None:
    assert (await provider.send(b"{", secret="x" * 40)).status == 401
    assert (await provider.send(b"{")).status == 400
    assert (await provider.send(b'{"events": [' + b" " * 70_000 + b"]}")).status == 413


@pytest.mark.parametrize(
    "fields",
    [{"type": "opened"}, {"class": "odd"}, {"code": "0.0.0"}, {"at": "yesterday"}, {"more": 1}, {"reason": "a\x00b"}],
)
async def test_events_that_are_wrong_name_the_field(provider: Provider, fields: dict[str, Any]) -> None:
    answer = await provider.tell(bounced(await provider.delivery(), **fields))
    assert answer.status == 422
    [name] = answer.fields
    assert next(iter(fields)) in name


async def test_a_request_holds_a_hundred_events_at_most(provider: Provider) -> None:
    delivery = await provider.delivery()
    events = [bounced(delivery, reason="", id=str(n)) for n in range(MOST_EVENTS + 1)]
    assert (await provider.tell(*events[1:])).status == 202
    assert (await provider.tell(*events)).status == 422


async def test_it_is_described_where_it_is_on(api: Api) -> None:
    described = (await api.get("/openapi.json")).json["paths"][PATH]["post"]
    assert described["security"] == []
    assert {"202", "401", "413", "422"} <= set(described["responses"])


async def test_without_a_secret_there_is_no_such_address(settings: AdminSettings, start: Start, town: Town) -> None:
    off = Api(await start(settings.model_copy(update={"mail_events_secret": None})))
    assert (await off.post(PATH, {"events": []})).status == 404
    assert PATH not in (await off.get("/openapi.json")).json["paths"]
