"""Notes lead from a pinned key of a log to the next, and to nothing that was not signed by it."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from sdk.checkpoint import BadCheckpoint, Checkpoint, sign_checkpoint, verifier_key
from sdk.log_keys import (
    RETIREMENT,
    SUCCESSION,
    BadKeyHistory,
    KeyChange,
    KeyPeriod,
    key_periods,
    parse_key_change,
    verify_by_periods,
)

ORIGIN = "registry.example/log"
AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
PRIVATE = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(1, 5)]
KEYS = [verifier_key(key, ORIGIN) for key in PRIVATE]


def note(kind: str, old: int, new: int, size: int, signers: Sequence[int], origin: str = ORIGIN) -> str:
    change = KeyChange(kind, origin, KEYS[old], KEYS[new], size, AT)
    return change.signed([(KEYS[signer], PRIVATE[signer].sign) for signer in signers])


def succession(old: int, new: int, size: int) -> str:
    return note(SUCCESSION, old, new, size, [old, new])


def checkpoint(size: int, *signers: int) -> str:
    notes = [sign_checkpoint(Checkpoint(ORIGIN, size, bytes(32)), PRIVATE[signer]) for signer in signers]
    return notes[0] + "".join(each.partition("\n\n")[2] for each in notes[1:])


HISTORY = [
    succession(0, 1, 10),
    note(RETIREMENT, 0, 1, 20, [1]),
    succession(1, 2, 30),
]


@pytest.mark.parametrize("pinned", [0, 1, 2])
def test_whichever_key_was_pinned_the_periods_are_the_same_and_in_any_order(pinned: int) -> None:
    expected = (KeyPeriod(KEYS[0], 0, 20), KeyPeriod(KEYS[1], 11), KeyPeriod(KEYS[2], 31))
    assert key_periods(KEYS[pinned], HISTORY) == expected
    assert key_periods(KEYS[pinned], [*reversed(HISTORY), HISTORY[0]]) == expected
    assert key_periods(KEYS[3], HISTORY) == (KeyPeriod(KEYS[3]),)  # of another log's life


@pytest.mark.parametrize(
    ("size", "signers", "by"),
    [
        (0, [0], 0),
        (10, [0], 0),
        (11, [0, 1], 1),
        (20, [1, 0], 1),
        (21, [1], 1),
        (31, [1, 2], 2),
        (25, [3, 1], 1),
    ],
)
def test_a_checkpoint_is_verified_by_a_key_that_signs_trees_of_its_size(
    size: int, signers: list[int], by: int
) -> None:
    periods = key_periods(KEYS[0], HISTORY)
    assert verify_by_periods(checkpoint(size, *signers), periods)[1] == KEYS[by]


@pytest.mark.parametrize(("size", "signer"), [(21, 0), (10, 1), (30, 2), (40, 3)])
def test_a_key_signs_nothing_outside_of_its_period(size: int, signer: int) -> None:
    with pytest.raises(BadCheckpoint):
        verify_by_periods(checkpoint(size, signer), key_periods(KEYS[0], HISTORY))


def test_a_line_of_a_known_key_that_does_not_verify_makes_the_checkpoint_invalid() -> None:
    good, other = checkpoint(15, 1), checkpoint(16, 0)
    mixed = good + other.partition("\n\n")[2]
    with pytest.raises(BadCheckpoint, match="does not verify"):
        verify_by_periods(mixed, key_periods(KEYS[0], HISTORY))


@pytest.mark.parametrize(
    ("notes", "says"),
    [
        ([note(SUCCESSION, 0, 1, 10, [0])], "not signed by the keys"),
        ([note(SUCCESSION, 0, 1, 10, [1])], "not signed by the keys"),
        ([note(RETIREMENT, 0, 1, 20, [0])], "not signed by the keys"),
        ([succession(0, 1, 10), succession(0, 2, 10)], "different things of one key"),
        ([succession(0, 1, 10), succession(0, 1, 11)], "different things of one key"),
        ([succession(0, 1, 10), succession(1, 2, 10)], "in the order of its entries"),
        ([succession(0, 1, 10), succession(1, 0, 20)], "circle"),
        ([succession(1, 2, 10), succession(2, 1, 20), succession(2, 0, 5)], "different things|circle"),
        ([note(RETIREMENT, 0, 1, 20, [1])], "before it had a successor"),
        ([succession(0, 1, 10), note(RETIREMENT, 0, 1, 10, [1])], "before it had a successor"),
        ([succession(0, 1, 10), note(RETIREMENT, 0, 2, 20, [2])], "before it had a successor"),
        ([note(SUCCESSION, 0, 0, 10, [0])], "not about two keys"),
        ([note(SUCCESSION, 0, 1, 10, [0, 1], origin="other.example/log")], "not about two keys"),
        ([checkpoint(10, 0)], "no note about a log's keys"),
        (["nonsense"], "without signatures"),
    ],
)
def test_a_history_that_does_not_hold_is_refused(notes: list[str], says: str) -> None:
    with pytest.raises(BadKeyHistory, match=says):
        key_periods(KEYS[0], notes)


def test_a_note_is_no_checkpoint() -> None:
    with pytest.raises(BadCheckpoint):
        verify_by_periods(HISTORY[0], key_periods(KEYS[0], HISTORY))


@given(st.data())
def test_no_byte_of_a_note_can_be_changed(data: st.DataObject) -> None:
    text = HISTORY[0]
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda letter: letter != text[at]))
    with pytest.raises(BadKeyHistory):
        parse_key_change(text[:at] + other + text[at + 1 :])
