import base64
import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sdk.add_checkpoint import AddCheckpoint, BadRequestBody, parse_add_checkpoint, parse_size
from tests.witnesses import SmallLog

HASHES = st.binary(min_size=32, max_size=32)
GOOD = SmallLog().request(3, 9).body()


@given(st.integers(0, 2**63 - 1), st.lists(HASHES, max_size=63), st.text(st.characters(codec="utf-8")))
def test_what_is_written_is_read_again(old: int, proof: list[bytes], note: str) -> None:
    request = AddCheckpoint(old, tuple(proof), note)
    assert parse_add_checkpoint(request.body()) == request


@given(st.binary(max_size=200))
@example(b"old 0\n\n")
@example(b"old 0\n\r\n\n")
@example("old \u0661\n\n".encode())
def test_any_bytes_are_refused_in_words_or_are_what_would_be_written(body: bytes) -> None:
    with contextlib.suppress(BadRequestBody):
        assert parse_add_checkpoint(body).body() == body


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, 8))
def test_a_changed_request_is_refused_or_is_what_would_be_written(place: int, byte: int, cut: int) -> None:
    body = GOOD[:place] + bytes([byte]) + GOOD[place + cut :]
    with contextlib.suppress(BadRequestBody):
        assert parse_add_checkpoint(body).body() == body


@pytest.mark.parametrize(
    "head",
    [
        "old -1\n\n",
        "old +1\n\n",
        "old 01\n\n",
        "old 1_0\n\n",
        f"old {2**63}\n\n",
        "old 1 \n\n",
        "OLD 1\n\n",
        "old 1\n",
        "\nold 1\n\n",
        "old 1\nAAAA\n\n",
        "old 1\n" + base64.b64encode(bytes(33)).decode() + "\n\n",
        "old 1\n" + base64.b64encode(bytes(32)).decode()[:-2] + "B=\n\n",
        "old 1\n" + (base64.b64encode(bytes(32)).decode() + "\n") * 64 + "\n",
    ],
)
def test_a_malformed_head_is_refused(head: str) -> None:
    with pytest.raises(BadRequestBody):
        parse_add_checkpoint(head.encode() + b"note")


def test_a_request_that_is_too_long_is_refused() -> None:
    with pytest.raises(BadRequestBody, match="more than"):
        parse_add_checkpoint(GOOD + bytes(1 << 17))


@given(st.integers(0, 2**63 - 1))
def test_a_size_is_read(size: int) -> None:
    assert parse_size(f"{size}\n".encode()) == size


@given(st.binary(max_size=30))
@example(b"1")
@example(b"01\n")
@example(b"1\n\n")
@example(b"+1\n")
@example(b"9223372036854775808\n")
@example("\u0661\n".encode())
def test_what_is_no_size_is_refused(body: bytes) -> None:
    with contextlib.suppress(BadRequestBody):
        assert f"{parse_size(body)}\n".encode() == body
