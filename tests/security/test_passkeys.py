"""What is asked of authenticators, and which of their answers are good."""

from __future__ import annotations

import copy
import secrets
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.security.passkeys import (
    NewPasskey,
    PasskeyWrong,
    RelyingParty,
    Use,
    claimed_id,
    creation_options,
    request_options,
    verified_new,
    verified_use,
)
from tests.support.authenticator import Authenticator, decoded, encoded

RP = RelyingParty.at("https://portal.example.org")
PERSON = uuid4()
CHALLENGE = secrets.token_bytes(32)


def creation(existing: Any = (), person: UUID = PERSON) -> dict[str, Any]:
    return creation_options(
        RP, challenge=CHALLENGE, person_id=person, username="cmalek", agency_name="Riverside", existing=existing
    )


def made_by(authenticator: Authenticator) -> NewPasskey:
    return verified_new(RP, authenticator.create(creation()), challenge=CHALLENGE)


def use(authenticator: Authenticator, made: NewPasskey, credential: Any = None, **changes: Any) -> Use:
    asked: dict[str, Any] = {"challenge": CHALLENGE, "public_key": made.public_key, "person_id": PERSON}
    given_ = credential or authenticator.get(request_options(RP, challenge=CHALLENGE))
    return verified_use(RP, given_, **{**asked, "backup_eligible": made.backup_eligible, **changes})


def test_a_passkey_has_to_be_kept_and_to_check_its_owner() -> None:
    options = creation([(b"there already", ["usb"])])
    assert options["rp"] == {"id": "portal.example.org", "name": "Riverside"}
    assert decoded(options["user"]["id"]) == PERSON.bytes
    assert options["user"]["name"] == "cmalek (Riverside)"
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert options["attestation"] == "none"
    assert [decoded(c["id"]) for c in options["excludeCredentials"]] == [b"there already"]
    asked = request_options(RP, challenge=CHALLENGE)
    assert (asked["userVerification"], asked["allowCredentials"]) == ("required", [])


@pytest.mark.parametrize(
    ("url", "id_", "origin"),
    [
        ("https://portal.example.org", "portal.example.org", "https://portal.example.org"),
        ("https://portal.example.org:443/", "portal.example.org", "https://portal.example.org"),
        ("http://localhost:8082/", "localhost", "http://localhost:8082"),
    ],
)
def test_the_relying_party_is_our_public_address(url: str, id_: str, origin: str) -> None:
    assert RelyingParty.at(url) == RelyingParty(id_, origin)


@pytest.mark.parametrize("backed_up", [True, False])
def test_what_was_made_signs_in(backed_up: bool) -> None:
    authenticator = Authenticator(RP.origin, backed_up=backed_up)
    made = made_by(authenticator)
    assert (made.credential_id, made.transports) == (authenticator.credential_id, ("internal", "hybrid"))
    assert (made.backup_eligible, made.backed_up) == (backed_up, backed_up)
    assert use(authenticator, made) == Use(1, backed_up)


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://portal.example.org.evil.example"},
        {"origin": "http://portal.example.org"},
        {"origin": "https://portal.example.org:8443"},
        {"rp_id": "evil.example"},
        {"verifies": False},
        {"cross_origin": True},
    ],
    ids=str,
)
def test_a_wrong_answer_neither_adds_nor_signs_in(wrong: dict[str, Any]) -> None:
    with pytest.raises(PasskeyWrong):
        made_by(replace(Authenticator(RP.origin), **wrong))
    good = Authenticator(RP.origin)
    made = made_by(good)
    with pytest.raises(PasskeyWrong):
        use(replace(good, **wrong), made)


def test_answers_to_another_question_are_refused() -> None:
    good = Authenticator(RP.origin)
    made = made_by(good)
    for changes in (
        {"challenge": secrets.token_bytes(32)},
        {"person_id": uuid4()},
        {"public_key": made_by(Authenticator(RP.origin)).public_key},
        {"backup_eligible": True},
    ):
        with pytest.raises(PasskeyWrong):
            use(good, made, **changes)
    with pytest.raises(PasskeyWrong):
        verified_new(RP, good.create(creation()), challenge=secrets.token_bytes(32))
    with pytest.raises(PasskeyWrong, match="type"):
        verified_new(RP, good.create(creation(), type="webauthn.get"), challenge=CHALLENGE)


def test_without_a_user_handle_nobody_is_named() -> None:
    good = Authenticator(RP.origin)
    made = made_by(good)
    answer = good.get(request_options(RP, challenge=CHALLENGE))
    del answer["response"]["userHandle"]
    with pytest.raises(PasskeyWrong):
        use(good, made, answer)


@pytest.mark.parametrize(
    ("before", "now", "good"), [(0, 0, True), (0, 1, True), (5, 6, True), (5, 5, False), (5, 4, False), (5, 0, False)]
)
def test_a_counter_only_goes_on(before: int, now: int, good: bool) -> None:
    assert Use(now, backed_up=False).counts_on_from(before) is good


_PLACES = st.sampled_from(
    [
        "id",
        "rawId",
        "type",
        "response",
        "clientDataJSON",
        "authenticatorData",
        "signature",
        "userHandle",
        "attestationObject",
    ]
)
_JUNK = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=40),
    st.binary(max_size=120).map(encoded),
    st.lists(st.integers(), max_size=2),
    st.just({}),
)


def damaged(credential: dict[str, Any], place: str, junk: Any, at: int, flip: int) -> list[dict[str, Any]]:
    """The credential with junk in one place, and with one byte of it changed."""
    found = []
    for change in ("junk", "flip"):
        broken = copy.deepcopy(credential)
        inner = broken if place in broken else broken["response"]
        if place not in inner:
            continue
        if change == "junk":
            inner[place] = junk
        elif isinstance(inner[place], str) and place != "type":
            data = bytearray(decoded(inner[place]))
            data[at % len(data)] ^= flip
            inner[place] = encoded(bytes(data))
        if broken != credential:
            found.append(broken)
    return found


@settings(max_examples=150, deadline=None)
@given(place=_PLACES, junk=_JUNK, at=st.integers(0, 200), flip=st.integers(1, 255))
def test_whatever_is_made_up_is_refused_and_breaks_nothing(place: str, junk: Any, at: int, flip: int) -> None:
    good = Authenticator(RP.origin)
    made = made_by(good)
    for broken in damaged(good.get(request_options(RP, challenge=CHALLENGE)), place, junk, at, flip):
        assert claimed_id(broken) is None or isinstance(claimed_id(broken), bytes)
        with pytest.raises(PasskeyWrong):
            use(good, made, broken)
    for broken in damaged(good.create(creation()), place, junk, at, flip):
        try:
            verified_new(RP, broken, challenge=CHALLENGE)
        except PasskeyWrong:
            continue
        # Nothing signs what is made: another key, or a word that nobody reads, is as good.
        assert place in ("attestationObject", "clientDataJSON")
