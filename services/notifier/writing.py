"""Which letter a delivery is, and in whose words."""

from __future__ import annotations

import structlog

from services.notifier.store import Claim
from shared.letters import Letter, Letters, Wording, Words
from shared.letters.samples import TEST_MAIL, as_test, sample_words
from shared.letters.wording import WrongWording

log = structlog.get_logger(__name__)


def written(letters: Letters, claim: Claim, secret: str) -> Letter:
    """The letter of a delivery. Raises UnknownMail, and what Jinja raises over a wrong template."""
    context = claim.context
    if claim.delivery.mail == TEST_MAIL:
        return _test(letters, claim)
    words = Words(
        username=context["username"],
        agency_name=context["agency_name"],
        portal_url=context.get("portal_url"),
        staff_url=context.get("staff_url"),
        secret=secret,
        expires_at=claim.expires_at,
        time_zone=claim.time_zone,
        locale=claim.locale,
        new_email=context.get("new_email", ""),
        detail=context.get("detail", ""),
        happened_at=context.get("happened_at", ""),
        place=context.get("place", ""),
        language=claim.language,
    )
    try:
        return letters.write(claim.delivery.mail, words, claim.wording)
    except WrongWording:
        # It was right when it was saved. What the letter carries counts for more than how the agency would say it.
        log.error("an agency's wording was left out", delivery_id=claim.delivery.id, agency_id=claim.delivery.agency_id)
        return letters.write(claim.delivery.mail, words)


def _test(letters: Letters, claim: Claim) -> Letter:
    context = claim.context
    words = sample_words(
        context["letter"],
        agency_name=context["agency_name"],
        portal_url=context["portal_url"],
        time_zone=claim.time_zone,
        locale=claim.locale,
        language=claim.language,
        expires_at=claim.expires_at,
    )
    return as_test(letters.write(context["letter"], words, Wording(**context["wording"])))
