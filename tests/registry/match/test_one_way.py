"""Everything about an upload is computed once, whichever way it came in."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest

from indexer.media.sandbox import DecoderPool
from registry.match.video import alignment
from registry.match.video.frame_pairs import first_pair
from registry.media.query_frames import QueryFrames
from sdk.errors import ProblemError
from sdk.models import SourceAgreement
from tests.pictures import encoded, picture
from tests.videos import clip, edited, original, whole
from tests.world import World


@contextmanager
def requests_to_decoders() -> Iterator[Counter[str]]:
    """Counts what the limited processes are asked, by the name of the request."""
    asked: Counter[str] = Counter()

    def counting(name: str) -> Any:
        call = getattr(DecoderPool, name)

        def counted(self: DecoderPool, *given: Any, **named: Any) -> Any:
            asked[name] += 1
            return call(self, *given, **named)

        return patch.object(DecoderPool, name, counted)

    names = ("identify", "decode", "open", "audio", "frames_at")
    with counting(names[0]), counting(names[1]), counting(names[2]), counting(names[3]), counting(names[4]):
        yield asked


def test_a_photograph_goes_to_the_limited_process_once(world: World) -> None:
    platform = world.enrol("Chat")
    with requests_to_decoders() as asked:
        platform.client.match(encoded(picture("coffee")))
    assert asked == {"identify": 1}


def test_a_registered_photograph_goes_to_the_limited_process_once(world: World) -> None:
    desk = world.enrol("Daily Example")
    with requests_to_decoders() as asked:
        world.register(desk, encoded(picture("coffee")))
    assert asked == {"identify": 1}


def test_nothing_is_decoded_for_a_statement_that_is_refused_or_was_answered_before(world: World) -> None:
    desk = world.enrol("Daily Example")
    content = encoded(picture("coffee"))
    world.register(desk, content)
    with requests_to_decoders() as asked:
        assert world.register(desk, content).already_registered
        with pytest.raises(ProblemError) as refused:
            desk.client.register(content[:-20], desk.sign(desk.statement(content, "cut on its way")))
    assert refused.value.code == "digest_mismatch"
    assert asked == {}


def test_a_declared_source_is_read_once_and_the_upload_is_searched_once(world: World) -> None:
    desk = world.enrol("Daily Example")
    source = world.register(desk, encoded(picture("coffee"))).record
    urn = f"urn:uuid:{source.id}"
    with requests_to_decoders() as asked:
        copy = encoded(picture("coffee").resize((300, 200)))
        derived = world.register(desk, copy, derived_from=(urn,)).record
    assert asked == {"identify": 1, "decode": 2}, "the upload, and the source's preview and larger copy"
    assert [source.agreement for source in derived.declared_sources] == [SourceAgreement.CONFIRMED]


def test_a_video_with_three_declared_sources_is_read_and_searched_once(world: World) -> None:
    desk = world.enrol("Daily Example")
    names = ("coffee", "cat", "astronaut")
    sources = [world.register(desk, original(name)).record for name in names]
    urns = tuple(f"urn:uuid:{source.id}" for source in sources)
    joined = edited(*(whole(clip(name)) for name in names))
    with requests_to_decoders() as asked:
        derived = world.register(desk, joined, derived_from=urns).record
    assert asked["open"] == 1
    assert asked["identify"] == 2, "by the request, which makes a job of it, and by the worker"
    assert [source.agreement for source in derived.declared_sources] == [SourceAgreement.CONFIRMED] * 3


def test_where_the_first_pair_of_frames_leaves_no_doubt_no_other_is_decoded_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, original("coffee", "cat"))
    decoded: list[int] = []
    decode = QueryFrames._decode

    def counted(frames: QueryFrames, times_ms: list[int]) -> Any:
        decoded.append(len(times_ms))
        return decode(frames, times_ms)

    def watched(*given: Any) -> Any:
        with patch.object(QueryFrames, "_decode", counted):
            return first_pair(*given)

    monkeypatch.setattr(alignment, "first_pair", watched)
    assert desk.client.match(edited(whole(clip("coffee", "cat")))).matches
    assert sum(decoded) <= 1, "or none, if it was compared before, for the pictures inside it"
