"""Boxes in the database: only their service opens them, only as their owner's, and keys can change."""

from __future__ import annotations

import pytest

from shared.security.boxes import Boxes, CannotOpen, new_box_key

OWNER, SOMEBODY_ELSE = b"owner", b"somebody else"


def test_a_box_opens_for_its_owner_alone() -> None:
    boxes = Boxes(new_box_key())
    box = boxes.seal(b"seed", owner=OWNER)
    assert boxes.open(box, owner=OWNER) == b"seed"
    assert b"seed" not in box
    assert boxes.seal(b"seed", owner=OWNER) != box
    with pytest.raises(CannotOpen):
        boxes.open(box, owner=SOMEBODY_ELSE)
    with pytest.raises(CannotOpen):
        Boxes(new_box_key()).open(box, owner=OWNER)


def test_a_changed_box_does_not_open() -> None:
    boxes = Boxes(new_box_key())
    box = boxes.seal(b"seed", owner=OWNER)
    for i in range(len(box)):
        changed = bytearray(box)
        changed[i] ^= 1
        with pytest.raises(CannotOpen):
            boxes.open(bytes(changed), owner=OWNER)
    for length in (0, 7, 8, 9, len(box) - 1):
        with pytest.raises(CannotOpen):
            boxes.open(box[:length], owner=OWNER)


def test_a_new_first_key_seals_and_the_old_one_still_opens() -> None:
    old, new = new_box_key(), new_box_key()
    box = Boxes(old).seal(b"seed", owner=OWNER)
    both = Boxes(f"{new}\n{old}\n")
    assert both.open(box, owner=OWNER) == b"seed"
    assert both.outdated(box)
    assert not Boxes(old).outdated(box)
    renewed = both.seal(b"seed", owner=OWNER)
    assert not both.outdated(renewed)
    assert Boxes(new).open(renewed, owner=OWNER) == b"seed"
    with pytest.raises(CannotOpen):
        Boxes(old).open(renewed, owner=OWNER)


@pytest.mark.parametrize("keys", ["", "  \n", "short", "c2hvcnQ=", "!" * 44])
def test_what_is_no_key_is_refused(keys: str) -> None:
    with pytest.raises(ValueError, match="key"):
        Boxes(keys)
    with pytest.raises(ValueError, match="key"):
        Boxes(f"{new_box_key()} {keys} nonsense")
