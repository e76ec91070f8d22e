"""Access tokens: every claim is needed, and none opens another door."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from shared.errors import NotSignedIn
from shared.security.tokens import (
    CLIENT,
    INTERNAL,
    STAFF,
    KeyRing,
    Signer,
    Verifier,
    new_reference,
    new_signing_key,
    parse_reference,
)
from tests.support.clock import FakeClock

ADMIN_PEM, PORTAL_PEM = new_signing_key(), new_signing_key()


@pytest.fixture
def admin(clock: FakeClock) -> Signer:
    return Signer(ADMIN_PEM, "portico_admin", clock)


@pytest.fixture
def portal(clock: FakeClock) -> Signer:
    return Signer(PORTAL_PEM, "portico_portal", clock)


@pytest.fixture
def verifier(admin: Signer, portal: Signer, clock: FakeClock) -> Verifier:
    return Verifier(KeyRing({s.kid: (s.issuer, s.public_key) for s in (admin, portal)}), clock)


def claims(clock: FakeClock, **changes: Any) -> dict[str, Any]:
    now = int(clock().timestamp())
    valid = {
        "iss": "portico_admin",
        "aud": STAFF,
        "sub": str(uuid4()),
        "sid": str(uuid4()),
        "agy": str(uuid4()),
        "jti": "x",
        "iat": now,
        "exp": now + 300,
    }
    return {name: value for name, value in (valid | changes).items() if value is not None}


def forged(signer: Signer, body: dict[str, Any], **header: Any) -> str:
    key = load_pem_private_key(ADMIN_PEM.encode(), None)
    return jwt.encode(body, key, algorithm="EdDSA", headers={"kid": signer.kid, "typ": "at+jwt"} | header)  # type: ignore[arg-type]


def test_a_token_says_who_and_which_session(admin: Signer, verifier: Verifier) -> None:
    subject, session, agency = uuid4(), uuid4(), uuid4()
    token = admin.mint(STAFF, lifetime=timedelta(minutes=5), subject=subject, session_id=session, agency_id=agency)
    found = verifier.verify(token, STAFF)
    assert (found.subject, found.session_id, found.agency_id) == (subject, session, agency)


def test_a_token_ends_with_its_time(admin: Signer, verifier: Verifier, clock: FakeClock) -> None:
    token = admin.mint(STAFF, lifetime=timedelta(minutes=5))
    clock.advance(seconds=299)
    verifier.verify(token, STAFF)
    clock.advance(seconds=1)
    with pytest.raises(NotSignedIn):
        verifier.verify(token, STAFF)


def test_a_token_opens_no_other_door(admin: Signer, portal: Signer, verifier: Verifier) -> None:
    with pytest.raises(NotSignedIn):
        verifier.verify(admin.mint(STAFF, lifetime=timedelta(minutes=5)), CLIENT)
    with pytest.raises(NotSignedIn):
        verifier.verify(portal.mint(CLIENT, lifetime=timedelta(minutes=5)), STAFF, INTERNAL)


def test_a_service_cannot_sign_for_another_ones_door(portal: Signer, verifier: Verifier) -> None:
    with pytest.raises(NotSignedIn):
        verifier.verify(portal.mint(STAFF, lifetime=timedelta(minutes=5)), STAFF)


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "sid", "agy", "jti", "iat", "exp"])
def test_every_claim_is_required(admin: Signer, verifier: Verifier, clock: FakeClock, missing: str) -> None:
    verifier.verify(forged(admin, claims(clock)), STAFF)
    with pytest.raises(NotSignedIn):
        verifier.verify(forged(admin, claims(clock, **{missing: None})), STAFF)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "portico_portal"},
        {"aud": [STAFF, CLIENT]},
        {"sub": "nobody"},
        {"exp": "soon"},
        {"exp": 10**20},
        {"sid": 7},
    ],
)
def test_a_strange_claim_is_refused(
    admin: Signer, verifier: Verifier, clock: FakeClock, changes: dict[str, Any]
) -> None:
    with pytest.raises(NotSignedIn):
        verifier.verify(forged(admin, claims(clock, **changes)), STAFF)


@pytest.mark.parametrize("header", [{"typ": "JWT"}, {"kid": "unknown"}])
def test_a_strange_header_is_refused(
    admin: Signer, verifier: Verifier, clock: FakeClock, header: dict[str, Any]
) -> None:
    with pytest.raises(NotSignedIn):
        verifier.verify(forged(admin, claims(clock), **header), STAFF)


def test_other_algorithms_are_refused(admin: Signer, verifier: Verifier, clock: FakeClock) -> None:
    headers = {"kid": admin.kid, "typ": "at+jwt"}
    for token in (
        jwt.encode(claims(clock), None, algorithm="none", headers=headers),  # type: ignore[arg-type]
        jwt.encode(claims(clock), "s" * 32, algorithm="HS256", headers=headers),
    ):
        with pytest.raises(NotSignedIn):
            verifier.verify(token, STAFF)


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "..", "é", "x" * 100_000])
def test_what_is_no_token_is_refused(verifier: Verifier, token: str) -> None:
    with pytest.raises(NotSignedIn):
        verifier.verify(token, STAFF)


def test_references_carry_their_agency_in_clear_and_are_stored_as_a_digest() -> None:
    agency = uuid4()
    made = new_reference(agency)
    read = parse_reference(made.text)
    assert read == made
    assert made.agency_id == agency
    assert len(made.digest) == 32


@pytest.mark.parametrize(
    "text", ["", ".", "x.y", f"{'ab' * 16}.short", f"{'z' * 32}.{'a' * 43}", f"{'ab' * 16}.{'é' * 43}"]
)
def test_what_is_no_reference_is_not_read(text: str) -> None:
    assert parse_reference(text) is None


def test_a_successor_is_the_same_each_time_and_needs_the_key(admin: Signer, portal: Signer) -> None:
    parent = new_reference(uuid4())
    assert admin.successor(parent) == admin.successor(parent)
    assert admin.successor(parent) != portal.successor(parent)
    assert admin.successor(parent).agency_id == parent.agency_id
