"""Codes of apps and recovery codes, by themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.errors import Busy
from shared.security.gate import Gate
from shared.security.password_rules import (
    LEAST,
    LEAST_WITH_SECOND_FACTOR,
    RULES,
    RULES_FOR_ANYBODY,
    PasswordRefused,
    check,
    rules_for,
)
from shared.security.throttle import ADDRESS, TooManyAttempts
from shared.security.totp import (
    RECOVERY_CODES,
    STEP,
    WINDOW,
    app_address,
    digest_of,
    in_groups,
    is_of_app,
    new_recovery_codes,
    new_seed,
    plain,
    step_of,
)

# RFC 6238, appendix B: the seed for SHA-1 in base32, and its codes cut to six digits.
SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
KNOWN = {59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037"}


@pytest.mark.parametrize(("second", "code"), KNOWN.items())
def test_codes_are_those_of_the_standard(second: int, code: str) -> None:
    now = datetime.fromtimestamp(second, tz=UTC)
    assert step_of(SEED, code, now) == second // 30


def test_a_code_is_good_a_step_before_and_after_its_own() -> None:
    now = datetime.fromtimestamp(1234567890, tz=UTC)
    taken = [step for step in range(-4, 5) if step_of(SEED, KNOWN[1234567890], now + step * STEP)]
    assert taken == list(range(-WINDOW, WINDOW + 1))
    assert step_of(SEED, KNOWN[1234567890], now + STEP) == 1234567890 // 30


def test_seeds_are_160_bits_and_all_different() -> None:
    seeds = {new_seed() for _ in range(50)}
    assert len(seeds) == 50
    assert {len(seed) for seed in seeds} == {32}
    assert in_groups(SEED) == "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"


def test_an_app_is_told_whose_login_it_is() -> None:
    address = urlsplit(app_address(SEED, username="c.malek@x", issuer="River: Side & Co"))
    assert (address.scheme, address.netloc) == ("otpauth", "totp")
    assert parse_qs(address.query) == {"secret": [SEED], "issuer": ["River  Side & Co"]}


def test_recovery_codes_have_more_than_112_bits_and_are_all_different() -> None:
    codes = new_recovery_codes()
    assert len(set(codes)) == RECOVERY_CODES
    # 20 characters of 56: log2(56) * 20 = 116 bits.
    assert {len(plain(code)) for code in codes} == {20}
    assert not any(is_of_app(plain(code)) for code in codes)


@pytest.mark.parametrize("typed", ["123 456", "123-456", " 123456\n", "12–34—56", "123\u00a0456"])
def test_what_people_put_between_the_digits_does_not_matter(typed: str) -> None:
    assert plain(typed) == "123456"


@pytest.mark.parametrize("typed", ["12345", "1234567", "12345a", "１２３４５６", ""])
def test_other_things_are_no_codes_of_an_app(typed: str) -> None:
    assert not is_of_app(plain(typed))


def test_a_recovery_code_has_one_digest_however_it_is_typed() -> None:
    assert digest_of("AbcdE-FghjK-mnpqR-stuvW") == digest_of(" AbcdEFghjK mnpqR-stuvW ")
    assert digest_of("AbcdE-FghjK-mnpqR-stuvW") != digest_of("abcde-FghjK-mnpqR-stuvW")


async def test_tries_are_counted_unless_they_go_well(gate: Gate) -> None:
    for _ in range(ADDRESS.size + 5):
        async with gate.counting("203.0.113.9", known=False):
            pass
    for _ in range(ADDRESS.size):
        with pytest.raises(Busy):
            async with gate.counting("203.0.113.9", known=False):
                raise Busy
    with pytest.raises(TooManyAttempts):
        async with gate.counting("203.0.113.9", known=False):
            pass
    async with gate.counting("203.0.113.9", known=True):
        pass


def test_beside_a_second_factor_a_password_may_be_shorter_and_is_as_little_guessable() -> None:
    good = "owl2 fjord"
    check(good, context=(), least=LEAST_WITH_SECOND_FACTOR)
    with pytest.raises(PasswordRefused):
        check(good, context=())
    for bad in ("fj2 owl", "password", "cmalek99"):
        with pytest.raises(PasswordRefused):
            check(bad, context=("cmalek",), least=LEAST_WITH_SECOND_FACTOR)


def test_the_rules_say_the_number_that_counts() -> None:
    assert f"Use {LEAST} to" in RULES[0]
    assert f"Use {LEAST_WITH_SECOND_FACTOR} to" in rules_for(LEAST_WITH_SECOND_FACTOR)[0]
    assert set(RULES) < set(RULES_FOR_ANYBODY)
