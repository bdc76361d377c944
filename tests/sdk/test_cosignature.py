import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from sdk.checkpoint import BadCheckpoint, Checkpoint, parse_verifier_key, sign_checkpoint, verify_checkpoint
from sdk.cosignature import (
    CLOCKS_DIFFER_S,
    TooFewWitnesses,
    cosign,
    parse_witness_key,
    require_witnesses,
    verify_cosignatures,
    witness_key,
)
from tests.sdk.test_checkpoint import LOG_KEY, NOTE

WITNESS_KEY = "witness.example/w1+fea3b187+BBOY9ixtGkV8UbpqS189vS9p/KkyFiGNyJl+QWvRfZPK"
COSIGNED_AT = 1767225600
KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([8 + number]) * 32) for number in range(3)]
NAMES = [f"witness.example/w{number + 1}" for number in range(3)]
WITNESSES = [witness_key(key, name) for key, name in zip(KEYS, NAMES, strict=True)]
ALONE = NOTE[: NOTE.index("\u2014 witness")]  # the log's own signature only


def cosigned(*times: int, note: str = ALONE) -> str:
    """The note with the lines of the first witnesses, each at its time."""
    lines = [cosign(note, key, name, at) + "\n" for key, name, at in zip(KEYS, NAMES, times, strict=False)]
    return note + "".join(lines)


def test_our_cosignature_and_key_are_those_that_two_other_programs_accept() -> None:
    assert WITNESSES[0].text() == WITNESS_KEY
    assert cosign(ALONE, KEYS[0], NAMES[0], COSIGNED_AT) == NOTE.split("\n")[-2]
    (found,) = verify_cosignatures(NOTE, [parse_witness_key(WITNESS_KEY)])
    assert (found.at, found.key) == (COSIGNED_AT, WITNESSES[0])
    assert found.in_words() == "witness.example/w1 at 2026-01-01 00:00:00 UTC"


@pytest.mark.parametrize(
    "vkey",
    [
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "remora.n621.de+da77ade8+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
        "remora.n621.de",
    ],
)
def test_a_log_key_and_a_changed_key_are_no_witness_keys(vkey: str) -> None:
    with pytest.raises(BadCheckpoint):
        parse_witness_key(vkey)


def test_a_published_witness_key_is_read_and_is_no_log_key() -> None:
    vkey = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
    assert parse_witness_key(vkey).text() == vkey
    with pytest.raises(BadCheckpoint):
        parse_verifier_key(vkey)


def test_lines_of_unknown_keys_are_ignored_and_a_false_line_of_a_known_one_spoils_the_note() -> None:
    note = cosigned(100, 200)
    assert [found.at for found in verify_cosignatures(note, [WITNESSES[1]])] == [200]
    assert verify_cosignatures(note, [WITNESSES[2]]) == ()
    assert verify_checkpoint(note, parse_verifier_key(LOG_KEY)).size == 8
    other = sign_checkpoint(Checkpoint("registry.example/log", 8, bytes(32)), KEYS[2])
    false = note + cosign(other, KEYS[0], NAMES[0], 300) + "\n"  # a cosignature of something else
    with pytest.raises(BadCheckpoint, match="does not verify"):
        verify_cosignatures(false, WITNESSES)
    assert len(verify_cosignatures(false, WITNESSES[1:])) == 1


@given(st.integers(0, 75), st.integers(0, 7))
def test_every_changed_bit_of_a_cosignature_is_found(byte: int, bit: int) -> None:
    import base64

    head, line = NOTE[: NOTE.index("\u2014 witness")], NOTE.split("\n")[-2]
    mark, name, encoded = line.split(" ")
    raw = bytearray(base64.b64decode(encoded))
    raw[byte] ^= 1 << bit
    note = f"{head}{mark} {name} {base64.b64encode(raw).decode()}\n"
    if byte < 4:  # the id of another key
        assert verify_cosignatures(note, WITNESSES) == ()
    else:
        with pytest.raises(BadCheckpoint):
            verify_cosignatures(note, WITNESSES)


@pytest.mark.parametrize("size", [75, 77, 68])
def test_a_line_of_another_length_is_refused(size: int) -> None:
    import base64

    raw = WITNESSES[0].key_id + bytes(size - 4)
    note = f"{ALONE}\u2014 {NAMES[0]} {base64.b64encode(raw).decode()}\n"
    with pytest.raises(BadCheckpoint, match="malformed"):
        verify_cosignatures(note, WITNESSES)


def test_of_two_lines_of_one_witness_the_newer_counts_and_they_count_once() -> None:
    note = cosigned(200) + cosign(ALONE, KEYS[0], NAMES[0], 100) + "\n"
    (found,) = verify_cosignatures(note, WITNESSES)
    assert found.at == 200
    with pytest.raises(TooFewWitnesses, match="by 1 of 3 witnesses, 2 are wanted"):
        require_witnesses(note, WITNESSES, 2, now=200)


def test_a_quorum_is_counted_by_keys_not_by_names() -> None:
    alias = witness_key(KEYS[0], "witness.example/alias")
    note = cosigned(100) + cosign(ALONE, KEYS[0], alias.name, 100) + "\n"
    assert len(verify_cosignatures(note, [*WITNESSES, alias])) == 2
    with pytest.raises(TooFewWitnesses):
        require_witnesses(note, [*WITNESSES, alias], 2, now=100)


def test_a_quorum_counts_fresh_cosignatures_alone() -> None:
    note = cosigned(1000, 2000)
    assert len(require_witnesses(note, WITNESSES, 2, now=2000)) == 2
    assert len(require_witnesses(note, WITNESSES, 2, now=2000, max_age_s=1000)) == 2
    with pytest.raises(TooFewWitnesses, match="too old"):
        require_witnesses(note, WITNESSES, 2, now=2001, max_age_s=1000)
    with pytest.raises(TooFewWitnesses, match="ahead of this clock"):
        require_witnesses(note, WITNESSES, 2, now=2000 - CLOCKS_DIFFER_S - 1)


@pytest.mark.parametrize("quorum", [-1, 0, 4])
def test_a_quorum_that_cannot_be_is_refused(quorum: int) -> None:
    with pytest.raises(TooFewWitnesses, match="cannot be had"):
        require_witnesses(cosigned(1, 1, 1), WITNESSES, quorum)
