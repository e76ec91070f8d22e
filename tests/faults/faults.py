"""All faults, each with what it does and what is allowed."""

from __future__ import annotations

from tests.faults.cutting_off import CUTTING_OFF
from tests.faults.killing import KILLING
from tests.faults.losing_redis import LOSING_REDIS
from tests.faults.outbox import OUTBOX
from tests.faults.play import Fault

FAULTS: tuple[Fault, ...] = (*KILLING, *LOSING_REDIS, *CUTTING_OFF, *OUTBOX)
