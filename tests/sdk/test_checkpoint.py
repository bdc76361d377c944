from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sdk.checkpoint import (
    BadCheckpoint,
    Checkpoint,
    parse_checkpoint_unverified,
    parse_verifier_key,
    sign_checkpoint,
    verifier_key,
    verify_checkpoint,
)
from sdk.tiles import tile_path, tree_root

GOLDEN = Path(__file__).parents[1] / "data" / "tessera-golden"
GOLDEN_KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
LOG_KEY = "registry.example/log+8f84308d+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"
# Two independent clients accept this note (log signature, then a witness's cosignature).
NOTE = (
    "registry.example/log\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n\n"
    "\u2014 registry.example/log j4QwjYh7s9he3Hkj3HvDIW/ojbGDACE+mOE7e8dXFt2DBHB9Janck5zN6rknEjOUBWmTf/"
    "AgCBh6NJs0gMtBkF5L5gg=\n"
    "\u2014 witness.example/w1 /qOxhwAAAABpVbkAjK5xasNjJ42vg4ZP6XM9WtJAbMpHvTfIVdmzts0n4sh0YMWngBjMztOnzms4"
    "+QnCd4Kad//SeK0kfVeFkbf/Ag==\n"
)


def test_our_key_and_note_are_those_of_the_published_vector() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
    assert verifier_key(key, "registry.example/log").text() == LOG_KEY
    checkpoint = verify_checkpoint(NOTE, parse_verifier_key(LOG_KEY))
    assert sign_checkpoint(checkpoint, key) == NOTE[: NOTE.index("\u2014 witness")]


def test_every_single_byte_change_and_every_cut_of_a_note_is_refused() -> None:
    key = parse_verifier_key(LOG_KEY)
    note = NOTE[: NOTE.index("\u2014 witness")]
    good = verify_checkpoint(note, key)
    raw = note.encode()
    for place in range(len(raw)):
        for changed in (raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :], raw[:place]):
            with pytest.raises((BadCheckpoint, UnicodeDecodeError)):
                assert verify_checkpoint(changed.decode(), key) == good


def test_a_line_of_an_unknown_key_is_ignored_but_a_false_line_of_a_known_key_spoils_the_note() -> None:
    key = parse_verifier_key(LOG_KEY)
    assert verify_checkpoint(NOTE, key).size == 8
    good_line = NOTE.split("\n")[4]
    false_line = good_line[:-10] + "A" * 6 + good_line[-4:]
    with pytest.raises(BadCheckpoint):
        verify_checkpoint(NOTE + false_line + "\n", key)


@pytest.mark.parametrize(
    "body",
    [
        "registry.example/log\n+8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n",
        "registry.example/log\n08\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n",
        "registry.example/log\n1_0\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n",
        "registry.example/log\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyh=\n",
        "registry.example/log\n8\nXcna\n",
        "other.example/log\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n",
        "registry.example/log\n8\n",
        "registry.example/log\n99999999999999999999\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n",
    ],
)
def test_a_signed_but_malformed_checkpoint_is_refused(body: str) -> None:
    import base64

    key = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
    vkey = verifier_key(key, "registry.example/log")
    signature = base64.b64encode(vkey.key_id + key.sign(body.encode())).decode()
    with pytest.raises(BadCheckpoint):
        verify_checkpoint(f"{body}\n\u2014 registry.example/log {signature}\n", vkey)


@pytest.mark.parametrize(
    "text",
    ["", "a+b", LOG_KEY[:-4], LOG_KEY.replace("8f84308d", "8f84308e"), "a b" + LOG_KEY, "\udcff" + LOG_KEY],
)
def test_a_malformed_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(BadCheckpoint):
        parse_verifier_key(text)


def test_a_note_with_half_a_character_is_refused() -> None:
    # As a name of a file or an argument in another encoding comes into a program.
    with pytest.raises(BadCheckpoint, match="half of a character"):
        parse_checkpoint_unverified(f"\udcff{NOTE}")


def test_the_golden_log_of_another_implementation_verifies_with_our_tiles_and_checkpoints() -> None:
    key = parse_verifier_key(GOLDEN_KEY)
    newest = verify_checkpoint((GOLDEN / "checkpoint").read_text(), key)

    def read(level: int, number: int) -> bytes:
        for width in (256, newest.size % 256):
            file = GOLDEN / "tile" / tile_path(level, number, width)
            if file.exists():
                return file.read_bytes()
        raise AssertionError(f"no tile {level}/{number}")

    assert newest.size == 15
    for size in range(newest.size + 1):
        checkpoint = verify_checkpoint((GOLDEN / f"checkpoint.{size}").read_text(), key)
        assert checkpoint == Checkpoint(newest.origin, size, tree_root(read, size))
