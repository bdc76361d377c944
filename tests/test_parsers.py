"""Every parser of ours, whatever it is sent: it refuses by its own errors, or reads what it would write.

A short run; `make bench-fuzz` has a fuzzer try the same for as long as is wanted.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samples.parsers import PARSERS, holds

EXAMPLES = 50


@st.composite
def changed(draw: st.DrawFn, seeds: tuple[bytes, ...], words: tuple[bytes, ...]) -> bytes:
    """Something that is read, with a few pieces of it left out, doubled, or replaced."""
    content = draw(st.sampled_from(seeds))
    piece = st.one_of(st.binary(max_size=8), st.sampled_from((*words, b"", b"0", b"-1", b"\xff")))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = draw(st.integers(start, min(len(content), start + draw(st.sampled_from((0, 1, 2, 40))))))
        new = draw(st.one_of(piece, st.just(2 * content[start:end])))
        content = content[:start] + new + content[end:]
    return content


@pytest.mark.parametrize("name", PARSERS)
def test_what_its_own_side_wrote_is_read(name: str) -> None:
    assert all(holds(PARSERS[name], seed) for seed in PARSERS[name].seeds)


@pytest.mark.parametrize("name", PARSERS)
def test_anything_is_read_or_refused_in_its_own_words(name: str) -> None:
    parser = PARSERS[name]

    @settings(max_examples=EXAMPLES, deadline=None, database=None)
    @given(st.one_of(changed(parser.seeds, parser.dictionary), st.binary(max_size=100)))
    def hold(content: bytes) -> None:
        holds(parser, content)

    hold()
