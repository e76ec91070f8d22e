"""How long sessions and tokens live (OWASP ASVS 5.0, 7.3; decided for health-related records)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

IDLE: Final = timedelta(minutes=15)
ABSOLUTE: Final = timedelta(hours=12)
ACCESS_TOKEN: Final = timedelta(minutes=5)
# A retried refresh within this time gets tokens again instead of ending the family: phones lose answers.
REFRESH_GRACE: Final = timedelta(seconds=10)
# Between services, minted for the session of the person who asks.
SERVICE_TOKEN: Final = timedelta(seconds=60)
# last_seen is written at most this often.
SEEN_EVERY: Final = timedelta(minutes=1)
# After a sign-in with a temporary password, the time to choose one's own.
PASSWORD_CHANGE: Final = timedelta(minutes=15)
PASSWORD_RESET: Final = timedelta(hours=1)
# After staff have changed a login's e-mail address, the time for its owner to confirm it, or to say that it is wrong.
EMAIL_CONFIRM: Final = timedelta(days=7)
# How long a code from an e-mail is good for saying that a change was somebody else's.
REPORT_WITHIN: Final = timedelta(days=7)
