"""Tokens that somebody made, changed, or took to another door: none opens one, and each service says the same."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.security.session_limits import ACCESS_TOKEN
from shared.security.tokens import CLIENT, INTERNAL, STAFF
from tests.security.doors import Door, Street

CLAIMS = ("iss", "aud", "sub", "sid", "agy", "jti", "iat", "exp")
# A token where all doors can be tried with the same sessions.
LONG = timedelta(minutes=5)


class Forger:
    """Has a good token and everything that is public, and another key pair."""

    def __init__(self, token: str, public_key: bytes) -> None:
        self.good = token
        self.header: dict[str, Any] = jwt.get_unverified_header(token)
        self.claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
        self.public = public_key
        self.own = Ed25519PrivateKey.generate()

    def signed(self, claims: dict[str, Any] | None = None, **header: Any) -> str:
        """Signed with the forger's own key."""
        return jwt.encode(claims or self.claims, self.own, algorithm="EdDSA", headers={**self.header, **header})

    def with_signature_of_the_good_one(self, claims: dict[str, Any] | None = None, **header: Any) -> str:
        """What was changed without anything being signed again."""
        signature = self.good.rpartition(".")[2]
        return f"{_part({**self.header, **header})}.{_part(claims or self.claims)}.{signature}"

    def unsigned(self, algorithm: str) -> str:
        return f"{_part({**self.header, 'alg': algorithm})}.{_part(self.claims)}."

    def hmac_with(self, secret: bytes, algorithm: str) -> str:
        """A shared-secret token whose secret is the public key, in every way that it is written."""
        signed = f"{_part({**self.header, 'alg': algorithm})}.{_part(self.claims)}"
        made = jwt.algorithms.HMACAlgorithm(getattr(jwt.algorithms.HMACAlgorithm, f"SHA{algorithm[2:]}"))
        return f"{signed}.{_encoded(made.sign(signed.encode(), secret))}"

    def jwk(self) -> dict[str, str]:
        raw = self.own.public_key().public_bytes_raw()
        return {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": _encoded(raw)}


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _part(value: dict[str, Any]) -> str:
    return _encoded(json.dumps(value).encode())


def spellings(public: bytes) -> list[bytes]:
    key = Ed25519PublicKey.from_public_bytes(public)
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return [pem, pem.strip(), der, public, public.hex().encode(), _encoded(public).encode(), b""]


def forgeries(forger: Forger) -> Iterator[tuple[str, str]]:
    """Name and token of everything that needs no service's key."""
    for algorithm in ("none", "None", "NONE", "", "nOnE"):
        yield f"alg {algorithm!r}", forger.unsigned(algorithm)
    for number, secret in enumerate(spellings(forger.public)):
        for algorithm in ("HS256", "HS384", "HS512"):
            yield f"{algorithm} with public key {number}", forger.hmac_with(secret, algorithm)
    yield "another key under the same kid", forger.signed()
    for kid in ("unknown", "", "../../dev/null", "' or 1=1 --", None, 7, ["x"]):
        yield f"kid {kid!r}", forger.with_signature_of_the_good_one(kid=kid)
    own_raw = forger.own.public_key().public_bytes_raw()
    elsewhere = "http://127.0.0.1:1/jwks.json"
    for name, value in {
        "jwk": forger.jwk(),
        "jku": elsewhere,
        "x5u": elsewhere,
        "x5c": [base64.b64encode(own_raw).decode()],
    }.items():
        yield name, forger.signed(**{name: value})
        yield f"{name} with a kid of its own", forger.signed(**{name: value, "kid": "mine"})
    for typ in ("JWT", "", None, "at+jwt ", "application/at+jwt"):
        yield f"typ {typ!r}", forger.with_signature_of_the_good_one(typ=typ)
    longer = {**forger.claims, "exp": forger.claims["exp"] + 3600}
    yield "a later end", forger.with_signature_of_the_good_one(longer)
    somebody = {**forger.claims, "sub": str(uuid4())}
    yield "another subject", forger.with_signature_of_the_good_one(somebody)
    yield "crit", forger.signed(crit=["portico"], portico=True)
    yield "no signature", forger.good.rpartition(".")[0] + "."
    yield "half a signature", forger.good[:-20]
    yield "a part too many", forger.good + ".x"


def knocks_at(street: Street, door: Door) -> list[tuple[str, str]]:
    """Addresses that answer to this door's own token."""
    return {
        "admin": [("GET", "/api/v1/sessions"), ("GET", f"/api/v1/clients/{street.client.id}")],
        "portal": [("GET", "/api/v1/me"), ("GET", "/api/v1/sessions")],
        "audit": [("GET", f"/api/v1/activity?client_id={street.client.id}")],
    }[door.name]


async def refused(street: Street, door: Door, token: str, name: str) -> None:
    for method, path in knocks_at(street, door):
        answer = await door.ask(method, path, headers={"Authorization": f"Bearer {token}"})
        problem = await answer.json()
        assert answer.status == 401, (door.name, name, path, answer.status)
        assert problem["type"] == "/problems/not-signed-in", (door.name, name)
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def control(street: Street, door: Door, token: str) -> None:
    for method, path in knocks_at(street, door):
        answer = await door.ask(method, path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status == 200, (door.name, path, await answer.text())


async def test_no_forged_token_opens_a_door(street: Street) -> None:
    for door, issuer in ((street.admin, street.admin), (street.portal, street.portal), (street.audit, street.admin)):
        token = await street.token(issuer)
        forger = Forger(token, issuer.signer.public_key)
        await control(street, door, token)
        for name, forged in forgeries(forger):
            await refused(street, door, forged, name)
        await control(street, door, token)


def carelessly_signed(door: Door, claims: dict[str, Any], **header: Any) -> str:
    """With a service's true key, whatever it says: what a mistake of that service would make."""
    key = door.signer.current
    return jwt.encode(claims, key.private, algorithm="EdDSA", headers={"kid": key.kid, "typ": "at+jwt", **header})


async def test_every_claim_and_header_counts_even_under_a_true_signature(street: Street) -> None:
    for door, issuer in ((street.admin, street.admin), (street.portal, street.portal), (street.audit, street.admin)):
        good = jwt.decode(await street.token(issuer), options={"verify_signature": False})
        await control(street, door, carelessly_signed(issuer, good))
        for claim in CLAIMS:
            await refused(
                street, door, carelessly_signed(issuer, {k: v for k, v in good.items() if k != claim}), f"no {claim}"
            )
        other = "portico_portal" if issuer is street.admin else "portico_admin"
        now = int(street.clock().timestamp())
        for changes in (
            {"iss": other},
            {"iss": "portico_notifier"},
            {"aud": CLIENT if issuer is street.admin else STAFF},
            {"aud": INTERNAL},
            {"aud": [good["aud"], INTERNAL]},
            {"aud": "portico"},
            {"exp": now},
            {"exp": now - 3600},
            {"exp": "9999999999x"},
            {"sid": str(uuid4())},
            {"agy": str(uuid4())},
            {"sub": "' or true --"},
        ):
            await refused(street, door, carelessly_signed(issuer, {**good, **changes}), repr(changes))
        for header in ({"typ": "JWT"}, {"typ": None}, {"kid": "other"}):
            await refused(street, door, carelessly_signed(issuer, good, **header), repr(header))


def ours(street: Street, door: Door, audience: Any, session: UUID, subject: UUID) -> str:
    return door.signer.mint(
        audience, lifetime=ACCESS_TOKEN, subject=subject, session_id=session, agency_id=street.agency.id
    )


async def test_no_service_can_sign_for_another_ones_people(street: Street) -> None:
    await street.tokens(street.admin)
    await street.tokens(street.portal)
    found = await street.rows("select id, kind, staff_user_id, portal_login_id from accounts.sessions")
    sessions = {row["kind"]: (row["id"], row["staff_user_id"] or row["portal_login_id"]) for row in found}
    by_admin, by_portal = street.admin, street.portal
    for target, signer, audience, kind in (
        (street.admin, by_portal, STAFF, "staff"),
        (street.admin, by_portal, CLIENT, "portal"),
        (street.admin, by_admin, INTERNAL, "staff"),
        (street.admin, by_admin, STAFF, "portal"),
        (street.portal, by_admin, CLIENT, "portal"),
        (street.portal, by_admin, STAFF, "staff"),
        (street.portal, by_portal, INTERNAL, "portal"),
        (street.portal, by_portal, CLIENT, "staff"),
        (street.audit, by_portal, STAFF, "staff"),
        (street.audit, by_admin, CLIENT, "portal"),
        (street.audit, by_admin, INTERNAL, "staff"),
        (street.audit, by_admin, STAFF, "portal"),
        (street.audit, by_portal, CLIENT, "staff"),
    ):
        session, subject = sessions[kind]
        token = ours(street, signer, audience, session, subject)
        await refused(street, target, token, f"{signer.name} signs {audience} for a {kind} session")


async def test_the_door_between_services_takes_no_persons_token(street: Street) -> None:
    body = {"ids": [str(uuid4())]}
    for issuer in street.page_doors:
        status, problem = await street.audit.json(
            "POST", "/internal/v1/events/held", body, token=await street.token(issuer)
        )
        assert (status, problem["type"]) == (401, "/problems/not-signed-in")
    internal = street.admin.signer.mint(INTERNAL, lifetime=LONG)
    assert (await street.audit.json("POST", "/internal/v1/events/held", body, token=internal))[0] == 200


async def test_what_is_no_access_token_is_none(street: Street) -> None:
    for door in street.page_doors:
        tokens = await street.tokens(door)
        await street.sign_in(door)
        [cookie] = [value for name, value in door.cookies().items() if "browser" not in name]
        door.http.session.cookie_jar.clear()
        for word in (tokens["refresh_token"], cookie, "", "null", "undefined", "a.b.c", "x" * 5000):
            await refused(street, door, word, word[:20])
        good = tokens["access_token"]
        for header in (
            f"Basic {good}",
            good,
            f"Token {good}",
            f"Bearer {good} {good}",
            f"Bearer {good}, Bearer {good}",
        ):
            method, path = knocks_at(street, door)[0]
            answer = await door.ask(method, path, headers={"Authorization": header})
            assert answer.status == 401, header[:10]
        # Nothing but the header is looked at: tokens in addresses end in logs.
        answer = await door.ask("GET", f"{knocks_at(street, door)[0][1]}?access_token={good}")
        assert answer.status == 401
